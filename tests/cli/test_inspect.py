"""``denoise inspect`` on the command line."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from denoise_cli.cli.app import main
from denoise_cli.image import Image, Source, write


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    draws = np.random.default_rng(0)
    flat = np.full((3, 64, 80), 0.5, np.float32)
    write(
        Image(np.clip(flat + draws.normal(0, 20 / 255, flat.shape), 0, 1).astype(np.float32), Source("x")),
        tmp_path / "grain.png",
    )
    salt = np.where(draws.random((1, 64, 80)) < 0.1, np.round(draws.random((1, 64, 80))), flat).astype(np.float32)
    write(Image(salt, Source("x")), tmp_path / "salt.png")
    mixed = np.where(draws.random((3, 64, 80)) < 0.1, np.round(draws.random((3, 64, 80))), flat).astype(np.float32)
    write(Image(mixed, Source("x")), tmp_path / "apart.png")
    write(Image(np.zeros((1, 1, 1), np.float32), Source("x")), tmp_path / "dot.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("here", "shelved")
def test_json_and_a_command_that_works(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "grain.png", "salt.png", "apart.png", "dot.png", "--json"]) == 0
    grain, salt, apart, dot = map(json.loads, capsys.readouterr().out.splitlines())
    assert grain["sigma"] == pytest.approx(20, rel=0.1) and grain["impulse_share"] == 0 and grain["white"]
    assert salt["impulse_share"] == pytest.approx(0.1, abs=0.015) and salt["clipped_share"] < 0.01
    assert apart["impulse_share"] == pytest.approx(0.1, abs=0.015) and apart["clipped_share"] < 0.01
    assert [record["impulses_apart"] for record in (grain, salt, apart, dot)] == [False, False, True, False]
    assert (dot["sigma"], dot["clipped_share"], dot["suggestion"]) == (0, 1, None)
    for record in (grain, salt, apart):
        assert main(shlex.split(record["suggestion"])[1:]) == 0


@pytest.mark.usefixtures("here", "shelved")
def test_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "."]) == 0
    lines = [re.split(r"\s{2,}", line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["image", "sigma", "impulses", "clipped", "noise", "suggestion"]
    assert [line[0] for line in lines[1:]] == ["apart.png", "dot.png", "grain.png", "salt.png"]
    assert "impulses by channel" in lines[1][4] and lines[2][5] == "nothing to remove"


@pytest.mark.usefixtures("here", "shelved")
def test_one_bad_file_of_many(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "bad.png").write_bytes(b"no image")
    assert main(["inspect", "bad.png", "grain.png", "--json"]) == 7
    out = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert out[0]["error"] and out[1]["error"] is None
    assert main(["inspect", "bad.png"]) == 3
    capsys.readouterr()
    assert main(["inspect", "bad.png", "none.png"]) == 3
    assert "None of the 2 images could be read:\n  bad.png is not an image" in capsys.readouterr().err
    assert main(["inspect", "grain.png", "--max-pixels", "5119"]) == 3
    assert "--max-pixels 5120" in capsys.readouterr().err
    assert main(["inspect", "grain.png", "--max-pixels", "5120"]) == 0
