"""``denoise figure sheet``."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from denoise_cli.cli.app import main

Caught = pytest.CaptureFixture[str]
Draw = Callable[..., NDArray[np.uint8]]


def test_a_sheet_with_scores(here: Path, draw: Draw, capsys: Caught) -> None:
    draw("clean.png")
    assert main(["figure", "sheet", "a.png", "clean.png", "--clean", "clean.png", "-o", "sheet.png"]) == 0
    assert capsys.readouterr().out == "sheet.png\n" and (here / "sheet.png").exists()
    assert main(["figure", "sheet", "a.png", "clean.png", "--captions", "one", "-o", "x.png"]) == 2
    assert main(["figure", "sheet", "a.png", "clean.png", "-o", "sheet.png"]) == 4
    assert main(["figure", "sheet", "a.png", "-o", "y.png", "--max-pixels", "100"]) == 3


@pytest.mark.parametrize("output", ["a.png", "./a.png", "link.png", "clean.png"])
def test_an_input_is_never_overwritten(here: Path, draw: Draw, capsys: Caught, output: str) -> None:
    draw("clean.png")
    (here / "link.png").symlink_to("a.png")
    before = (here / "a.png").read_bytes(), (here / "clean.png").read_bytes()
    assert main(["figure", "sheet", "a.png", "--clean", "clean.png", "-o", output, "--force"]) == 4
    assert "would be overwritten by the sheet" in capsys.readouterr().err
    assert before == ((here / "a.png").read_bytes(), (here / "clean.png").read_bytes())
