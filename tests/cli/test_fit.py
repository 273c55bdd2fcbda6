"""``denoise fit-dip`` and ``fit-rnn`` from files to files: what is written, when it ends, what it refuses."""

import json
import os
import signal
from collections.abc import Iterator
from io import BytesIO, TextIOWrapper
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from denoise_cli.cli import fit
from denoise_cli.cli.app import main
from denoise_cli.fitting import follow as following
from denoise_cli.fitting.follow import Standing
from denoise_cli.image import Image, Source, encode_frames, read, write

TINY = ["--set", "width=4", "--set", "inputs=2", "--set", "depth=1"]


def picture(path: Path, channels: int = 3, depth: int = 8, seed: int = 0) -> Path:
    pixels: NDArray[np.float32] = np.random.default_rng(seed).random((channels, 11, 14), dtype=np.float32)
    mode = {1: "L", 3: "RGB"}[channels]
    write(Image(pixels, Source(str(path), mode=mode, depth=depth)), path, force=False)
    return path


@pytest.mark.parametrize(("channels", "depth"), [(1, 8), (3, 8), (3, 16)])
def test_an_image_in_and_out(tmp_path: Path, channels: int, depth: int) -> None:
    noisy = picture(tmp_path / "noisy.png", channels, depth)
    assert main(["fit-dip", str(noisy), "--iters", "3", "--pad", "reflect", "--pad-size", "30", *TINY]) == 0
    result = read(tmp_path / "noisy-denoised.png")
    assert result.pixels.shape == (channels, 11, 14) and result.source.depth == depth


def test_what_is_to_be_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noisy, clean = picture(tmp_path / "noisy.png"), picture(tmp_path / "clean.png", seed=1)
    words = ["--clean", str(clean), "--curve", str(tmp_path / "curve.png"), "--preview", str(tmp_path / "sheet.png")]
    words += ["--save-every", "5", "--json", "-o", str(tmp_path / "out.png")]
    assert main(["fit-dip", str(noisy), "--iters", "12", *words, *TINY]) == 0
    names = {path.name for path in tmp_path.glob("*.png")}
    assert names == {f"{name}.png" for name in ("noisy", "clean", "curve", "sheet", "out", "out-step5", "out-step10")}
    assert read(tmp_path / "sheet.png").width > 3 * 14
    out, err = capsys.readouterr()
    record = json.loads(out)
    assert (record["model"], record["device"], record["warnings"]) == ("dip", "cpu", [])
    assert record["steps"] == 12 and record["best_step"] == 12 and record["output"] == [str(tmp_path / "out.png")]
    assert "all 12 steps are done" in err


def test_a_second_fit_is_seen_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noisy = picture(tmp_path / "noisy.png")
    words = ["--clean", str(noisy), "--curve", str(tmp_path / "curve.png"), "--preview", str(tmp_path / "sheet.png")]
    words += ["--save-every", "10", "--json", "-o", str(tmp_path / "out.png")]
    assert main(["fit-dip", str(noisy), "--stop", "auto", "--iters", "12", *words, *TINY]) == 0
    out, err = capsys.readouterr()
    record = json.loads(out)
    assert record["steps"] == 12 + record["best_step"] and record["ended"] == "all 12 steps are done"
    assert f"once more with every pixel, for {record['best_step']} steps" in err
    saved = {path.name for path in tmp_path.glob("out-step*")}
    assert saved == {f"out-step{number}.png" for number in range(10, record["steps"] + 1, 10)}
    assert main(["fit-dip", str(noisy), "--stop", "auto", "--iters", "12", *words, *TINY]) == 4
    single = ["fit-dip", str(noisy), "--stop", "held-out", "--iters", "12", "-o", str(tmp_path / "one.png"), *TINY]
    assert main(single) == 0
    assert (tmp_path / "one.png").read_bytes() != (tmp_path / "out.png").read_bytes()


