"""``denoise fit-ntk`` on the command line."""

from pathlib import Path

import numpy as np
import pytest

from denoise_cli.cli.app import main
from denoise_cli.image import Image, Source, read, write


def test_flags_become_knobs(tmp_path: Path) -> None:
    ramp = np.broadcast_to(np.linspace(0.3, 0.7, 40, dtype=np.float32), (1, 30, 40))
    noise = np.random.default_rng(0).normal(0, 25 / 255, ramp.shape).astype(np.float32)
    write(Image(ramp + noise, Source("x")), tmp_path / "x.png")
    flags = ["--side", "5", "--points", "60", "--sigma", "25", "--seed", "1", "-q"]
    for name, extra in (("a", []), ("b", ["--iters", "3000"]), ("c", [])):
        assert main(["fit-ntk", str(tmp_path / "x.png"), "-o", str(tmp_path / f"{name}.png"), *flags, *extra]) == 0
    stopped, longer, again = (read(tmp_path / f"{name}.png").pixels for name in "abc")
    assert np.array_equal(stopped, again) and not np.array_equal(stopped, longer)
    assert np.sqrt(np.mean((stopped - ramp) ** 2)) < 12 / 255


def test_a_wrong_knob(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(Image(np.full((1, 9, 9), 0.5, np.float32), Source("x")), tmp_path / "x.png")
    assert main(["fit-ntk", str(tmp_path / "x.png"), "--side", "4"]) == 2
    assert "side is odd" in capsys.readouterr().err
