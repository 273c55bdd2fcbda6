"""Synthesis: every byte follows from settings and source; what is cut short goes on; nothing else is lost."""

import json
import os
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from denoise_cli.data import manifest
from denoise_cli.data.manifest import CleanFile, NoisyFile, Settings
from denoise_cli.data.output import PLAN
from denoise_cli.data.source import Source
from denoise_cli.data.sources import open_source
from denoise_cli.data.synthesize import LEVELS, Step, folder_of, prepare, split, synthesize, words
from denoise_cli.errors import InputError, OutputError, UsageError
from denoise_cli.files import part_name

SETTINGS = Settings(source="pictures", noise=("sp:0.3", "gaussian:25"), val=0.25)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with eight images, one of them gray and in a folder of its own."""
    folder = tmp_path / "pictures"
    (folder / "gray").mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(7):
        Image.fromarray(random.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    Image.fromarray(random.integers(0, 256, (25, 24), dtype=np.uint8)).save(folder / "gray" / "g.png")
    return folder


def _make(source: Source, target: Path, settings: Settings = SETTINGS, *, force: bool = False) -> list[Step]:
    splits = split(source.names, settings.val, settings.seed)
    return list(synthesize(source, settings, target, splits=splits, force=force))


def _content(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_the_tree_and_its_manifest(pictures: Path, tmp_path: Path) -> None:
    steps = _make(open_source(pictures), tmp_path / "set")
    files = _content(tmp_path / "set")
    made = manifest.load(tmp_path / "set" / "manifest.jsonl")
    assert made.settings == SETTINGS
    assert [entry for step in steps for entry in step.entries] == list(made.entries)
    assert files.keys() - {"manifest.jsonl"} == {entry.file for entry in made.entries}
    assert len(files) == 1 + 8 * 3
    for entry in made.entries:
        assert entry.file and entry.sha256 == sha256(files[entry.file]).hexdigest()
    assert sorted(made.splits.values()) == ["train"] * 6 + ["val"] * 2
    for entry in made.entries:
        kind = folder_of(entry.noise) if isinstance(entry, NoisyFile) else "clean"
        assert entry.file == f"{made.splits[entry.image]}/{kind}/{entry.image}"
    clean = np.asarray(Image.open(tmp_path / "set" / made.splits["0.png"] / "clean" / "0.png"))
    assert np.array_equal(clean, np.asarray(Image.open(pictures / "0.png")))
    gray = np.asarray(Image.open(tmp_path / "set" / made.splits["gray/g.png"] / "sp-0.3" / "gray" / "g.png"))
    assert gray.shape == (25, 24) and 0.4 > np.isin(gray, (0, 255)).mean() > 0.2


def test_made_twice_it_is_the_same_and_a_seed_changes_it(pictures: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        _make(open_source(pictures), tmp_path / name)
    _make(open_source(pictures), tmp_path / "three", replace(SETTINGS, seed=1))
    assert _content(tmp_path / "one") == _content(tmp_path / "two")
    assert _content(tmp_path / "one") != _content(tmp_path / "three")


def test_noise_depends_neither_on_the_other_images_nor_on_the_other_noises(pictures: Path, tmp_path: Path) -> None:
    _make(open_source(pictures), tmp_path / "all", replace(SETTINGS, val=0))
    few = replace(SETTINGS, val=0, noise=("gaussian:25",), limit=3)
    _make(open_source(pictures).limited(3, 0), tmp_path / "few", few)
    noisy = {name: data for name, data in _content(tmp_path / "few").items() if "gaussian" in name}
    assert len(noisy) == 3
    assert noisy.items() <= _content(tmp_path / "all").items()


def test_pairs_and_clean_images_come_back(pictures: Path, tmp_path: Path) -> None:
    _make(open_source(pictures), tmp_path / "set")
    found = list(manifest.pairs(tmp_path / "set"))
    assert len(found) == 16
    assert all(pair.clean.is_file() and pair.noisy.is_file() for pair in found)
    assert {pair.noise for pair in found} == {"sp:0.3", "gaussian:25"}
    again = dict(open_source(tmp_path / "set"))
    splits = manifest.load(tmp_path / "set" / "manifest.jsonl").splits
    assert len(again) == 8
    for name, image in open_source(pictures):
        assert np.array_equal(again[f"{splits[name]}/{name}"], image)


def test_photographs_have_clean_images_of_their_own(pictures: Path, tmp_path: Path) -> None:
    words = ("camera:10+5+90", "sp:0.3", "patch:camera:10+5", "0.5*camera:10+5 + 0.5*sp:0.3")
    _make(open_source(pictures), tmp_path / "set", replace(SETTINGS, noise=words, val=0))
    files = _content(tmp_path / "set")
    folders = {
        "camera:10+5+90": "clean-camera-10+5+90",
        "sp:0.3": "clean",
        "patch:camera:10+5": "clean-patch-camera-10+5",
        "0.5*camera:10+5 + 0.5*sp:0.3": "clean-0.5-camera-10+5+0.5-sp-0.3",
    }
    found = list(manifest.pairs(tmp_path / "set"))
    assert {(pair.noise, pair.clean.parent.relative_to(tmp_path / "set").parts[0]) for pair in found} == {
        *folders.items()
    }
    entries = manifest.load(tmp_path / "set" / "manifest.jsonl").entries
    hashes = {file: digest for entry in entries for file, digest in entry.hashes.items()}
    assert hashes == {name: sha256(data).hexdigest() for name, data in files.items() if name != "manifest.jsonl"}
    for pair in found:
        if pair.noise == "camera:10+5+90":
            source = tmp_path / "set" / "clean" / pair.image
            noisy, clean, scene = (
                np.asarray(Image.open(path)).astype(float) for path in (pair.noisy, pair.clean, source)
            )
            assert np.square(noisy - clean).mean() < np.square(noisy - scene).mean()


def test_a_manifest_from_before_they_had_them(pictures: Path, tmp_path: Path) -> None:
    _make(open_source(pictures), tmp_path / "set")
    path = tmp_path / "set" / "manifest.jsonl"
    now = manifest.load(path)
    path.write_text(path.read_text().replace(', "reference": null, "reference_sha256": null', ""))
    assert "reference" not in path.read_text()
    assert manifest.load(path) == now


def test_without_clean_images(pictures: Path, tmp_path: Path) -> None:
    _make(open_source(pictures), tmp_path / "set", replace(SETTINGS, clean=False, val=0))
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == ["gaussian-25", "manifest.jsonl", "sp-0.3"]
    with pytest.raises(InputError, match="--no-clean"):
        list(manifest.pairs(tmp_path / "set"))


def test_a_broken_image_does_not_stop_the_rest(pictures: Path, tmp_path: Path) -> None:
    (pictures / "3.png").write_bytes(b"broken")
    steps = _make(open_source(pictures), tmp_path / "set")
    assert [step.image for step in steps if step.problem] == ["3.png"]
    assert len(manifest.load(tmp_path / "set" / "manifest.jsonl").splits) == 7


def test_an_image_that_a_noise_cannot_be_made_of_does_not_stop_the_rest(pictures: Path, tmp_path: Path) -> None:
    Image.new("L", (66000, 1)).save(pictures / "long.png")
    steps = _make(open_source(pictures), tmp_path / "set", replace(SETTINGS, noise=("sp:0.3", "jpeg:30")))
    (problem,) = (step.problem for step in steps if step.problem)
    assert problem.what.startswith("long.png: An image of 66000x1 pixels")
    assert len(manifest.load(tmp_path / "set" / "manifest.jsonl").splits) == 8
    assert not list((tmp_path / "set").rglob("long.png"))


def test_nothing_readable_leaves_nothing(pictures: Path, tmp_path: Path) -> None:
    for file in pictures.rglob("*.png"):
        file.write_bytes(b"broken")
    with pytest.raises(InputError):
        _make(open_source(pictures), tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_a_taken_folder_is_refused(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        _make(open_source(pictures), tmp_path / "set")
    assert _content(tmp_path / "set") == {"mine.txt": b"mine"}
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="is a file, not a folder") as caught:
        _make(open_source(pictures), tmp_path / "file", force=True)
    assert "--force" not in caught.value.hint


def test_force_replaces_a_set_and_nothing_else(pictures: Path, tmp_path: Path) -> None:
    target = tmp_path / "set"
    _make(open_source(pictures), target, replace(SETTINGS, seed=5, noise=("sp:0.1", "sp:0.3")))
    (target / "train" / "mine.txt").write_text("mine")
    _make(open_source(pictures), target, force=True)
    _make(open_source(pictures), tmp_path / "fresh")
    assert _content(target) == _content(tmp_path / "fresh") | {"train/mine.txt": b"mine"}


def test_force_leaves_no_clean_images_of_photographs(pictures: Path, tmp_path: Path) -> None:
    target = tmp_path / "set"
    _make(open_source(pictures), target, replace(SETTINGS, noise=("camera:0.02+0.01+90",)))
    _make(open_source(pictures), target, force=True)
    _make(open_source(pictures), tmp_path / "fresh")
    assert _content(target) == _content(tmp_path / "fresh")


def test_cut_short_the_same_set_goes_on_and_another_is_refused(pictures: Path, tmp_path: Path) -> None:
    source, target = open_source(pictures), tmp_path / "set"
    splits = split(source.names, SETTINGS.val, SETTINGS.seed)
    cut = synthesize(source, SETTINGS, target, splits=splits)
    next(cut)
    cut.close()  # type: ignore[attr-defined]
    assert (target / PLAN).is_file() and not (target / "manifest.jsonl").exists()
    left = next(target.rglob("0.png"))
    (left.parent / part_name(left.name)).write_bytes(b"what a kill left")
    (left.parent / ".other.part").write_bytes(b"not ours")
    with pytest.raises(OutputError):
        _make(source, target, replace(SETTINGS, seed=1))
    _make(source, target)
    _make(source, tmp_path / "fresh")
    (left.parent / ".other.part").unlink()
    assert _content(target) == _content(tmp_path / "fresh")


def test_a_plan_cannot_remove_files_elsewhere(pictures: Path, tmp_path: Path) -> None:
    target, outside = tmp_path / "set", tmp_path / "outside.txt"
    outside.write_text("mine")
    target.mkdir()
    (target / PLAN).write_text(f'{{}}\n"../outside.txt"\n"{outside}"\n')
    _make(open_source(pictures), target, force=True)
    assert outside.read_text() == "mine"


@pytest.mark.parametrize("count", [1, 2, 3, 10, 57])
def test_the_split_has_its_share_and_a_seed(count: int) -> None:
    names = [f"{number}.png" for number in range(count)]
    parts = list(split(names, 0.2, 0).values())
    assert parts.count("val") == min(max(round(0.2 * count), 1), count - 1)
    assert split(names, 0.2, 0) == split(names[::-1], 0.2, 0)
    assert set(split(names, 0, 0).values()) == {""}
    if count == 57:
        assert split(names, 0.2, 0) != split(names, 0.2, 1)


def test_images_kept_for_testing_are_never_trained_on() -> None:
    names = [f"{part}/{number}.png" for part in ("train", "test") for number in range(10)]
    parts = split(names, 0.2, 0, frozenset(names[10:]))
    assert {parts[name] for name in names[10:]} == {"test"}
    assert sorted(parts[name] for name in names[:10]) == ["train"] * 8 + ["val"] * 2
    assert set(split(names[10:], 0.2, 0, names[10:]).values()) == {"test"}
    whole = split(names, 0, 0, frozenset(names[10:]))
    assert [whole[name] for name in names] == [""] * 10 + ["test"] * 10


@pytest.mark.parametrize("val", [-0.1, 1, float("nan")])
def test_an_impossible_share(val: float) -> None:
    with pytest.raises(UsageError):
        split(["a.png"], val, 0)


def test_sizes_and_crops() -> None:
    row, column = np.mgrid[0:40, 0:60]
    pixels = np.stack([row * 4, column * 4, row + column]).astype(np.uint8)
    half = prepare(pixels, "a.png", replace(SETTINGS, size=20))
    assert half.shape == (3, 20, 30)
    assert np.abs(half.astype(int) - pixels.reshape(3, 20, 2, 30, 2).mean((2, 4))).max() <= 0.5
    assert prepare(pixels[:1], "a.png", replace(SETTINGS, size=80)).shape == (1, 80, 120)
    places = set()
    for name in "abcdefgh":
        cropped = prepare(pixels, name, replace(SETTINGS, crop=16))
        top, left = cropped[0, 0, 0] // 4, cropped[1, 0, 0] // 4
        assert np.array_equal(cropped, pixels[:, top : top + 16, left : left + 16])
        places.add((int(top), int(left)))
    assert len(places) > 4
    with pytest.raises(InputError, match="60x40 pixels, too few for a crop of 41"):
        prepare(pixels, "a.png", replace(SETTINGS, crop=41))


def test_words_of_a_kind() -> None:
    assert words("sp") == tuple(f"sp:{level}" for level in LEVELS["sp"])
    assert words("gaussian", ["25"]) == ("gaussian:25",)
    assert words("patch", ["0.5"]) == ("patch:sp:0.5",)
    assert words("patch:gaussian", ["25", "50"]) == ("patch:gaussian:25", "patch:gaussian:50")
    assert words("mixed", ["25", "50+0.2"]) == ("mixed:25+0.05", "mixed:50+0.2")
    assert words("patch:sp:0.3") == ("patch:sp:0.3",)
    for kind in LEVELS:
        assert words(kind)
    with pytest.raises(UsageError):
        words("sp:0.3", ["0.1"])
    with pytest.raises(UsageError):
        words("spp")


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"source": 1}', "no json", '{"noise": "sp:0.1"}', "[" * 100_000],
    ids=lambda text: text[:20] or "empty",
)
def test_what_is_no_manifest(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.jsonl").write_text(text)
    with pytest.raises(InputError, match="line 1"):
        manifest.load(tmp_path / "manifest.jsonl")


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        (0, "size", "64"), (0, "size", 0), (0, "crop", -3), (0, "seed", 1.5), (0, "seed", True), (0, "noise", 5),
        (0, "noise", [5]), (0, "limit", "all"), (0, "clean", 1), (0, "val", None), (0, "source", None),
        (1, "image", ["x"]), (1, "split", "../evil"), (1, "split", None), (1, "file", 1), (1, "height", 2.0),
        (2, "noise", 5), (2, "level", None), (2, "file", None),
    ],
)  # fmt: skip
def test_a_manifest_with_values_that_cannot_be(tmp_path: Path, line: int, name: str, value: object) -> None:
    clean = CleanFile("a.png", "train", None, "0", None, 1, 2, 2)
    noisy = NoisyFile("a.png", "train/sp-0.1/a.png", "sp:0.1", 0.1, 0, "0")
    path = tmp_path / "manifest.jsonl"
    path.write_bytes(manifest.Manifest(replace(SETTINGS, val=0), (clean, noisy)).dump())
    assert manifest.load(path).entries == (clean, noisy)
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    lines[line][name] = value
    path.write_text("".join(f"{json.dumps(one)}\n" for one in lines))
    with pytest.raises(InputError, match=f"line {line + 1}: "):
        manifest.load(path)


def test_no_image_is_written_elsewhere(pictures: Path, tmp_path: Path) -> None:
    _make(open_source(pictures), tmp_path / "set")
    path = tmp_path / "set" / "manifest.jsonl"
    path.write_text(path.read_text().replace('"0.png"', '"../../../evil.png"'))
    with pytest.raises(InputError, match="outside of"):
        _make(open_source(tmp_path / "set"), tmp_path / "out" / "set", replace(SETTINGS, val=0))
    assert not (tmp_path / "out").exists() and not (tmp_path / "evil.png").exists()


def test_a_noise_that_there_is_not_leaves_nothing(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no noise 'spp'"):
        _make(open_source(pictures), tmp_path / "set", replace(SETTINGS, noise=("sp:0.1", "spp:0.1")))
    assert not (tmp_path / "set").exists()


@pytest.mark.skipif(os.name == "nt", reason="there these are separators")
def test_names_with_a_backslash_or_a_colon_come_back(tmp_path: Path) -> None:
    names = {"back\\slash.png", "c:olon.png"}
    (tmp_path / "odd").mkdir()
    for name in names:
        Image.new("L", (8, 6), 100).save(tmp_path / "odd" / name)
    _make(open_source(tmp_path / "odd"), tmp_path / "set", replace(SETTINGS, val=0))
    assert {name for name, _ in open_source(tmp_path / "set")} == names
    assert {pair.image for pair in manifest.pairs(tmp_path / "set")} == names
    again = _make(open_source(tmp_path / "set"), tmp_path / "again", replace(SETTINGS, val=0))
    assert {step.image for step in again} == names


@pytest.mark.parametrize("file", ["", ".", "..", "a/../../b.png", "/b.png"])
def test_paths_that_leave_the_folder(file: str) -> None:
    assert not manifest.inside(file)


def test_a_manifest_cannot_name_files_elsewhere(tmp_path: Path) -> None:
    entry = CleanFile("a.png", "", "../a.png", "0", "0", 1, 2, 2)
    (tmp_path / "manifest.jsonl").write_bytes(manifest.Manifest(SETTINGS, (entry,)).dump())
    with pytest.raises(InputError, match="outside of its folder"):
        open_source(tmp_path)
