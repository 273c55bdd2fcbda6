"""Additive white Gaussian noise."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from denoise_cli.noise.levels import Level
from denoise_cli.noise.pair import Pair


@dataclass(frozen=True)
class Gaussian:
    """``y = x + n`` with ``n ~ N(0, sigma^2)``, not clipped: ``stored`` clips as a file does.

    ``level`` is as it was typed: above 1 it is on the 0..255 scale, else on [0, 1]; a range is read by its upper end.
    """

    level: Level

    @classmethod
    def parse(cls, text: str) -> "Gaussian":
        """``25`` and ``0..55`` are on the 0..255 scale, ``0.1`` on [0, 1]."""
        return cls(Level.parse(text))

    def __str__(self) -> str:
        return f"gaussian:{self.level}"

    @property
    def sigma(self) -> Level:
        """The standard deviation on [0, 1]."""
        return self.level.scaled(1 / 255) if self.level.high > 1 else self.level

    def __call__(self, clean: Tensor, generator: Generator) -> Pair:
        sigma = self.sigma.draw(len(clean), generator)
        unit = torch.randn(clean.shape, generator=generator, device=clean.device)
        return Pair(clean, clean + sigma * unit, sigma)
