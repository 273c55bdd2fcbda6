"""Total variation: the image that is close to the noisy one and changes least from pixel to pixel.

Leonid Rudin, Stanley Osher, Emad Fatemi, "Nonlinear total variation based noise removal algorithms", Physica D, 1992;
solved as by Amir Beck, Marc Teboulle, "Fast Gradient-Based Algorithms for Constrained Total Variation Image Denoising
and Deblurring Problems", IEEE Transactions on Image Processing, 2009 (section IV-B, after Chambolle, 2004).
"""

from dataclasses import dataclass, replace
from math import isfinite

import torch
from torch import Tensor

from denoise_cli.errors import UsageError
from denoise_cli.method import Method
from denoise_cli.noise.estimate import gaussian_sigma, known_sigma
from denoise_cli.noise.levels import on_unit


@dataclass(frozen=True)
class Config:
    """Nothing to build."""


@dataclass(frozen=True)
class Options:
    """What can be turned at run time."""

    sigma: float | None = None  # standard deviation of the noise on [0, 1], or 0..255 if above 1; measured if not given
    strength: float = 0.7  # weight of the variation, in units of sigma
    iters: int = 50  # steps of the gradient method


class TotalVariation:
    """The variation of colours is that of all channels together, so that edges stay in one place."""

    stride = 1
    channels = None

    def __init__(self, config: Config) -> None:
        pass

    def settle(self, noisy: Tensor, options: Options) -> Options:
        """The noise on [0, 1], measured on the whole image (1, C, H, W) unless given; raises ``UsageError``."""
        for name, value in (("strength", options.strength), ("iters", options.iters)):
            if not isfinite(value) or value < 0:
                raise UsageError(f"tv: {name} cannot be {value}.", "It is 0 or more.")
        return replace(options, sigma=known_sigma(options.sigma, noisy, "tv"))

    def denoise(self, noisy: Tensor, options: Options) -> Tensor:
        """The estimate in [0, 1]: (N, C, H, W) from noisy images of that shape."""
        return self.estimates(noisy, options, (options.iters,))[0]

    def estimates(self, noisy: Tensor, options: Options, counts: tuple[int, ...]) -> list[Tensor]:
        """The estimates after each of ``counts`` iterations, ascending; the level is measured where it is not given."""
        if options.sigma is None:
            sigma = gaussian_sigma(noisy)[:, None, None, None]
        else:
            sigma = torch.full((1, 1, 1, 1), on_unit(options.sigma))
        weight = (sigma.to(noisy.device) * options.strength).clamp_min(1e-9)
        dual = noisy.new_zeros((2, *noisy.shape))  # one field for the rows, one for the columns
        ahead, pace, found = dual, 1.0, []
        for count in range(counts[-1] + 1):
            if count in counts:
                found.append((noisy - weight * _divergence(dual)).clamp(0, 1))
            step = ahead + _gradient(noisy - weight * _divergence(ahead)) / (8 * weight)
            step = step / step.square().sum(dim=(0, 2), keepdim=True).sqrt().clamp_min(1)
            faster = (1 + (1 + 4 * pace * pace) ** 0.5) / 2
            ahead = step + (pace - 1) / faster * (step - dual)
            dual, pace = step, faster
        return found

    def reach(self, options: Options) -> int:
        """A pixel for each iteration, and one at the end."""
        return options.iters + 1


def _gradient(image: Tensor) -> Tensor:
    """Differences to the pixel below and to the right, 0 at the border: (2, N, C, H, W)."""
    field = image.new_zeros((2, *image.shape))
    field[0, ..., :-1, :] = image[..., 1:, :] - image[..., :-1, :]
    field[1, ..., :, :-1] = image[..., :, 1:] - image[..., :, :-1]
    return field


def _divergence(field: Tensor) -> Tensor:
    """The negative divergence of a field (2, N, C, H, W), adjoint to the gradient: (N, C, H, W)."""
    total = torch.zeros_like(field[0])
    total[..., :-1, :] -= field[0, ..., :-1, :]
    total[..., 1:, :] += field[0, ..., :-1, :]
    total[..., :, :-1] -= field[1, ..., :, :-1]
    total[..., :, 1:] += field[1, ..., :, :-1]
    return total


METHOD = Method(
    make=TotalVariation,
    config=Config(),
    options=Options(),
    summary="the nearest image that changes least from pixel to pixel",
    paper="Rudin, Osher, Fatemi: Nonlinear total variation based noise removal algorithms, Physica D 1992",
)
