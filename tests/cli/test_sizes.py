"""Amounts of memory."""

import pytest

from denoise_cli.cli.sizes import parse_size
from denoise_cli.errors import UsageError


@pytest.mark.parametrize(
    ("text", "size"), [("2G", 2 * 10**9), ("1.5GB", 15 * 10**8), ("500m", 5 * 10**8), ("64KiB", 64000), ("9", 9)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "G", "0", "-1G", "2 G", "much"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError, match="is no amount of memory"):
        parse_size(text)
