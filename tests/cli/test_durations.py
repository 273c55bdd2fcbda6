import pytest

from denoise_cli.cli.durations import parse_duration
from denoise_cli.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("9m", 540), ("1.5h", 5400), ("1h30m", 5400), ("1h30m15s", 5415), ("0.5s", 0.5)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", " ", "m", "9 m", "9x", "-9m", "9m-", "1:30", ".5h", "0", "0m", "30m1h", "1h1h", "5 10", "1h30", "9m5"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(UsageError, match=r"is no duration.\nWrite 90s, 9m, 1.5h or 1h30m."):
        parse_duration(text)
