"""``denoise train --teacher``: other weights to learn from."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from denoise_cli import checkpoint
from denoise_cli.cli.app import main
from denoise_cli.training.folder import BEST, LAST

SMALL = ["--set", "width=4", "--set", "max-iters=2", "--set", "free-iters=2", "--patch", "16", "--batch", "4"]
SMALL += ["--val", "2", "--noise", "gaussian:0..25", "--precision", "float32"]
Caught = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six small photos in the folder ``photos`` of the current folder, and a net that learned impulses, ``old``."""
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    for number in range(6):
        coarse = np.random.default_rng(number).integers(30, 220, (4, 4, 3), dtype=np.uint8)
        assert cv2.imwrite(f"photos/{number}.png", cv2.resize(coarse, (24, 24), interpolation=cv2.INTER_CUBIC))
    assert _train("--steps", "2", "-o", "old", "--noise", "sp:0.2") == 0


def _train(*more: str, model: str = "dt") -> int:
    return main(["train", model, "--data", "photos", *SMALL, *more])


def test_a_taught_run_is_another_one(capsys: Caught) -> None:
    assert _train("--steps", "4", "-o", "alone") == 0
    assert _train("--steps", "4", "-o", "taught", "--teacher", "old") == 0
    recipe = checkpoint.load(Path("taught") / BEST).recipe
    assert (recipe["teacher"], recipe["taught"], recipe["noise"]) == ("old", 0.5, "gaussian:0..25")
    whole = (Path("taught") / LAST).read_bytes()
    assert whole != (Path("alone") / LAST).read_bytes()
    capsys.readouterr()
    assert _train("--steps", "4", "-o", "taught") == 4
    assert "teacher (old there,  here)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--teacher", "nothing.safetensors"], 5, "nothing.safetensors"),
        (["--teacher", "old", "--set", "channels=1"], 2, "old takes images of 3 channels, not of 1"),
        (["--teacher", "old", "--patch", "12"], 2, "Patches of 12 pixels do not fit"),
        (["--teacher", "old", "--set", "taught=1.5"], 2, "taught cannot be 1.5"),
        (["--teacher", "old", "--noise", "pairs"], 2, "old teaches noise that is drawn anew"),
    ],
)
def test_mistakes(words: list[str], code: int, message: str, capsys: Caught) -> None:
    assert _train("--steps", "1", "-o", "new", *words) == code
    assert message in capsys.readouterr().err


def test_a_classifier_has_no_teacher(capsys: Caught) -> None:
    for folder in ("a", "b"):
        (Path("set") / folder).mkdir(parents=True)
        for number in range(4):
            (Path("set") / folder / f"{number}.png").write_bytes(Path(f"photos/{number}.png").read_bytes())
    words = ["--data", "set", "--patch", "16", "--batch", "2", "--val", "2", "--teacher", "old", "--steps", "1"]
    assert main(["train", "classifier", *words]) == 2
    assert "classifier learns what images show, not images." in capsys.readouterr().err
