import pytest
import torch

from denoise_cli.training import waiting
from denoise_cli.training.folder import LOG
from denoise_cli.training.log import rows


def test_the_time_in_which_data_are_made_is_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([10.0, 10.5, 20.0, 20.25])
    monkeypatch.setattr(waiting.time, "perf_counter", lambda: next(times))
    clock = waiting.Waiting(torch.device("cpu"))
    assert clock.seconds() == 0
    for _ in range(2):
        with clock.for_data():
            pass
    assert clock.seconds() == 0.75
    assert clock.seconds() == 0.75


def test_the_log_says_which_share_of_the_time_was_waited(bench) -> None:
    reports = list(bench.train())
    assert all(0 < report.waiting < 1 for report in reports)
    assert [row["waiting"] for row in rows(bench.folder / LOG)] == [report.waiting for report in reports]
