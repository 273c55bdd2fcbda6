import sys
from pathlib import Path

import pytest

from denoise_cli.image import read
from denoise_cli.training.curve import draw
from denoise_cli.training.folder import CURVE, LOG
from denoise_cli.training.log import Report, write


def _log(folder: Path, *losses: float | None) -> None:
    for number, loss in enumerate(losses, 1):
        score = 20.0 + number if number % 2 else None
        write(folder / LOG, Report(50 * number, loss, 1e-3, score, 21.0, 1.0 * number))


@pytest.mark.parametrize("losses", [(0.5, 0.2, 0.1), (0.5, None, 0.1), (-1.0, 0.5), (None,)])
def test_the_curve_is_a_picture(tmp_path: Path, losses: tuple[float | None, ...]) -> None:
    pytest.importorskip("matplotlib")
    _log(tmp_path, *losses)
    assert draw(tmp_path, "PSNR, dB")
    assert read(tmp_path / CURVE).pixels.shape[1:] == (480, 960)


def test_without_a_log_there_is_no_curve(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert draw(tmp_path, "PSNR, dB")
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_there_is_no_curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    _log(tmp_path, 0.5)
    assert not draw(tmp_path, "PSNR, dB")
    assert not (tmp_path / CURVE).exists()
