"""How much of a run over a folder is spent in the net."""

from collections.abc import Callable

import pytest

from denoise_cli import shelf
from denoise_cli.bench.folder import Share, table
from denoise_cli.cli.app import main


def test_a_folder_is_run_and_the_net_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "folder", "median", "--images", "3", "--side", "16", "-q"]) == 0
    row = capsys.readouterr().out.splitlines()[2].split("|")
    assert [cell.strip() for cell in row[1:3]] == ["median", "3 of 16x16"]
    assert float(row[3]) > float(row[4]) >= 0


def test_without_a_model_the_images_decide(
    capsys: pytest.CaptureFixture[str], stock: Callable[..., shelf.Entry]
) -> None:
    stock("dncnn.small", "gaussian", depth=3, features=4)
    assert main(["bench", "folder", "auto", "--images", "2", "--side", "24", "-q"]) == 0
    assert "| auto | 2 of 24x24 |" in capsys.readouterr().out


def test_a_model_that_is_not_there(capsys: pytest.CaptureFixture[str], stock: Callable[..., shelf.Entry]) -> None:
    stock("dncnn.small", depth=3, features=4)
    assert main(["bench", "folder", "dncnn.smaller"]) != 0
    assert "Did you mean 'dncnn.small'" in capsys.readouterr().err


def test_the_table() -> None:
    assert table([Share("dt.sp", 1000, 64, 20.0, 17.0)]).splitlines()[2:] == [
        "| dt.sp | 1000 of 64x64 | 20.0 | 17.0 | 85 % |"
    ]
