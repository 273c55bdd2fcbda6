"""``denoise run``: crops, blends, residuals, comparisons, turns, and iterations until nothing changes."""

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow

from denoise_cli.cli.app import main
from denoise_cli.cli.knobs import parse_box, parse_strengths
from denoise_cli.errors import UsageError

Caught = pytest.CaptureFixture[str]
MEDIAN = ["run", "a.png", "-m", "median"]


def put(path: Path, seed: int = 0) -> None:
    rows, columns = np.mgrid[0:24, 0:32]
    wave = 128 + 70 * np.sin((rows + seed) / 5) * np.cos(columns / 7)
    noisy = wave + np.random.default_rng(seed).normal(0, 20, wave.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.clip(np.rint(noisy), 1, 254).astype(np.uint8))


def take(name: str) -> NDArray[np.float64]:
    with Pillow.open(name) as picture:
        return np.asarray(picture).astype(float)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with ``a.png``, and ``photos`` with ``b.png`` and ``c.png``, all gray and grainy."""
    folder = tmp_path / "here"
    put(folder / "a.png")
    put(folder / "photos/b.png", 1)
    put(folder / "photos/c.png", 2)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.usefixtures("here")
def test_strengths_of_one_run() -> None:
    assert main([*MEDIAN, "--strength", "0,0.5,1"]) == 0
    weak, half, full = (take(f"a-denoised-strength{strength}.png") for strength in ("0", "0.5", "1"))
    assert (weak == take("a.png")).all()
    assert np.abs(half - (weak + full) / 2).max() <= 1 and np.abs(full - weak).max() > 10
    assert main([*MEDIAN, "--strength", "0.5", "-o", "half.png"]) == 0
    assert (take("half.png") == half).all()
    assert main(["run", ".", "-m", "median", "-o", "out"]) == 0
    assert sorted(path.name for path in Path("out").rglob("*.png")) == ["a.png", "b.png", "c.png", "half.png"]


@pytest.mark.usefixtures("here")
def test_what_was_taken_away(capsys: Caught) -> None:
    assert main([*MEDIAN, "--save-residual", "--json"]) == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert told["output"] == ["a-denoised.png", "a-denoised-residual.png"]
    gain = told["residual_gain"]
    assert f"residual x {gain:g}" in err
    taken = take("a.png") - take("a-denoised.png")
    assert np.abs((take("a-denoised-residual.png") - 127.5) / gain - taken).max() <= 1
    assert main([*MEDIAN, "--save-residual", "-o", "-"]) == 2
    assert "stdout takes a single image" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_a_part_of_the_image(capsys: Caught) -> None:
    assert main([*MEDIAN, "-o", "whole.png"]) == 0
    assert main([*MEDIAN, "--crop", "5,7,20,10"]) == 0
    assert (take("a-denoised-crop.png") == take("whole.png")[7:17, 5:25]).all()
    assert main([*MEDIAN, "--crop", "5,7,20,10", "--save-residual", "--compare", "pair.png", "-o", "part.png"]) == 0
    assert take("part-residual.png").shape == (10, 20)
    assert main([*MEDIAN, "--crop", "20,7,20,10", "-o", "x.png"]) == 3
    assert "The crop 20,7,20,10 is not within a.png, which has 32x24 pixels" in capsys.readouterr().err


@pytest.mark.usefixtures("here", "shelved")
def test_until_nothing_changes(capsys: Caught) -> None:
    flags = ["run", "a.png", "-m", "dt.gaussian", "--precision", "float32"]
    assert main([*flags, "--iters", "auto", "-o", "auto.png", "--json"]) == 0
    (count,) = json.loads(capsys.readouterr().out)["iters"]
    assert main([*flags, "--iters", str(count), "-o", "same.png"]) == 0
    assert (take("auto.png") == take("same.png")).all()
    assert main(["run", "a.png", "-m", "median", "--iters", "auto"]) == 2
    assert "median does not iterate" in capsys.readouterr().err


@pytest.mark.usefixtures("here", "shelved")
def test_every_turn() -> None:
    flags = ["run", "a.png", "-m", "dt.gaussian", "--precision", "float32"]
    assert main([*flags, "-o", "once.png"]) == 0 and main([*flags, "-o", "turned.png", "--tta"]) == 0
    assert (take("once.png") != take("turned.png")).any()


@pytest.mark.usefixtures("here")
def test_before_and_after(capsys: Caught) -> None:
    assert main([*MEDIAN, "--compare", "pair.png", "-o", "a2.png"]) == 0
    sheet = take("pair.png")
    assert (sheet[8:32, 8:40, 0] == take("a.png")).all() and (sheet[8:32, 48:80, 0] == take("a2.png")).all()
    assert main(["run", "photos", "-m", "median", "-o", "out", "--compare", "pairs"]) == 0
    assert sorted(path.name for path in Path("pairs").iterdir()) == ["b.png", "c.png"]
    Path("pairs/c.png").unlink()
    assert main(["run", "photos", "-m", "median", "-o", "out", "--compare", "pairs"]) == 0
    assert Path("pairs/c.png").exists() and "1 skipped" in capsys.readouterr().err
    Path("out/c.png").unlink()  # as where a run was killed meanwhile
    assert main(["run", "photos", "-m", "median", "-o", "out", "--compare", "pairs"]) == 0
    shutil.copy("a.png", "photos/c.png")
    assert main(["run", "photos", "-m", "median", "-o", "out", "--compare", "pairs"]) == 0
    assert (take("pairs/c.png")[8:32, 8:40, 0] == take("a.png")).all(), "the image of now"
    for more, code, said in (
        (["--compare", "pair.png", "-o", "a3.png"], 4, "pair.png exists already"),
        (["--compare", "a3.png", "-o", "a3.png"], 4, "would be a result and a comparison"),
        (["--compare", "a.png", "-o", "a3.png"], 4, "The input 'a.png' would be overwritten"),
    ):
        assert main([*MEDIAN, *more]) == code
        assert said in capsys.readouterr().err and not Path("a3.png").exists()
    assert main(["run", "a.png", "photos", "-m", "median", "-o", "o2", "--compare", "x.png"]) == 2
    assert "3 images do not fit into the one file 'x.png'" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_comparisons_are_told_from_the_files_of_others(capsys: Caught) -> None:
    command = ["run", "photos", "-m", "median", "-o", "out", "--compare"]
    assert main([*command, "pairs"]) == 0
    shutil.copytree("pairs", "mine")
    shutil.copy("a.png", "mine/b.png")
    shutil.copy("a.png", "photos/b.png")
    assert main([*command, "mine"]) == 7
    assert "mine/b.png exists already" in capsys.readouterr().err and (take("mine/b.png") == take("a.png")).all()
    assert main([*command, "pairs"]) == 0
    assert (take("pairs/b.png")[8:32, 8:40, 0] == take("a.png")).all()


@pytest.mark.usefixtures("here")
def test_comparisons_never_replace_results_of_other_images(capsys: Caught) -> None:
    Path("photos/sub").mkdir()
    shutil.copy("a.png", "photos/sub/b.png")
    for place in ("out", "other/../out"):
        assert main(["run", "photos", "-m", "median", "-o", "out/sub", "--compare", place, "--force"]) == 4
        assert "would be a result and a comparison" in capsys.readouterr().err and not Path("out").exists()


@pytest.mark.usefixtures("here")
def test_comparisons_among_the_inputs_are_no_inputs(capsys: Caught) -> None:
    command = ["run", "photos", "-m", "median", "-o", "out", "--compare", "photos/pairs"]
    assert main(command) == 0 and main(command) == 0
    assert "2 results of earlier runs are left out" in capsys.readouterr().err
    assert sorted(path.name for path in Path("photos/pairs").iterdir()) == ["b.png", "c.png"]


@pytest.mark.usefixtures("here", "shelved")
def test_frames_have_looks_in_common(capsys: Caught) -> None:
    frames = [Pillow.open("a.png"), Pillow.open("photos/b.png")]
    frames[0].save("both.tif", save_all=True, append_images=frames[1:])
    flags = ["run", "both.tif", "-m", "dt.gaussian", "--iters", "auto", "--crop", "4,4,8,9", "--save-residual"]
    assert main([*flags, "--compare", "pair.png", "--strength", "0.5", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["iters"]) == 1
    for name in ("both-denoised-crop.tif", "both-denoised-crop-residual.tif"):
        with Pillow.open(name) as result:
            assert result.n_frames == 2 and result.size == (8, 9)  # type: ignore[attr-defined]
    assert take("pair.png").shape[1] == 3 * 16 + 8


def test_a_comparison_beside_a_stream(here: Path) -> None:
    call = [sys.executable, "-m", "denoise_cli", "run", "-", "-m", "median", "--compare", "pair.png", "-q"]
    done = subprocess.run(call, input=(here / "a.png").read_bytes(), capture_output=True, check=True)
    assert Pillow.open(io.BytesIO(done.stdout)).size == (32, 24) and take("pair.png").shape[1] == 2 * 40 + 8


@pytest.mark.parametrize("text", ["1,2,3", "1,2,3,x", "-1,2,3,4", "1.5,2,3,4", ""])
def test_what_is_no_box(text: str) -> None:
    assert parse_box("1, 2,3,4") == (1, 2, 3, 4)
    with pytest.raises(UsageError, match="is no part of an image"):
        parse_box(text)


@pytest.mark.parametrize("text", ["1.5", "0.5,2", "-1"])
def test_what_is_no_strength(text: str) -> None:
    assert parse_strengths("0.5,1") == (0.5, 1.0)
    with pytest.raises(UsageError, match="is no strength"):
        parse_strengths(text)
