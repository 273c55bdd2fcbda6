"""``denoise run``: where results go; no input is ever lost, no result is ever an input."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from denoise_cli.cli.app import main

Caught = pytest.CaptureFixture[str]
Draw = Callable[..., NDArray[np.uint8]]
Take = Callable[[Path], NDArray[np.uint8]]
About = Callable[[Path], tuple[str | None, tuple[int, int]]]
AllFiles = Callable[[Path], list[str]]


# Where results go


@pytest.mark.usefixtures("here")
def test_one_file_gets_a_result_beside_it(draw: Draw, capsys: Caught, take: Take) -> None:
    assert main(["run", "a.png", "--model", "impulse"]) == 0
    out, err = capsys.readouterr()
    assert out == "" and "a.png: impulse" in err and "-> a-denoised.png" in err
    clean, noisy, estimate = (
        pixels.astype(float) for pixels in (draw("clean.png"), take(Path("a.png")), take(Path("a-denoised.png")))
    )
    assert np.square(estimate - clean).mean() < 0.02 * np.square(noisy - clean).mean()


@pytest.mark.usefixtures("here")
def test_verbose_says_what_was_seen_and_with_what_it_was_computed(capsys: Caught) -> None:
    assert main(["run", "a.png", "--model", "impulse", "-v", "--device", "cpu", "--precision", "float32"]) == 0
    told = capsys.readouterr().err
    assert told.startswith("denoise ") and ", torch " in told and "cpu, float32" in told.splitlines()[-1]
    assert main(["run", "a.png", "-v", "--device", "cpu", "--force"]) == 0
    assert "noise of sigma " in capsys.readouterr().err


def test_a_folder_is_mirrored_beside_it(here: Path, draw: Draw, all_files: AllFiles) -> None:
    (here / "photos/.thumbs").mkdir()
    draw(here / "photos/.thumbs/t.png")
    (here / "photos/notes.txt").write_text("no image")
    assert main(["run", "photos/", "-m", "median"]) == 0
    assert all_files(here / "photos-denoised") == ["b.png", "sub/c.png"]
    assert all_files(here / "photos") == [".thumbs/t.png", "b.png", "notes.txt", "sub/c.png"]


def test_files_folders_globs_and_lists_into_a_folder(here: Path, draw: Draw, all_files: AllFiles) -> None:
    draw(here / "x y\u00fc.png")
    draw(here / "globbed/d1.png")
    draw(here / "globbed/d2.png")
    (here / "globbed/readme.txt").write_text("no image")
    (here / "list.txt").write_text("x y\u00fc.png\n\n")
    assert main(["run", "a.png", "photos", "globbed/*", "@list.txt", "-o", "out", "-m", "median"]) == 0
    assert all_files(here / "out") == ["a.png", "b.png", "d1.png", "d2.png", "sub/c.png", "x y\u00fc.png"]


def test_a_format_and_a_file_name(here: Path, about: About, all_files: AllFiles) -> None:
    assert main(["run", "a.png", "-o", "new/clean.tif", "-m", "median"]) == 0
    assert main(["run", "a.png", "photos", "-o", "out", "-m", "median", "--format", "jpeg"]) == 0
    assert all_files(here / "out") == ["a.jpg", "b.jpg", "sub/c.jpg"]
    assert about(here / "out/a.jpg")[0] == "JPEG" and about(here / "new/clean.tif")[0] == "TIFF"
    (here / "bare").write_bytes((here / "a.png").read_bytes())
    assert main(["run", "bare", "-m", "median"]) == 0
    assert about(here / "bare-denoised.png") == ("PNG", (32, 24))


@pytest.mark.usefixtures("shelved")
def test_several_budgets_are_several_files(here: Path, capsys: Caught, take: Take, all_files: AllFiles) -> None:
    assert main(["run", "a.png", "--model", "dt", "--iters", "3,1", "-o", "out", "--precision", "float32"]) == 0
    assert all_files(here / "out") == ["a-iters1.png", "a-iters3.png"]
    assert "1,3 iterations" in capsys.readouterr().err
    assert main(["run", "a.png", "--model", "dt", "--iters", "3", "-o", "alone.png", "--precision", "float32"]) == 0
    assert (take(here / "alone.png") == take(here / "out/a-iters3.png")).all()
    assert (take(here / "alone.png") != take(here / "out/a-iters1.png")).any()


@pytest.mark.usefixtures("here")
def test_the_device_is_named_once(capsys: Caught) -> None:
    assert main(["run", "a.png", "photos", "-o", "out", "-m", "median", "--json"]) == 0
    out, err = capsys.readouterr()
    assert err.startswith("on cpu (") and err.count("on cpu") == 1 and len(out.splitlines()) == 3
    assert main(["run", "a.png", "-m", "median", "-q"]) == 0 and capsys.readouterr() == ("", "")


# No input is ever lost, no result ever an input


def test_what_exists_is_not_overwritten(here: Path, draw: Draw, capsys: Caught) -> None:
    draw(here / "a-denoised.png")
    before = (here / "a-denoised.png").read_bytes()
    assert main(["run", "a.png", "-m", "median"]) == 4
    assert "'a-denoised.png' exists already" in capsys.readouterr().err
    assert (here / "a-denoised.png").read_bytes() == before
    assert main(["run", "a.png", "-m", "median", "--force"]) == 0
    assert (here / "a-denoised.png").read_bytes() != before


@pytest.mark.parametrize("output", ["a.png", ".", "../here"])
def test_an_input_is_never_overwritten(here: Path, capsys: Caught, output: str) -> None:
    before = (here / "a.png").read_bytes()
    assert main(["run", "a.png", "-m", "median", "-o", output, "--force"]) == 4
    assert "The input 'a.png' would be overwritten" in capsys.readouterr().err
    assert (here / "a.png").read_bytes() == before


def test_results_are_no_inputs_the_next_time(here: Path, capsys: Caught, all_files: AllFiles) -> None:
    assert main(["run", "photos/b.png", "-m", "median"]) == 0
    for _ in range(2):
        assert main(["run", "photos", "-m", "median", "-o", "photos/out", "--force"]) == 0
        assert main(["run", "photos", "-m", "median", "--force"]) == 0
    assert all_files(here / "photos/out") == ["b.png", "sub/c.png"]
    assert "results of earlier runs are left out" in capsys.readouterr().err
    assert main(["run", "photos/b.png", "photos/b-denoised.png", "-m", "median", "--force"]) == 4
    assert "'photos/b-denoised.png' would be overwritten" in capsys.readouterr().err
    assert main(["run", "photos/b-denoised.png", "-m", "median"]) == 0
    assert (here / "photos/b-denoised-denoised.png").exists()


def test_clashing_names_are_found_before_work(here: Path, draw: Draw, capsys: Caught) -> None:
    draw(here / "other/a.png")
    assert main(["run", "a.png", "other/a.png", "-o", "out", "-m", "median"]) == 4
    assert "'a.png' and 'other/a.png' would both become 'out/a.png'" in capsys.readouterr().err
    assert not (here / "out").exists()
