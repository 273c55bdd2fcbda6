"""What would be done is told, and nothing done."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from denoise_cli.cli.app import main


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shelved: None) -> Path:
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0).integers(60, 190, (40, 56, 3), dtype=np.uint8)
    assert cv2.imwrite("a.png", noise)
    return tmp_path


def test_plans(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("broken.png").write_bytes(b"no image")
    before = sorted(here.iterdir())
    command = ["run", "a.png", "broken.png", "--dry-run", "-m", "dt.gaussian", "-n", "2,3"]
    assert main(command) == 7
    broken, plan = sorted(capsys.readouterr().out.splitlines(), reverse=True)
    assert plan.startswith("a.png: 56x40, dt.gaussian: one piece, no margin, 40 rows at a time, about ")
    assert plan.endswith(" s -> a-denoised-iters2.png, a-denoised-iters3.png") and " GB, " in plan
    assert broken.startswith("broken.png: ")
    assert main([*command, "--json"]) == 7
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["model"], first["width"], first["tiles"], first["error"]) == ("dt.gaussian", 56, 1, None)
    assert first["output"] == ["a-denoised-iters2.png", "a-denoised-iters3.png"]
    assert "broken.png is not an image" in second["error"] and "model" not in second
    assert main(["run", "broken.png", "--dry-run", "-m", "median"]) == 3
    assert sorted(here.iterdir()) == before


def test_names_are_shown_and_not_obeyed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.png").rename("a\x1b[31m\nb.png")
    assert main(["run", ".", "--dry-run", "-m", "median"]) == 0
    assert capsys.readouterr().out.startswith(r"a\x1b[31m\nb.png: ")


def test_tiles_that_were_asked_for(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "a.png", "--dry-run", "-m", "median", "--tile", "16"]) == 0
    assert "median: 12 tiles of 16 pixels and 1 of margin, " in capsys.readouterr().out


def test_a_fit_is_told_and_not_timed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "a.png", "--dry-run", "-m", "dip"]) == 0
    assert ", a fit -> a-denoised.png" in capsys.readouterr().out
    assert main(["run", "a.png", "--dry-run", "-m", "median", "--crop", "50,0,20,20"]) == 3
    assert "The crop 50,0,20,20 is not within a.png" in capsys.readouterr().out


def test_too_little_memory_is_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "a.png", "-m", "dt.gaussian", "--max-mem", "1M"]) == 6
    assert "Allow more with --max-mem" in capsys.readouterr().err
    assert main(["run", "a.png", "-m", "dt.gaussian", "--max-mem", "lots"]) == 2
    assert not Path("a-denoised.png").exists()
