"""What is lost in a small version of an image."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate

from denoise_cli.errors import UsageError
from denoise_cli.noise.levels import Level
from denoise_cli.noise.pair import Pair

_MOST = 16


@dataclass(frozen=True)
class LowResolution:
    """Each image is made ``factor`` times smaller and as large again, both by bicubic interpolation.

    The input of super-resolution in DnCNN-3: Zhang, Zuo, Chen, Meng, Zhang, "Beyond a Gaussian Denoiser", TIP 2017,
    section IV-A. Every whole factor of a range is as likely. ``Pair.sigma`` is measured: the root mean square of the
    error.
    """

    factor: Level  # whole numbers

    @classmethod
    def parse(cls, text: str) -> "LowResolution":
        """Read a factor such as ``3``, or a range; raises ``UsageError`` for fractions, and outside of 1 to 16."""
        factor = Level.parse(text)
        if not (1 <= factor.low <= factor.high <= _MOST and factor.low % 1 == 0 and factor.high % 1 == 0):
            raise UsageError(
                f"lowres:{text} is no way to shrink an image.",
                f"The factor is a whole number from 1 to {_MOST}, as in lowres:3 or lowres:2..4.",
            )
        return cls(factor)

    def __str__(self) -> str:
        return f"lowres:{self.factor}"

    def __call__(self, clean: Tensor, generator: Generator) -> Pair:
        ends = int(self.factor.low), int(self.factor.high) + 1
        factors = torch.randint(*ends, (len(clean),), generator=generator, device=clean.device).tolist()
        noisy = torch.empty_like(clean)
        for factor in sorted(set(factors)):
            chosen = [index for index, drawn in enumerate(factors) if drawn == factor]
            noisy[chosen] = _shrunk(clean[chosen], factor)
        return Pair(clean, noisy, (noisy - clean).square().mean((1, 2, 3), keepdim=True).sqrt())


def _shrunk(images: Tensor, factor: int) -> Tensor:
    """Images (N, C, H, W) at a ``factor``-th of their size, at least one pixel, and back."""
    height, width = images.shape[-2:]
    small = max(1, round(height / factor)), max(1, round(width / factor))
    lost = interpolate(images, small, mode="bicubic", antialias=True)
    return interpolate(lost, (height, width), mode="bicubic", antialias=True)
