"""The log of a run: a line of JSON for each window of steps, validation and rollback."""

import json
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from denoise_cli.errors import OutputError
from denoise_cli.files import write_atomically


@dataclass(frozen=True)
class Report:
    """What the loop tells after each window, validation and rollback."""

    step: int
    loss: float | None  # mean over the window so far; None where it is not finite
    rate: float
    score: float | None  # of the validation, where it was measured at this step: PSNR, dB, or accuracy, %
    best: float
    seconds: float
    message: str = ""  # something out of the ordinary: a rollback, memory that ran out
    attempt: int = 0  # rollbacks so far
    waiting: float = 0.0  # share of the time since this start of the run in which there were no data to learn from


def write(log: Path, report: Report) -> None:
    """Append ``report``; raises ``OutputError`` where the disk does not take it."""
    entry = {key: _plain(value) for key, value in asdict(report).items() if value != ""}
    try:
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
    except OSError as error:
        raise OutputError(
            f"{log} cannot be written: {error.strerror or error}.",
            "Once there is room, the same command goes on from the last saved step.",
        ) from error


def rows(log: Path) -> list[dict[str, Any]]:
    """The lines of ``log``, none where there is no log; a line that a kill cut short is left out."""
    found: list[dict[str, Any]] = []
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else []:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return found


def cut(log: Path, attempt: int, step: int) -> None:
    """Remove what comes after ``step`` of ``attempt``: it is going to happen again."""
    kept = [row for row in rows(log) if (row.get("attempt", 0), row["step"]) <= (attempt, step)]
    write_atomically(log, "".join(f"{json.dumps(row)}\n" for row in kept).encode(), force=True)


def _plain(value: Any) -> Any:
    """JSON has no word for infinity."""
    return None if isinstance(value, float) and not isfinite(value) else value
