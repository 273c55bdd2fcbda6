"""``denoise run --in-place``: each image is replaced by its result, whole, and never twice."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow

from denoise_cli.cli.app import main
from denoise_cli.inference import batch
from denoise_cli.inference.journal import NAME

Caught = pytest.CaptureFixture[str]
Draw = Callable[..., NDArray[np.uint8]]
Take = Callable[[Path], NDArray[np.uint8]]
AllFiles = Callable[[Path], list[str]]
RUN = ["run", "photos", "--in-place", "-m", "median"]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*.png"))}


def test_files_are_replaced_and_keep_mode_and_times(here: Path, take: Take, all_files: AllFiles) -> None:
    assert main(["run", "a.png", "-m", "median", "-o", "wanted/a.png"]) == 0
    path = here / "a.png"
    path.chmod(0o640)
    os.utime(path, ns=(1_000_000_000, 1_234_567_891_000_000_000))
    assert main(["run", "a.png", "--in-place", "-m", "median"]) == 0
    assert (take(path) == take(here / "wanted/a.png")).all()
    found = path.stat()
    assert stat.S_IMODE(found.st_mode) == 0o640 and found.st_mtime_ns == 1_234_567_891_000_000_000
    assert all_files(here) == ["a.png", "photos/b.png", "photos/sub/c.png", "wanted/a.png"]


def test_no_image_is_denoised_twice(here: Path, draw: Draw, capsys: Caught) -> None:
    before = contents(here / "photos")
    assert main(RUN) == 0
    once = contents(here / "photos")
    assert all(once[name] != before[name] for name in before)
    draw(here / "photos/new.png", "salt", seed=7)
    assert main([*RUN, "--json"]) == 0
    out, err = capsys.readouterr()
    assert "1 images denoised, 2 skipped as done before" in err
    assert [json.loads(line).get("skipped", False) for line in out.splitlines()] == [True, False, True]
    for words in (["photos/b.png"], ["photos/sub"], ["photos/*.png", "--dry-run"]):
        assert main(["run", *words, "--in-place", "-m", "median"]) == 0
    assert contents(here / "photos").items() > once.items()
    assert main([*RUN, "--set", "window=5"]) == 4
    assert "photos/b.png was denoised with other settings" in capsys.readouterr().err
    assert main([*RUN, "--force"]) == 0
    assert all(contents(here / "photos")[name] != once[name] for name in once)


def test_a_kill_between_the_line_and_the_file(here: Path) -> None:
    before = contents(here / "photos")
    assert main(RUN) == 0
    once = contents(here / "photos")
    (here / "photos/b.png").write_bytes(before["b.png"])  # as if its line had been written and it not
    assert main(RUN) == 0
    assert contents(here / "photos") == once


def test_results_of_a_run_elsewhere_are_known(here: Path, capsys: Caught) -> None:
    assert main(["run", "photos", "-m", "median", "-o", "out"]) == 0
    before = contents(here / "out")
    assert main(["run", "out/b.png", "--in-place", "-m", "median"]) == 0
    assert contents(here / "out") == before and "done before" in capsys.readouterr().err


def test_what_changes_meanwhile_is_kept(
    here: Path, draw: Draw, monkeypatch: pytest.MonkeyPatch, capsys: Caught
) -> None:
    def edited(frames: object, format: str | None) -> bytes:
        draw(here / "a.png", "grain", seed=9)
        return b"the result"

    monkeypatch.setattr(batch, "encode_frames", edited)
    assert main(["run", "a.png", "--in-place", "-m", "median"]) == 4
    assert "a.png was changed while it was denoised" in capsys.readouterr().err
    mine = (here / "a.png").read_bytes()
    draw(here / "wanted.png", "grain", seed=9)
    assert mine == (here / "wanted.png").read_bytes()


def test_a_plan_replaces_nothing(here: Path, capsys: Caught) -> None:
    before = (here / "a.png").read_bytes()
    assert main(["run", "a.png", "--in-place", "-m", "median", "--dry-run"]) == 0
    assert capsys.readouterr().out.endswith(" -> a.png\n")
    assert (here / "a.png").read_bytes() == before and not (here / NAME).exists()


def test_links_stay_and_files_are_replaced_once(here: Path, capsys: Caught) -> None:
    (here / "photos/link.png").symlink_to("b.png")
    before = (here / "photos/b.png").read_bytes()
    assert main(RUN) == 4
    assert "'photos/b.png' and 'photos/link.png' are the same file" in capsys.readouterr().err
    assert main(["run", "photos", "photos/sub/c.png", "--in-place", "-m", "median"]) == 4
    assert (here / "photos/b.png").read_bytes() == before
    assert main(["run", "photos/link.png", "--in-place", "-m", "median"]) == 0
    assert (here / "photos/link.png").is_symlink() and (here / "photos/b.png").read_bytes() != before
    assert main(["run", "photos/b.png", "--in-place", "-m", "median"]) == 0
    assert "done before" in capsys.readouterr().err


def test_the_content_says_which_format_it_is(here: Path) -> None:
    (here / "a.png").rename(here / "a.jpg")
    assert main(["run", "a.jpg", "--in-place", "-m", "median"]) == 0
    with Pillow.open(here / "a.jpg") as result:
        assert result.format == "PNG"


def test_what_would_lose_something_is_not_replaced(here: Path, capsys: Caught) -> None:
    Pillow.new("CMYK", (16, 16), (10, 20, 30, 40)).save("ink.tif")
    before = (here / "ink.tif").read_bytes()
    assert main(["run", "ink.tif", "--in-place", "-m", "median"]) == 4
    assert "CMYK" in (err := capsys.readouterr().err) and "So it is not replaced" in err
    assert (here / "ink.tif").read_bytes() == before
    assert main(["run", "ink.tif", "--in-place", "-m", "median", "--force"]) == 0
    assert (here / "ink.tif").read_bytes() != before


def test_one_bad_file_does_not_stop_the_others(here: Path, capsys: Caught) -> None:
    (here / "photos/bad.png").write_bytes(b"no image")
    before = contents(here / "photos")
    assert main([*RUN, "--compare", "pairs"]) == 7
    after = contents(here / "photos")
    assert after["bad.png"] == before["bad.png"] and after["b.png"] != before["b.png"] != after["c.png"]
    assert contents(here / "pairs").keys() == {"b.png", "c.png"}
    assert main(["run", "none.png", "--in-place", "-m", "median"]) == 3
    assert main(["run", "a.png/x.png", "--in-place", "-m", "median"]) == 3
    assert main(["run", "none/x.png", "a.png", "--in-place", "-m", "median"]) == 7 and not (here / "none").exists()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_write_protection_is_heeded(here: Path, capsys: Caught) -> None:
    (here / "a.png").chmod(0o444)
    before = (here / "a.png").read_bytes()
    assert main(["run", "a.png", "--in-place", "-m", "median"]) == 4
    assert "permission denied" in capsys.readouterr().err and (here / "a.png").read_bytes() == before


@pytest.mark.usefixtures("here", "shelved")
@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["-o", "x.png"], "--in-place and -o do not go together"),
        (["-o", "-"], "--in-place and -o do not go together"),
        (["--save-residual"], "--in-place and --save-residual do not go"),
        (["--format", "jpeg"], "--in-place and --format do not go"),
        (["--crop", "0,0,9,9"], "--in-place and --crop do not go"),
        (["--cluster", "local"], "--in-place and --cluster do not go"),
        (["-n", "1,3"], "room for one result, not 2"),
        (["--strength", "0.5,1"], "room for one result, not 2"),
        (["-"], "--in-place replaces files, and stdin is none"),
    ],
)
def test_what_does_not_go_together(more: list[str], said: str, capsys: Caught) -> None:
    before = Path("a.png").read_bytes()
    assert main(["run", "a.png", "--in-place", "-m", "dt.gaussian", *more]) == 2
    assert said in capsys.readouterr().err and Path("a.png").read_bytes() == before


@pytest.mark.parametrize("name", ["a.pgm", "a.jpg"])
def test_what_lies_behind_a_picture_is_not_lost(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Pillow.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16), np.uint8)).save(name)
    picture = Path(name).read_bytes()
    content = picture + (picture if name == "a.pgm" else b"\0\0\0\x18ftypmp42" + bytes(99))
    Path(name).write_bytes(content)
    assert main(["run", name, "--in-place", "-m", "median"]) != 0
    assert Path(name).read_bytes() == content
    assert main(["run", name, "--in-place", "-m", "median", "--force"]) == 0
    Path(name).write_bytes(picture + b"\0\n" * 8)
    assert main(["run", name, "--in-place", "-m", "median"]) == 0, "padding is no loss"
