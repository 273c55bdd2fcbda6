"""``denoise make-data`` from the command line: the README's call, the manifest's round trip, and every refusal."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from denoise_cli.cli.app import main


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(5):
        Image.fromarray(random.integers(0, 256, (12, 16, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    return folder


def _content(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_with_nothing_else_it_takes_the_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["make-data", "--noise", "sp", "--levels", "0.1..0.5", "--crop", "32"]) == 0
    target = tmp_path / "denoise-data" / "samples-sp"
    assert capsys.readouterr().out == f"{Path('denoise-data/samples-sp')}\n"
    assert {path.name for path in (target / "train").iterdir()} == {"clean", *(f"sp-0.{n}" for n in range(1, 6))}
    assert main(["make-data", "--from-manifest", str(target / "manifest.jsonl"), "-o", "again"]) == 0
    assert _content(target) == _content(tmp_path / "again")


def test_the_samples_of_the_repository_can_be_made_again(tmp_path: Path) -> None:
    from denoise_cli.data.bundled import samples

    folder = samples() / "noisy"
    code = main(["make-data", "--from-manifest", str(folder / "manifest.jsonl"), "-o", str(tmp_path / "again")])
    assert code in (0, 7)  # another zlib packs the same pixels into other bytes
    for file in folder.rglob("*.png"):
        old, new = (
            np.asarray(Image.open(path)).astype(int) for path in (file, tmp_path / "again" / file.relative_to(folder))
        )
        assert np.abs(old - new).max() <= 1  # another processor may round a normal draw the other way


def test_a_changed_source_is_reported(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "set"
    assert main(["make-data", str(pictures), "--levels", "0.1", "-o", str(target)]) == 0
    Image.new("RGB", (16, 12), (1, 2, 3)).save(pictures / "3.png")
    again = ["make-data", "--from-manifest", str(target / "manifest.jsonl"), "-o"]
    capsys.readouterr()
    assert main([*again, str(tmp_path / "again")]) == 7
    assert "image 3.png is not the one" in capsys.readouterr().err
    (pictures / "3.png").unlink()
    assert main([*again, str(tmp_path / "third")]) == 3
    assert "such as 3.png" in capsys.readouterr().err
    assert not (tmp_path / "third").exists()


def test_a_changed_photograph_without_noise_is_reported(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "set"
    assert main(["make-data", str(pictures), "--noise", "camera:10+5", "--val", "0", "-o", str(target)]) == 0
    assert f"{3 * len(list(pictures.rglob('*.png')))} files" in capsys.readouterr().err
    path = target / "manifest.jsonl"
    digest = json.loads(path.read_text().splitlines()[2])["reference_sha256"]
    path.write_text(path.read_text().replace(digest, digest[::-1]))
    assert main(["make-data", "--from-manifest", str(path), "-o", str(tmp_path / "again")]) == 7
    assert "clean-camera-10+5/" in capsys.readouterr().err


def test_a_manifest_whose_split_leaves_the_output(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["make-data", str(pictures), "--noise", "sp:0.1", "-o", str(tmp_path / "set")]) == 0
    path = tmp_path / "set" / "manifest.jsonl"
    path.write_text(path.read_text().replace('"split": "train"', '"split": "../evil"'))
    before = _content(tmp_path)
    assert main(["make-data", "--from-manifest", str(path), "-o", str(tmp_path / "deep" / "again")]) == 3
    assert "no split '../evil'" in capsys.readouterr().err
    assert _content(tmp_path) == before


def test_what_a_known_set_keeps_for_testing_is_apart_without_validation_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for name, count in (("data_batch_1", 3), ("test_batch", 2)):
        (folder / f"{name}.bin").write_bytes((bytes([6]) + bytes(3072)) * count)
    assert main(["make-data", str(folder), "--noise", "sp:0.1", "--val", "0", "-o", str(tmp_path / "set")]) == 0
    assert "5 images (2 to test), 10 files" in capsys.readouterr().err
    assert len(list((tmp_path / "set" / "clean").rglob("*.png"))) == 3
    assert len(list((tmp_path / "set" / "test" / "clean").rglob("*.png"))) == 2


def test_the_source_may_have_moved(pictures: Path, tmp_path: Path) -> None:
    assert main(["make-data", str(pictures), "--noise", "gaussian:25", "-o", str(tmp_path / "set")]) == 0
    moved = shutil.move(pictures, tmp_path / "moved")
    path = tmp_path / "set" / "manifest.jsonl"
    assert main(["make-data", str(moved), "--from-manifest", str(path), "-o", str(tmp_path / "again")]) == 0
    assert _content(tmp_path / "set") == _content(tmp_path / "again")


def test_json_is_all_that_stdout_gets(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["make-data", str(pictures), "--noise", "mixed", "--levels", "25+0.05,50+0.1", "--limit", "3"]
    assert main([*arguments, "-o", str(tmp_path / "set"), "--json", "-q"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert json.loads(printed.out) == {
        "output": str(tmp_path / "set"), "source": str(pictures), "images": 3, "train": 2, "val": 1, "test": 0,
        "noise": ["mixed:25+0.05", "mixed:50+0.1"], "files": 9, "failed": 0, "differences": [],
    }  # fmt: skip


def test_a_broken_image_is_named_and_the_rest_is_made(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pictures / "2.png").write_bytes(b"no image")
    assert main(["make-data", str(pictures), "--levels", "0.1", "-o", str(tmp_path / "set")]) == 7
    assert "2.png" in capsys.readouterr().err
    assert len(list((tmp_path / "set").rglob("clean/*.png"))) == 4


def test_what_reading_changed_is_told_once_a_file(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = [Image.new("RGB", (16, 12), (level, 0, 0)) for level in (50, 60, 70)]
    frames[0].save(pictures / "pages.tif", save_all=True, append_images=frames[1:])
    Image.new("CMYK", (16, 12)).save(pictures / "print.jpg")
    arguments = ["make-data", str(pictures), "--noise", "sp", "-o", str(tmp_path / "set")]
    assert main(arguments) == 0
    err = capsys.readouterr().err
    assert err.count("print.jpg") == 1 and err.count("pages.tif") == 1 and "CMYK" in err
    assert main([*arguments, "--force", "-q"]) == 0 and capsys.readouterr().err == ""


def test_floating_point_beyond_what_8_bits_hold_is_left_out(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, top in (("within", 1.0), ("beyond", 1.5)):
        tifffile.imwrite(pictures / f"{name}.tif", np.linspace(0, top, 192, dtype=np.float32).reshape(12, 16))
    assert main(["make-data", str(pictures), "--noise", "sp:0.1", "--val", "0", "-o", str(tmp_path / "set")]) == 7
    assert "beyond.tif has values from 0 to 1.5" in capsys.readouterr().err
    assert {path.name for path in (tmp_path / "set" / "clean").iterdir()} == {
        *(f"{number}.png" for number in range(5)), "within.png",
    }  # fmt: skip
    assert np.asarray(Image.open(tmp_path / "set" / "clean" / "within.png")).max() == 255


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--noise", "spp"], 2, "Did you mean 'sp'"),
        (["--levels", "0.5..0.1"], 2, "0.1..0.5:0.2"),
        (["--levels", "1.5"], 2, "between 0 and 1"),
        (["--noise", "sp:0.3", "--levels", "0.1"], 2, "has its level already"),
        (["--noise", "jpeg", "--levels", "200"], 2, "between 1 and 100"),
        (["--val", "1"], 2, "below 1"),
        (["--crop", "50"], 3, "--size 50"),
        (["--seed", "1", "--from-manifest", "m.jsonl"], 2, "--seed was given"),
        (["--from-manifest", "nowhere.jsonl"], 3, "nowhere.jsonl cannot be read"),
    ],
)
def test_mistakes(
    pictures: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    assert main(["make-data", str(pictures), "-o", str(tmp_path / "set"), *arguments]) == code
    printed = capsys.readouterr()
    assert words in printed.err and printed.out == ""
    assert not (tmp_path / "set").exists()


def test_an_output_that_exists_or_lies_in_the_source(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["make-data", str(pictures), "--levels", "0.1", "-o"]
    assert main([*arguments, str(tmp_path)]) == 4
    assert "not empty" in capsys.readouterr().err
    assert main([*arguments, str(pictures / "set")]) == 2
    assert main([*arguments, str(tmp_path / "set")]) == 0
    assert main([*arguments, str(tmp_path / "set")]) == 4
    assert main([*arguments, str(tmp_path / "set"), "--force"]) == 0


@pytest.mark.parametrize("source", ["set/clean", "set/clean/0.png"])
def test_a_source_that_lies_in_the_output_is_not_overwritten(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], source: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["make-data", str(pictures), "--noise", "sp:0.1", "--val", "0", "-o", "set"]) == 0
    before = _content(tmp_path / "set")
    assert main(["make-data", source, "--noise", "gaussian:25", "--val", "0", "-o", "set", "--force"]) == 2
    assert f"The source {source} lies inside the output set" in capsys.readouterr().err
    assert _content(tmp_path / "set") == before


def test_the_samples_are_not_overwritten(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from denoise_cli.data import bundled

    (tmp_path / "own" / "clean").mkdir(parents=True)
    shutil.copy(pictures / "0.png", tmp_path / "own" / "clean" / "0.png")
    monkeypatch.setattr(bundled, "samples", lambda: tmp_path / "own")
    before = _content(tmp_path / "own")
    assert main(["make-data", "--noise", "sp:0.1", "--val", "0", "-o", str(tmp_path / "own"), "--force"]) == 2
    assert "The source samples lies inside" in capsys.readouterr().err
    assert _content(tmp_path / "own") == before


def test_a_known_set_that_cannot_be_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from denoise_cli.data import fetch

    gone = fetch.Known((tmp_path / "gone" / "stl10_binary.tar.gz").as_uri(), "0", ())
    monkeypatch.setitem(fetch.KNOWN, "stl10", gone)
    monkeypatch.setenv(fetch.CACHE_VARIABLE, str(tmp_path / "cache"))
    assert main(["make-data", "stl10", "-o", str(tmp_path / "set")]) == 3
    printed = capsys.readouterr().err
    assert gone.url in printed and f"put stl10_binary.tar.gz into {tmp_path / 'cache'}" in printed