def test_the_same_again(tmp_path: Path) -> None:
    noisy = picture(tmp_path / "noisy.png")
    for name in ("a.png", "b.png"):
        assert main(["fit-dip", str(noisy), "-o", str(tmp_path / name), "--iters", "4", *TINY]) == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_when_the_time_is_up_the_best_so_far_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noisy = picture(tmp_path / "noisy.png")
    assert main(["fit-dip", str(noisy), "--iters", "100000", "--time", "0.05s", *TINY]) == 0
    assert (tmp_path / "noisy-denoised.png").exists() and "the time is up" in capsys.readouterr().err


def _interrupt(patch: pytest.MonkeyPatch) -> None:
    """Let every fit be interrupted at its third step."""
    real = following.follow

    def interrupted(*arguments: object) -> Iterator[Standing]:
        for standing in real(*arguments):  # type: ignore[arg-type]
            if standing.step.number == 3:
                os.kill(os.getpid(), signal.SIGINT)
            yield standing

    patch.setattr(following, "follow", interrupted)


def test_an_interrupt_writes_the_best_so_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _interrupt(monkeypatch)
    noisies = [str(picture(tmp_path / f"{name}.png")) for name in "ab"]
    assert main(["fit-dip", *noisies, "--iters", "100000", "--workers", "1", "--batch", "1", *TINY]) == 130
    assert (tmp_path / "a-denoised.png").exists() and not (tmp_path / "b-denoised.png").exists()
    assert "interrupted" in capsys.readouterr().err


def test_several_images_and_one_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "b.png").write_bytes(b"no image")
    assert main(["fit-dip", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--iters", "2", *TINY]) == 7
    assert (tmp_path / "out" / "a.png").exists()
    err = capsys.readouterr().err
    assert err.startswith("on cpu (") and err.count("on cpu") == 1, "the device is named once"
    assert main(["fit-dip", str(tmp_path / "in" / "a.png"), "--max-pixels", "100", *TINY]) == 3
    assert "--max-pixels 154" in capsys.readouterr().err
    (tmp_path / "in" / "a.png").write_bytes(b"no image")
    capsys.readouterr()
    assert main(["fit-dip", str(tmp_path / "in"), "-o", str(tmp_path / "none"), "--json", *TINY]) == 3
    out, err = capsys.readouterr()
    assert "None of the 2 images could be fitted" in err
    assert all("is not an image" in json.loads(line)["error"] for line in out.splitlines())


def test_of_several_pages_the_first_is_said_to_be_fitted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noisy = picture(tmp_path / "noisy.tif")
    noisy.write_bytes(encode_frames([read(noisy), read(noisy)], "tiff"))
    assert main(["fit-dip", str(noisy), "--iters", "1", *TINY]) == 0
    assert "2 frames; the first was read, 1 left out" in capsys.readouterr().err


def test_nothing_is_two_things_or_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noisy = picture(tmp_path / "noisy.png")
    before = noisy.read_bytes()
    fit = ["fit-dip", str(noisy), "--iters", "6", *TINY]
    for path in (noisy, tmp_path / "noisy-denoised.png"):
        assert main([*fit, "--preview", str(path), "--force"]) == 4
        assert "would be two things at once" in capsys.readouterr().err
    picture(tmp_path / "noisy-denoised-step4.png")
    assert main([*fit, "--save-every", "2"]) == 4
    assert "noisy-denoised-step4.png exists already" in capsys.readouterr().err
    assert noisy.read_bytes() == before and not (tmp_path / "noisy-denoised-step2.png").exists()
    assert main([*fit, "--save-every", "2", "--force"]) == 0
    assert main(["run", str(tmp_path), "-m", "median", "-o", str(tmp_path / "out")]) == 0
    assert [path.name for path in (tmp_path / "out").glob("*.png")] == ["noisy.png"]


def test_a_fit_that_was_cut_short_goes_on_over_its_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noisies = [str(picture(tmp_path / name)) for name in ("a.png", "b.png")]
    out = tmp_path / "out"
    fit = ["fit-dip", *noisies, "-o", str(out), "--iters", "4", "--save-every", "2", *TINY]
    assert main(fit) == 0
    whole = {path.name: path.read_bytes() for path in out.glob("*.png")}
    assert len(whole) == 6
    (out / "b.png").unlink()
    assert main([*fit, "--seed", "5"]) == 4, "they are of other settings"
    assert main(fit) == 0
    assert "a.png: done before" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in out.glob("*.png")} == whole
    (out / "b.png").unlink()
    (out / "b-step2.png").unlink()
    picture(out / "b-step2.png")
    assert main(fit) == 4
    assert "b-step2.png exists already" in capsys.readouterr().err


def test_the_sheet_of_a_long_strip_is_not_enlarged(tmp_path: Path) -> None:
    strip = tmp_path / "strip.png"
    write(Image(np.full((1, 400, 2), 0.4, np.float32), Source("x", mode="L", depth=8)), strip, force=False)
    assert main(["fit-dip", str(strip), "--iters", "1", "--preview", str(tmp_path / "sheet.png"), *TINY]) == 0
    assert read(tmp_path / "sheet.png").height < 500 and read(tmp_path / "sheet.png").width > 2 * 192


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--preview", "sheet.txt"], 2, "sheet.txt"),
        (["--preview", "sheet"], 2, "sheet"),
        (["--curve", "curve.jpg"], 2, "The curve is a PNG, and 'curve.jpg' is the name of none"),
        (["--curve", "folder.png", "--force"], 4, "folder.png is a folder"),
        (["--preview", "folder.png", "--force"], 4, "folder.png is a folder"),
    ],
)
def test_names_of_pictures_are_looked_at_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], code: int,
    said: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    picture(tmp_path / "noisy.png")
    (tmp_path / "folder.png").mkdir()
    assert main(["fit-dip", "noisy.png", "--iters", "1", *words, *TINY]) == code
    assert said in capsys.readouterr().err and not (tmp_path / "noisy-denoised.png").exists()


