"""Noise levels: one number, or a range from which each image draws its own."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor

from denoise_cli.errors import UsageError


def on_unit(sigma: float) -> float:
    """A standard deviation as it was typed, up to 1 on [0, 1] and above on 0..255, on [0, 1]."""
    return sigma / 255 if sigma > 1 else sigma


@dataclass(frozen=True)
class Level:
    """A level between ``low`` and ``high`` inclusive, drawn uniformly for each image; equal ends are a fixed level."""

    low: float
    high: float

    @classmethod
    def parse(cls, text: str) -> "Level":
        """Read ``0.3`` or ``0..0.7``; raises ``UsageError`` for anything else, negative levels included."""
        low, dots, high = text.partition("..")
        try:
            level = cls(float(low), float(high) if dots else float(low))
        except ValueError:
            raise UsageError(f"{text!r} is no noise level.", "Write one number (0.3) or a range (0..0.7).") from None
        if not 0 <= level.low <= level.high < float("inf"):
            raise UsageError(f"The noise level {text!r} is out of order.", "Levels are 0 or more, the lower end first.")
        return level

    def __str__(self) -> str:
        low, high = (np.format_float_positional(end, trim="-") for end in (self.low, self.high))  # parse back exactly
        return low if low == high else f"{low}..{high}"

    def scaled(self, factor: float) -> "Level":
        """The same level in a unit ``factor`` times as fine."""
        return Level(self.low * factor, self.high * factor)

    def draw(self, count: int, generator: Generator) -> Tensor:
        """``count`` levels of shape (N, 1, 1, 1), on the generator's device."""
        if self.low == self.high:
            return torch.full((count, 1, 1, 1), self.low, device=generator.device)
        uniform = torch.rand((count, 1, 1, 1), generator=generator, device=generator.device)
        return self.low + (self.high - self.low) * uniform
