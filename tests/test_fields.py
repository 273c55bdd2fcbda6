"""Dataclasses filled from names and values."""

from dataclasses import dataclass

import pytest

from denoise_cli.errors import UsageError
from denoise_cli.fields import Bounds, fill


@dataclass(frozen=True)
class Knobs:
    iters: int = 20
    strength: float = 0.9
    blind: bool = True
    word: str = "noisy"
    sigma: float | None = None


def test_what_is_not_given_keeps_its_default() -> None:
    assert fill(Knobs(), {}, "it") == Knobs()


def test_none_is_a_value_of_optional_fields_only() -> None:
    assert fill(Knobs(sigma=0.5), {"sigma": None}, "it").sigma is None
    with pytest.raises(UsageError, match="iters cannot be None"):
        fill(Knobs(), {"iters": None}, "it")
    assert fill(Knobs(), {"iters": 5, "sigma": 25, "strength": 1}, "it") == Knobs(iters=5, sigma=25, strength=1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"itres": 5}, "it has no knob 'itres'.\nDid you mean 'iters'?"),
        ({"iters": 5.5}, "it: iters cannot be 5.5.\nIt is a whole number, by default 20"),
        ({"iters": True}, "iters cannot be True"),
        ({"strength": "much"}, "It is a number"),
        ({"strength": float("nan")}, "strength cannot be nan"),
        ({"blind": 1}, "It is true or false"),
        ({"word": 3}, "It is a word"),
        ({"sigma": "much"}, "sigma cannot be 'much'"),
        ({"sigma": True}, "sigma cannot be True"),
    ],
)
def test_what_does_not_fit(given: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        fill(Knobs(), given, "it")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("bounds", "inside", "outside", "said"),
    [
        (Bounds(1), (1, 1e9), (0, 0.99, float("nan"), float("inf")), "at least 1"),
        (Bounds(0, above=True), (1e-9,), (0, -1), "above 0"),
        (Bounds(0, 1), (0, 0.5, 1), (-0.1, 1.1), "at least 0 and at most 1"),
        (Bounds(0, 1, below=True), (0, 0.99), (1,), "at least 0 and below 1"),
    ],
)
def test_numbers_that_a_field_may_be(
    bounds: Bounds, inside: tuple[float, ...], outside: tuple[float, ...], said: str
) -> None:
    assert all(number in bounds for number in inside) and not any(number in bounds for number in outside)
    assert str(bounds) == said
