from pathlib import Path

import pytest

from denoise_cli.errors import InputError, UsageError
from denoise_cli.scoring.pairs import pair_up


def _folder(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def _names(root: Path, outputs: list[str], clean: list[str]) -> list[tuple[str, str]]:
    pairs = pair_up(_folder(root / "outputs", *outputs), _folder(root / "clean", *clean))
    assert not pairs.only_outputs and not pairs.only_clean
    return [(match.name, match.clean.relative_to(root / "clean").as_posix()) for match in pairs.matched]


def test_pairs_by_path_below_the_folder(tmp_path: Path) -> None:
    names = ["b.png", "a.png", "sub/a.png", "sub/deep/c d.jpg"]
    assert _names(tmp_path, names, names[::-1]) == [(name, name) for name in sorted(names)]


def test_another_suffix_pairs_where_no_name_agrees(tmp_path: Path) -> None:
    assert _names(tmp_path, ["a.jpg", "b.v2.PNG"], ["a.png", "b.v2.tif"]) == [
        ("a.jpg", "a.png"),
        ("b.v2.PNG", "b.v2.tif"),
    ]


def test_an_equal_name_goes_before_another_suffix(tmp_path: Path) -> None:
    assert _names(tmp_path, ["a.jpg", "a.png"], ["a.png", "a.tif"]) == [("a.jpg", "a.tif"), ("a.png", "a.png")]


@pytest.mark.parametrize(("outputs", "clean"), [(["a.jpg", "a.bmp"], ["a.png"]), (["a.jpg"], ["a.png", "a.tif"])])
def test_a_name_that_could_mean_several_is_an_error(tmp_path: Path, outputs: list[str], clean: list[str]) -> None:
    with pytest.raises(InputError, match=r"'a' could mean several images: a\.") as error:
        _names(tmp_path, outputs, clean)
    assert all(name in error.value.what for name in outputs + clean)


def test_what_has_no_partner_is_named(tmp_path: Path) -> None:
    outputs = _folder(tmp_path / "outputs", "a.png", "x/only.png")
    clean = _folder(tmp_path / "clean", "a.png", "only.png", "z.png")
    pairs = pair_up(outputs, clean)
    assert [match.name for match in pairs.matched] == ["a.png"]
    assert pairs.only_outputs == (outputs / "x/only.png",)
    assert pairs.only_clean == (clean / "only.png", clean / "z.png")


def test_other_files_and_hidden_ones_are_not_seen(tmp_path: Path) -> None:
    names = ["a.png", "manifest.jsonl", ".a.png.1.part", "._a.png", ".cache/b.png"]
    assert _names(tmp_path, names, ["a.png", "LICENSE"]) == [("a.png", "a.png")]


def test_composed_and_decomposed_accents_are_the_same_name(tmp_path: Path) -> None:
    assert len(_names(tmp_path, ["u\u0308.png"], ["\u00fc.png"])) == 1


def test_two_files_pair_whatever_they_are_called(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "denoised.png", "original.jpg")
    pairs = pair_up(folder / "denoised.png", folder / "original.jpg")
    assert [(match.name, match.clean.name) for match in pairs.matched] == [("denoised.png", "original.jpg")]


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    outputs, clean = _folder(tmp_path / "outputs", "a/x.png"), _folder(tmp_path / "clean", "a/x.png")
    (clean / "a" / "up").symlink_to(clean)
    elsewhere = _folder(tmp_path / "elsewhere", "y.png")
    (outputs / "b").symlink_to(elsewhere)
    (clean / "b").symlink_to(elsewhere)
    assert [match.name for match in pair_up(outputs, clean).matched] == ["a/x.png", "b/y.png"]


def test_folders_without_images_and_missing_ones(tmp_path: Path) -> None:
    full, bare = _folder(tmp_path / "full", "a.png"), _folder(tmp_path / "bare", "note.txt")
    for outputs, clean in ((full, bare), (bare, full)):
        with pytest.raises(InputError, match=r"no images in '.*bare'"):
            pair_up(outputs, clean)
    with pytest.raises(InputError, match=r"There is no '.*nowhere'"):
        pair_up(full, tmp_path / "nowhere")
    with pytest.raises(UsageError, match="is a folder and"):
        pair_up(full, full / "a.png")
