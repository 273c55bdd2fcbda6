"""Losses that change part-way through training: ``l2@0..50%,l1@50%..``."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise

from denoise_cli.errors import UsageError
from denoise_cli.losses.sums import Sum

_SPAN = re.compile(r"(\d+(?:\.\d+)?)%?\.\.(?:(\d+(?:\.\d+)?)%?)?")
_EXAMPLE = "Write what share of training each loss has, without gaps, as in l2@0..50%,l1@50%.."


@dataclass(frozen=True)
class Phase:
    """A loss and when it begins."""

    loss: Sum
    begin: float = 0.0  # percent of the steps


@dataclass(frozen=True)
class Schedule:
    """One loss after the other; ``str`` parses back to it."""

    phases: tuple[Phase, ...]  # the first begins at 0, each next one later

    @classmethod
    def parse(cls, text: str, own: Collection[str] = ()) -> "Schedule":
        """Read a sum of losses, or several with the share of training they have; ``own`` as for ``Sum.parse``.

        Raises ``UsageError`` for a loss that cannot be, and for shares with gaps, out of order or past the end.
        """
        if "@" not in text:
            return cls((Phase(Sum.parse(text, own)),))
        phases: list[Phase] = []
        reached = 0.0
        for part in text.split(","):
            loss, _, span = part.partition("@")
            begin, end = _span(span, text)
            if begin != reached or not begin < end <= 100:
                raise UsageError(f"The shares in the loss {text!r} do not follow one another.", _EXAMPLE)
            phases.append(Phase(Sum.parse(loss, own), begin))
            reached = end
        if reached != 100:
            raise UsageError(f"The loss {text!r} stops at {reached:g}% of training.", _EXAMPLE)
        return cls(tuple(phases))

    def __str__(self) -> str:
        if len(self.phases) == 1:
            return str(self.phases[0].loss)
        begins = [repr(phase.begin).removesuffix(".0") for phase in self.phases]
        spans = [f"{begin}..{end}%" for begin, end in pairwise(begins)]
        spans.append(f"{begins[-1]}%..")
        return ",".join(f"{phase.loss}@{span}" for phase, span in zip(self.phases, spans, strict=True))

    def words(self) -> set[str]:
        """The single losses that it is made of."""
        return {term.word for phase in self.phases for term in phase.loss.terms}

    def at(self, step: int, steps: int) -> Sum:
        """The loss of a step, counted from 0, of so many ``steps``."""
        return [phase.loss for phase in self.phases if phase.begin * steps <= 100 * step][-1]


def _span(text: str, whole: str) -> tuple[float, float]:
    """The percentages of ``0..50%`` or ``50%..``."""
    match = _SPAN.fullmatch(text.strip())
    if not match:
        raise UsageError(f"{text.strip()!r} in the loss {whole!r} is no share of training.", _EXAMPLE)
    return float(match[1]), float(match[2]) if match[2] else 100.0
