"""A whole run on a large photo, beside plain PyTorch and the matrix rate."""

from collections.abc import Callable

import pytest

from denoise_cli import shelf
from denoise_cli.bench.photo import Whole, table
from denoise_cli.cli.app import main


def test_a_photo_is_run_and_the_net_by_itself(
    capsys: pytest.CaptureFixture[str], stock: Callable[..., shelf.Entry]
) -> None:
    stock("dncnn.small", depth=3, features=4)
    assert main(["bench", "photo", "dncnn.small", "--megapixels", "1", "-q"]) == 0
    cells = [cell.strip() for cell in capsys.readouterr().out.splitlines()[2].split("|")[1:-1]]
    assert cells[:2] == ["dncnn.small", "1.0"] and float(cells[3]) > 0 and float(cells[5]) > 0
    assert main(["bench", "photo", "median", "--megapixels", "1", "-q"]) == 2
    assert "median is no net that is walked" in capsys.readouterr().err


def test_shares_and_ratios() -> None:
    whole = Whole("dncnn", 24.0, 30.0, 16.0, 9 * 10**8, 9.0, 3e13, 1e12)
    assert whole.share == pytest.approx(1.0) and whole.times == pytest.approx(7.2)
    assert table([whole]).splitlines()[2:] == ["| dncnn | 24.0 | 16.0 | 30.0 | 1.25 | 9.00 | 7.2 | 100 % | 900 MB |"]
