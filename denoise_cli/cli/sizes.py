"""Amounts of memory as people type them."""

import re

from denoise_cli.errors import UsageError

_SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMGT]?)i?B?", re.IGNORECASE)


def parse_size(text: str) -> int:
    """Bytes from ``2G``, ``1.5GB``, ``500M`` or ``800000000``, more than none; ``UsageError`` for anything else."""
    match = _SIZE.fullmatch(text)
    size = int(float(match[1]) * 1000 ** " KMGT".index(match[2].upper() or " ")) if match else 0
    if not size:
        raise UsageError(f"{text!r} is no amount of memory.", "Write 2G, 1.5G or 500M.")
    return size
