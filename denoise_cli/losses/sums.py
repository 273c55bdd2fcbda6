"""Sums of losses: ``mse + 0.08*tv``."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from math import isfinite

from torch import Tensor

from denoise_cli.errors import UsageError
from denoise_cli.losses.words import named

_PLUS = re.compile(r"(?<![0-9.][eE])\+")  # not the one of 1e+3


@dataclass(frozen=True)
class Term:
    """A loss and its weight."""

    weight: float  # 0 or more
    word: str

    def __str__(self) -> str:
        return self.word if self.weight == 1 else f"{repr(self.weight).removesuffix('.0')}*{self.word}"


@dataclass(frozen=True)
class Sum:
    """A weighted sum of losses, itself a loss; ``str`` parses back to it."""

    terms: tuple[Term, ...]

    @classmethod
    def parse(cls, text: str, own: Collection[str] = ()) -> "Sum":
        """Read ``l1`` or ``mse + 0.08*tv``; ``own`` are words that a method computes itself.

        Raises ``UsageError`` for an unknown loss, a weight that is no number or below 0, and an empty term.
        """
        return cls(tuple(_term(part.strip(), text, own) for part in _PLUS.split(text)))

    def __str__(self) -> str:
        return " + ".join(map(str, self.terms))

    def __call__(self, estimate: Tensor, clean: Tensor) -> Tensor:
        """The sum as a scalar, from (N, C, H, W) each; 0 where there is no term."""
        losses = (term.weight * named(term.word)(estimate, clean) for term in self.terms)
        return sum(losses, start=clean.new_zeros(()))

    def parted(self, word: str) -> tuple[float, "Sum"]:
        """The weight of the loss called ``word``, 0 where it is not there, and the sum without it."""
        weight = sum((term.weight for term in self.terms if term.word == word), start=0.0)
        return weight, Sum(tuple(term for term in self.terms if term.word != word))


def _term(part: str, whole: str, own: Collection[str]) -> Term:
    if not part:
        raise UsageError(f"The loss {whole!r} lacks a term.", "Write a name, or a sum such as mse + 0.08*tv.")
    number, times, word = part.rpartition("*")
    number, word = number.strip(), word.strip()
    if word not in own:
        named(word, own)
    try:
        weight = float(number) if times else 1.0
    except ValueError:
        weight = -1.0
    if not (isfinite(weight) and weight >= 0):
        raise UsageError(
            f"{number!r} is no weight for the loss {word!r}.", f"Write a number of 0 or more, as in 0.5*{word}."
        )
    return Term(weight, word)
