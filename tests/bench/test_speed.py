"""The table of speeds."""

import pytest
import torch

from denoise_cli.bench.speed import OURS, Timed, table, timed
from denoise_cli.cli.app import main


def test_every_way_is_timed() -> None:
    rows, rate = timed("dt, 10 iterations", 16, torch.bfloat16, 1)
    assert [row.way.rpartition(",")[0] for row in rows] == ["PyTorch", "PyTorch, float32", "PyTorch, bfloat16", OURS]
    assert all(row.seconds and row.rate > 0 for row in rows) and rate > 0


def test_the_table_compares_with_the_first_way() -> None:
    rows = [Timed("net", "slow", 6.0, 1e9), Timed("net", "fast", 1.5, 4e9), Timed("net", "other", None, 0, "is gone")]
    assert table(rows, [8e9], torch.bfloat16).splitlines()[2:] == [
        "| net | slow | 6.00 | 1.0 | 12 % |",
        "| net | fast | 1.50 | 4.0 | 50 % |",
        "| net | other | is gone | | |",
    ]


def test_an_unknown_net(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "speed", "nothing"]) == 2
    assert "Known: dncnn gray, 17 layers; " in capsys.readouterr().err
