"""Ranges stand for exact decimals, and every mistake shows the forms."""

import pytest

from denoise_cli.cli.ranges import parse_range
from denoise_cli.errors import UsageError


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("0.3", (0.3,)),
        ("0.1..0.5", (0.1, 0.2, 0.3, 0.4, 0.5)),
        ("0.1..0.5:0.2", (0.1, 0.3, 0.5)),
        ("0.1..0.6:0.2", (0.1, 0.3, 0.5)),
        ("10,20,50", (10, 20, 50)),
        ("10..50", (10, 20, 30, 40, 50)),
        ("15..18", (15, 16, 17, 18)),
        ("0..0.3", (0, 0.1, 0.2, 0.3)),
        ("0.05..0.08", (0.05, 0.06, 0.07, 0.08)),
        ("5..5", (5,)),
        ("0.1..0.3, 0.2, 0.9", (0.1, 0.2, 0.3, 0.9)),
        ("50,10", (50, 10)),
    ],
)
def test_the_numbers(text: str, numbers: tuple[float, ...]) -> None:
    assert parse_range(text) == numbers


@pytest.mark.parametrize(
    "text",
    ["", "a", "1,", "1..", "..2", "0.5..0.1", "1..2:0", "1..2:-1", "1..2:x", "nan", "inf", "1e99", "0..1:1e-9",
     "1..2..3", "0..1:0.001,0.5"],
)  # fmt: skip
def test_mistakes_show_the_forms(text: str) -> None:
    with pytest.raises(UsageError, match=r"0\.1\.\.0\.5"):
        parse_range(text)
