"""Noise of a light sensor: the brighter a pixel, the noisier."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from denoise_cli.errors import UsageError
from denoise_cli.noise.gaussian import Gaussian
from denoise_cli.noise.pair import Pair


@dataclass(frozen=True)
class PoissonGaussian:
    """``y = x + n`` with ``n ~ N(0, shot^2 x + read^2)``, not clipped: photons counted, and the sensor's own noise.

    The normal approximation of Foi, Trimeche, Katkovnik, Egiazarian, "Practical Poissonian-Gaussian noise modeling and
    fitting for single-image raw-data", TIP 2008, with ``a = shot^2`` and ``b = read^2``. ``Pair.sigma`` is the
    deviation of each value.
    """

    shot: Gaussian  # its sigma where the image is white
    read: Gaussian  # its sigma everywhere

    @classmethod
    def parse(cls, text: str) -> "PoissonGaussian":
        """Read ``SHOT+READ``, two deviations as of Gaussian noise, such as ``0.1+0.02``; either may be a range."""
        shot, plus, read = text.partition("+")
        if not (shot and plus and read):
            raise UsageError(
                f"poisson-gaussian:{text} does not name two levels.",
                "Write the deviation by photons where it is white, a plus, and that everywhere: "
                "poisson-gaussian:0.1+0.02.",
            )
        return cls(Gaussian.parse(shot), Gaussian.parse(read))

    def __str__(self) -> str:
        return f"poisson-gaussian:{self.shot.level}+{self.read.level}"

    def __call__(self, clean: Tensor, generator: Generator) -> Pair:
        shot, read = self.shot.sigma.draw(len(clean), generator), self.read.sigma.draw(len(clean), generator)
        sigma = deviation(clean, shot, read)
        unit = torch.randn(clean.shape, generator=generator, device=clean.device)
        return Pair(clean, clean + sigma * unit, sigma)


def deviation(light: Tensor, shot: Tensor, read: Tensor) -> Tensor:
    """The standard deviation at each pixel of ``light`` (N, C, H, W), for levels (N, 1, 1, 1)."""
    return (shot.square() * light.clamp(min=0) + read.square()).sqrt()
