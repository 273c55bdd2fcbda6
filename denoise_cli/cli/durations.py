"""Durations as people type them."""

import re

from denoise_cli.errors import UsageError

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str) -> float:
    """Seconds from ``90``, ``90s``, ``9m``, ``1.5h`` or ``1h30m``; raises ``UsageError`` for anything else."""
    parts = re.findall(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise UsageError(f"{text!r} is no duration.", "Write 90s, 9m, 1.5h or 1h30m.")
    return sum(float(number) * _UNITS[unit or "s"] for number, unit in parts)
