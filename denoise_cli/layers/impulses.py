"""Salt-and-pepper impulses: their share, where they are, and a first filling of the holes that they leave.

An impulse is a pixel whose channels are all 0 or all 1. So are the pixels of a saturated area of the clean image; they
are told apart by their neighbours: in a saturated area these are of the same extreme far more often than by chance.
"""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

_DENSITY = (2.0, 4)  # sigma and radius of the window in which neighbours of the same extreme are counted, pixels
_FILLING = ((0.5, 2), (1.2, 3), (2.5, 7))  # sigma and radius of the windows that fill a hole, narrow ones first
_SHARE_LIMIT = 0.95  # a share of 1 would leave nothing to fill from
_LEAP = 0.25  # least mean distance of salt and pepper from what is around it; half the range in most pictures
FILL_RADIUS = _FILLING[-1][1]
FIND_RADIUS = _DENSITY[1]


def impulse_share(noisy: Tensor) -> Tensor:
    """The share of impulses in each image (N, C, H, W), as (N, 1, 1, 1).

    Impulses are black and white equally often, saturated areas are mostly of one kind: twice the rarer extreme.
    """
    white, black = _extremes(noisy)
    shares = torch.minimum(white.mean(dim=(2, 3), keepdim=True), black.mean(dim=(2, 3), keepdim=True))
    return (2 * shares).clamp(max=_SHARE_LIMIT)


def find_impulses(noisy: Tensor, share: Tensor | float) -> Tensor:
    """Where the impulses are, (N, 1, H, W) of bool, in images (N, C, H, W) with ``share`` of them, (N, 1, 1, 1)."""
    found = torch.zeros_like(noisy[:, :1], dtype=torch.bool)
    kernel = _gaussian(*_DENSITY, True).to(noisy.device)
    weight = functional.conv2d(torch.ones_like(noisy[:1, :1], dtype=torch.float32), kernel, padding=_DENSITY[1])
    for extreme in _extremes(noisy):
        density = functional.conv2d(extreme, kernel, padding=_DENSITY[1]) / weight
        saturated = (density - share / 2) / (1 - share)  # share of the clean neighbours that are this extreme
        found |= (extreme > 0) & (saturated < 0.1 + 1.7 * share)
    return found


def fill(image: Tensor, known: Tensor) -> Tensor:
    """``image`` (N, C, H, W) with the pixels that are not ``known`` (N, 1, H, W) filled from those that are.

    Normalised convolution with a Gaussian, in a wider window where the narrower one holds no known pixel; 0.5 where the
    widest holds none. Knutsson, Westin, "Normalized and Differential Convolution", CVPR 1993, equation 1.
    """
    weight = known.float()
    channels = image.shape[1]
    signal = torch.cat((image * weight, weight), dim=1)  # (N, C + 1, H, W)
    filled = torch.full_like(image, 0.5)
    missing = ~known
    for sigma, radius in _FILLING:
        kernel = _gaussian(sigma, radius, False).to(image.device).expand(channels + 1, 1, -1, -1)
        sums = functional.conv2d(signal, kernel, padding=radius, groups=channels + 1)
        reached = missing & (sums[:, channels:] > 1e-6)
        filled = torch.where(reached, sums[:, :channels] / sums[:, channels:].clamp_min(1e-6), filled)
        missing &= ~reached
        if not missing.any():
            break
    return torch.where(known, image, filled)


def salt_and_pepper(noisy: Tensor) -> Tensor:
    """The share of pixels in each image (N, C, H, W) that can only be salt and pepper, as (N,).

    Unlike ``impulse_share`` it is near 0 for images without any: text on paper has black or white strokes but not both,
    and where Gaussian noise was clipped the surroundings are as dark or as bright.
    """
    share = impulse_share(noisy)
    found = find_impulses(noisy, share)
    white, black = ((extreme > 0) & found for extreme in _extremes(noisy))
    balanced = 2 * torch.minimum(white.float().mean(dim=(1, 2, 3)), black.float().mean(dim=(1, 2, 3)))
    leap = (noisy - fill(noisy, ~found)).abs().mean(dim=1, keepdim=True)
    mean_leap = (leap * found).sum(dim=(1, 2, 3)) / found.sum(dim=(1, 2, 3)).clamp_min(1)
    return torch.where(mean_leap > _LEAP, balanced, 0.0)


def _extremes(noisy: Tensor) -> tuple[Tensor, Tensor]:
    white = (noisy.amin(dim=1, keepdim=True) >= 1).float()
    black = (noisy.amax(dim=1, keepdim=True) <= 0).float()
    return white, black


@lru_cache
def _gaussian(sigma: float, radius: int, hollow: bool) -> Tensor:
    """An unnormalised Gaussian of shape (1, 1, K, K); ``hollow``: without its centre."""
    squares = torch.arange(-radius, radius + 1).float().square()
    kernel = torch.exp(-(squares[:, None] + squares[None, :]) / (2 * sigma * sigma))
    if hollow:
        kernel[radius, radius] = 0
    return kernel[None, None]
