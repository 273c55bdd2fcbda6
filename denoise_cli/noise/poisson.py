"""Photon noise."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from denoise_cli.errors import UsageError
from denoise_cli.noise.levels import Level
from denoise_cli.noise.pair import Pair


@dataclass(frozen=True)
class Poisson:
    """``y = Poisson(peak * x) / peak``: ``peak`` photons are counted where the image is white. Not clipped.

    The definition of Remez et al., "Class-Aware Fully-Convolutional Gaussian and Poisson Denoising", section III. The
    fewer photons, the stronger the noise; ``Pair.sigma`` is ``sqrt(x / peak)``, the deviation of each value.
    """

    peak: Level

    @classmethod
    def parse(cls, text: str) -> "Poisson":
        """Read the peak, above 0; raises ``UsageError`` at 0, where no photon comes."""
        peak = Level.parse(text)
        if peak.low == 0:
            raise UsageError(
                f"poisson:{text} has a peak of 0.", "The peak is a count of photons above 0, as in poisson:30."
            )
        return cls(peak)

    def __str__(self) -> str:
        return f"poisson:{self.peak}"

    def __call__(self, clean: Tensor, generator: Generator) -> Pair:
        peak = self.peak.draw(len(clean), generator)
        light = clean.clamp(min=0)
        noisy = torch.poisson(peak * light, generator=generator) / peak
        return Pair(clean, noisy, (light / peak).sqrt())
