"""Gaussian noise, then salt-and-pepper over it."""

from dataclasses import dataclass

from torch import Generator, Tensor

from denoise_cli.errors import UsageError
from denoise_cli.noise.gaussian import Gaussian
from denoise_cli.noise.impulse import SaltAndPepper
from denoise_cli.noise.pair import Pair


@dataclass(frozen=True)
class Mixed:
    """Gaussian noise and then impulses, as in Zhao, "Image Denoising with Deep Convolutional Neural Networks".

    The paper does not state its levels; each has its own here. ``Pair.sigma`` is that of the Gaussian part.
    """

    gaussian: Gaussian
    impulses: SaltAndPepper

    @classmethod
    def parse(cls, text: str) -> "Mixed":
        """Read ``SIGMA+SHARE``, such as ``25+0.05``; either may be a range."""
        sigma, plus, share = text.partition("+")
        if not plus or not sigma or not share:
            raise UsageError(
                f"mixed:{text} does not name two levels.",
                "Write the Gaussian sigma, a plus, and the share of impulses, as in mixed:25+0.05.",
            )
        return cls(Gaussian.parse(sigma), SaltAndPepper.parse(share))

    def __str__(self) -> str:
        return f"mixed:{self.gaussian.level}+{self.impulses.share}"

    def __call__(self, clean: Tensor, generator: Generator) -> Pair:
        grainy = self.gaussian(clean, generator)
        return Pair(clean, self.impulses(grainy.noisy, generator).noisy, grainy.sigma)