def test_a_step_takes_the_name_of_no_answer_and_of_no_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noisies = [str(picture(tmp_path / name)) for name in ("x.png", "x-step2.png")]
    fit = ["fit-dip", *noisies, "--iters", "2", "--save-every", "2", "--force", *TINY]
    assert main([*fit, "-o", str(tmp_path / "out")]) == 4
    assert "x-step2.png would be two things at once" in capsys.readouterr().err and not (tmp_path / "out").exists()
    named = str(picture(tmp_path / "y-denoised-step2.png"))
    assert main(["fit-dip", str(picture(tmp_path / "y.png")), named, *fit[3:]]) == 4


def test_the_same_command_again_does_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "ab":
        picture(tmp_path / "in" / f"{name}.png")
    fit = ["fit-dip", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--iters", "2", "--workers", "1", *TINY]
    assert main(fit) == 0
    before = {name: (tmp_path / "out" / f"{name}.png").stat().st_mtime_ns for name in "ab"}
    picture(tmp_path / "in" / "c.png", seed=1)
    (tmp_path / "in" / "b.png").write_bytes((tmp_path / "in" / "c.png").read_bytes())
    capsys.readouterr()
    assert main([*fit, "--json"]) == 0
    out, err = capsys.readouterr()
    records = {Path(record["input"]).stem: record for record in map(json.loads, out.splitlines())}
    assert records["a"]["skipped"] and "a.png: done before" in err
    assert [records[name]["steps"] for name in "bc"] == [2, 2]
    assert (tmp_path / "out" / "a.png").stat().st_mtime_ns == before["a"]
    assert (tmp_path / "out" / "b.png").stat().st_mtime_ns != before["b"]
    assert main([*fit, "--seed", "1"]) == 4 and "made with other settings" in capsys.readouterr().err
    assert main(fit) == 0 and capsys.readouterr().err.count("done before") == 3
    picture(tmp_path / "in" / "d.png")
    picture(tmp_path / "out" / "d.png")
    assert main(fit) == 4 and "d.png exists already" in capsys.readouterr().err


def test_what_an_interrupt_left_is_done_by_the_same_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "abc":
        picture(tmp_path / "in" / f"{name}.png")
    fit = ["fit-dip", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--iters", "6", "--workers", "1", *TINY]
    fit += ["--batch", "1"]
    with monkeypatch.context() as patch:
        _interrupt(patch)
        assert main(fit) == 130
    left = f"2 of 3 images are left, from {tmp_path / 'in' / 'b.png'} on: the same command again does them"
    assert left in capsys.readouterr().err
    assert main([*fit, "--json"]) == 0
    assert [json.loads(line)["steps"] for line in capsys.readouterr().out.splitlines()] == [6, 6, 6]


@pytest.mark.parametrize("command", ["fit-dip", "fit-rnn", "fit-ntk"])
def test_of_an_empty_stdin_the_command_itself_is_advised(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO()))
    assert main([command, "-", "-o", str(tmp_path / "out.png")]) == 3
    assert f"denoise {command} - -o - > clean.png" in capsys.readouterr().err


def test_a_fit_that_begins_again_saves_its_steps_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = following.follow

    def twice(*arguments: object) -> Iterator[Standing]:
        for _ in range(2):
            yield from real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(following, "follow", twice)
    noisy = picture(tmp_path / "noisy.png")
    assert main(["fit-dip", str(noisy), "--iters", "4", "--save-every", "2", *TINY]) == 0
    assert len(list(tmp_path.glob("noisy-denoised-step*.png"))) == 2


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--stop", "soon"], 2),
        (["--net", "unet"], 2),
        (["--set", "nothing=1"], 2),
        (["--iters", "0"], 2),
        (["--pad", "mirror"], 2),
        (["missing.png", "--curve", "c.png"], 2),
        (["--clean", "missing.png"], 3),
        (["-o", "noisy.png"], 4),
    ],
)
def test_what_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int) -> None:
    monkeypatch.chdir(tmp_path)
    picture(tmp_path / "noisy.png")
    assert main(["fit-dip", "noisy.png", *TINY, *words]) == code
    assert not (tmp_path / "noisy-denoised.png").exists()


