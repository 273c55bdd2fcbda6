import json
from pathlib import Path

import pytest

from denoise_cli.errors import OutputError
from denoise_cli.training.log import Report, cut, rows, write


def _report(step: int, attempt: int = 0, psnr: float | None = None) -> Report:
    return Report(step=step, loss=0.5, rate=1e-3, score=psnr, best=float("-inf"), seconds=1.0, attempt=attempt)


def test_a_report_is_a_line_of_json(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    write(log, _report(50))
    write(log, _report(100, psnr=30.5))
    first, second = (json.loads(line) for line in log.read_text().splitlines())
    assert first == {
        "step": 50, "loss": 0.5, "rate": 1e-3, "score": None, "best": None, "seconds": 1.0, "attempt": 0,
            "waiting": 0.0,
    }  # fmt: skip
    assert second["score"] == 30.5
    assert rows(log) == [first, second]


def test_without_a_log_there_are_no_rows(tmp_path: Path) -> None:
    assert rows(tmp_path / "log.jsonl") == []


def test_what_comes_after_the_saved_step_is_cut_with_what_a_kill_left(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    for step, attempt in ((50, 0), (100, 0), (150, 0), (50, 1), (100, 1), (150, 1)):
        write(log, _report(step, attempt))
    with log.open("a") as file:
        file.write('{"step": 2')
    cut(log, 1, 100)
    assert [(row["attempt"], row["step"]) for row in rows(log)] == [(0, 50), (0, 100), (0, 150), (1, 50), (1, 100)]
    assert log.read_text().endswith("}\n")


def test_rows_from_before_attempts_were_counted(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"step": 50}\n{"step": 100}\n')
    cut(log, 0, 50)
    assert rows(log) == [{"step": 50}]


def test_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        write(tmp_path / "missing" / "log.jsonl", _report(50))
