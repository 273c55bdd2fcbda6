"""What is typed behind flags."""

from dataclasses import dataclass

import pytest

from denoise_cli.cli import knobs
from denoise_cli.errors import UsageError


@dataclass(frozen=True)
class Knobs:
    iters: int = 20
    strength: float = 0.9
    blind: bool = True
    word: str = "noisy"
    sigma: float | None = None


@dataclass(frozen=True)
class Others:
    depth: int = 17


def test_settings() -> None:
    parsed = knobs.parse_settings(["a=3", "b-c=0.5", "d=true", "e=word", "f=", "g=null", "h=a=b"])
    assert parsed == {"a": 3, "b_c": 0.5, "d": True, "e": "word", "f": "", "g": None, "h": "a=b"}
    for wrong in ("depth", "=3", ""):
        with pytest.raises(UsageError, match="is no setting"):
            knobs.parse_settings([wrong])


def test_settings_are_dealt_out() -> None:
    assert knobs.split({"depth": 3, "iters": 4}, Knobs(), Others(), of="it") == [{"iters": 4}, {"depth": 3}]
    with pytest.raises(UsageError, match=r"it has no knob 'dept'.\nDid you mean 'depth'"):
        knobs.split({"dept": 3}, Knobs(), Others(), of="it")


@pytest.mark.parametrize(("text", "counts"), [("50", (50,)), ("50,10,20,10", (10, 20, 50)), ("1..3", (1, 2, 3))])
def test_counts(text: str, counts: tuple[int, ...]) -> None:
    assert knobs.parse_counts(text) == counts


@pytest.mark.parametrize("text", ["0", "-1", "2.5", "auto", "", "1,,2"])
def test_no_counts(text: str) -> None:
    with pytest.raises(UsageError):
        knobs.parse_counts(text)