def test_iters_alone_is_the_number_of_steps() -> None:
    from denoise_cli.methods.dip import METHOD

    assert fit.chosen(METHOD, {"iters": 7, "stop": None}, {}, "fit-dip")[1].stop == "none"
    assert fit.chosen(METHOD, {"iters": 7, "stop": "auto"}, {}, "fit-dip")[1].stop == "auto"
    assert fit.chosen(METHOD, {"iters": None}, {"stop": "variance"}, "fit-dip")[1].stop == "variance"


def test_run_fits_too(tmp_path: Path) -> None:
    noisy = picture(tmp_path / "noisy.png")
    assert main(["run", str(noisy), "--model", "dip", "--iters", "2,3"]) == 0
    assert {path.name for path in tmp_path.glob("*-iters*")} == {
        "noisy-denoised-iters2.png",
        "noisy-denoised-iters3.png",
    }


@pytest.mark.parametrize("model", ["dip", "rnn"])
def test_so_many_steps_are_the_same_in_run(tmp_path: Path, model: str) -> None:
    noisy = str(picture(tmp_path / "noisy.png"))
    assert main([f"fit-{model}", noisy, "-o", str(tmp_path / "fit.png"), "--iters", "2"]) == 0
    assert main(["run", noisy, "--model", model, "-o", str(tmp_path / "run.png"), "--iters", "2"]) == 0
    assert (tmp_path / "fit.png").read_bytes() == (tmp_path / "run.png").read_bytes()


def test_stopping_by_held_out_pixels_where_there_are_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dot = tmp_path / "dot.png"
    write(Image(np.full((1, 1, 1), 0.4, np.float32), Source("x", mode="L", depth=8)), dot, force=False)
    assert main(["fit-dip", str(dot), "--stop", "held-out", "--iters", "3", *TINY]) == 0
    assert main(["fit-dip", str(dot), "--stop", "held-out", "--set", "held_out=0", "--force", *TINY]) == 2
    assert "cannot stop by held-out pixels where held_out is 0" in capsys.readouterr().err


def test_fit_rnn(tmp_path: Path) -> None:
    noisy = picture(tmp_path / "noisy.png")
    words = ["--pad", "edge", "--pad-size", "4", "--epsilon", "0.1", "--set", "features=1", "--iters", "2"]
    assert main(["fit-rnn", str(noisy), *words]) == 0
    assert read(tmp_path / "noisy-denoised.png").pixels.shape == (3, 11, 14)
    assert main(["fit-rnn", str(noisy), "--epsilon", "2", "--force"]) == 2
