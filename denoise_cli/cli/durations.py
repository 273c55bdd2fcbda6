"""Durations as people type them."""

import re

from denoise_cli.errors import UsageError

_NUMBER = r"(\d+(?:\.\d+)?)"
_DURATION = re.compile(rf"{_NUMBER}|(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s)?")


def parse_duration(text: str) -> float:
    """Seconds from ``90``, ``90s``, ``9m``, ``1.5h`` or ``1h30m``, more than none; ``UsageError`` for anything else."""
    match = _DURATION.fullmatch(text)
    plain, hours, minutes, seconds = (float(part or 0) for part in match.groups()) if match else (0.0,) * 4
    total = plain + 3600 * hours + 60 * minutes + seconds
    if not total:
        raise UsageError(f"{text!r} is no duration.", "Write 90s, 9m, 1.5h or 1h30m.")
    return total
