"""Salt-and-pepper impulses: their share, where they are, and a first filling of the holes that they leave.

An impulse is a pixel whose channels are all 0 or all 1. So are the pixels of a saturated area of the clean image; they
are told apart by their neighbours: in a saturated area these are of the same extreme far more often than by chance.
"""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from denoise_cli.layers.local import locally

_DENSITY = (2.0, 4)  # sigma and radius of the window in which neighbours of the same extreme are counted, pixels
_FILLING = ((0.5, 2), (1.2, 3), (2.5, 7))  # sigma and radius of the windows that fill a hole, narrow ones first
_SHARE_LIMIT = 0.95  # a share of 1 would leave nothing to fill from
_SURROUNDINGS = (1.2, 3)  # sigma and radius of the window that says what is around a pixel
_LEAP = 0.35  # least distance of salt and pepper that counts from what is around it; half the range in most pictures
_CLIPPED = ((0.05, 5.0), (0.11, 1.0))  # so near an extreme are pixels just short of it, one for at most so many at it:
# the first where sigma 75 was clipped, the second where as few as 10 photons were counted
_STROKES = 1.5  # pixels alike among those that touch, for each one in the ring around those; 1 where they are scattered
_CHANCE = 0.06  # share of touching pixels alike that may be chance
_LOPSIDED = 0.02  # share of the rarer kind below which the other is no noise but a drawing
_EQUAL = 0.7  # share of the rarer kind above which both are equally frequent but for chance
_BILEVEL = 0.97  # share of black and white pixels above which there are no others
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
    return locally(_find, FIND_RADIUS, noisy, share)


def _find(noisy: Tensor, share: Tensor | float) -> Tensor:
    found = torch.zeros_like(noisy[:, :1], dtype=torch.bool)
    weight = _sums(torch.ones_like(noisy[:1, :1], dtype=torch.float32), *_DENSITY, hollow=True)
    for extreme in _extremes(noisy):
        density = _sums(extreme, *_DENSITY, hollow=True) / weight
        saturated = (density - share / 2) / (1 - share)  # share of the clean neighbours that are this extreme
        found |= (extreme > 0) & (saturated < 0.1 + 1.7 * share)
    return found


def fill(image: Tensor, known: Tensor) -> Tensor:
    """``image`` (N, C, H, W) with the pixels that are not ``known`` (N, 1, H, W) filled from those that are.

    Normalised convolution with a Gaussian, in a wider window where the narrower one holds no known pixel; 0.5 where the
    widest holds none. Knutsson, Westin, "Normalized and Differential Convolution", CVPR 1993, equation 1.
    """
    return locally(_fill, FILL_RADIUS, image, known)


def _fill(image: Tensor, known: Tensor) -> Tensor:
    weight = known.float()
    channels = image.shape[1]
    signal = torch.cat((image * weight, weight), dim=1)  # (N, C + 1, H, W)
    filled = torch.full_like(image, 0.5)
    missing = ~known
    for sigma, radius in _FILLING:
        sums = _sums(signal, sigma, radius)
        reached = missing & (sums[:, channels:] > 1e-6)
        filled = torch.where(reached, sums[:, :channels] / sums[:, channels:].clamp_min(1e-6), filled)
        missing &= ~reached
        if not missing.any():
            break
    return torch.where(known, image, filled)


def salt_and_pepper(noisy: Tensor) -> Tensor:
    """The share of pixels in each image (N, C, H, W) that can only be salt and pepper, as (N,); near 0 without any.

    What looks alike is told by the impulses that stand out from what is around them. Clipped Gaussian noise leaves
    pixels just short of black and white too. Strokes of text are of one colour, or hang together, where
    impulses are scattered. Of an image in black and white only, nothing is known but that.
    """
    found = find_impulses(noisy, impulse_share(noisy))
    known = (~found).float()
    sums = _sums(torch.cat((noisy * known, known), dim=1), *_SURROUNDINGS, hollow=True)
    around = (sums[:, :-1] / sums[:, -1:].clamp_min(1e-6)).mean(dim=1, keepdim=True)  # (N, 1, H, W)
    bright = (around > _LEAP) & (sums[:, -1:] > 1e-6)
    dark = (around < 1 - _LEAP) & (sums[:, -1:] > 1e-6)
    white, black = _extremes(noisy)
    salt, pepper = found & dark & (white > 0), found & bright & (black > 0)
    short = torch.where(dark, 1 - noisy.amin(dim=1, keepdim=True), torch.inf)  # of white
    short = torch.minimum(short, torch.where(bright, noisy.amax(dim=1, keepdim=True), torch.inf))  # or of black
    pixel = 1 / noisy[0, 0].numel()
    clipped = torch.zeros(len(noisy), dtype=torch.bool, device=noisy.device)
    for width, most in _CLIPPED:
        clipped |= most * (_mean((short > 0) & (short < width)) + pixel) >= _mean(salt | pepper)
    touching, near = (sum(_alike(kind, side) for kind in (salt, pepper)) for side in (3, 5))
    strokes = touching / 8 > _STROKES * (near - touching) / 16 + _CHANCE
    lopsided = torch.minimum(_mean(salt), _mean(pepper)) < _LOPSIDED * _mean(salt | pepper)
    bilevel = _mean(white + black) > _BILEVEL
    kinds = _mean(found & (white > 0)), _mean(found & (black > 0))
    rarer = torch.minimum(*kinds)
    lopsided &= rarer < _EQUAL * torch.maximum(*kinds)  # pepper does not stand out from a dark image, but counts
    return torch.where(clipped | strokes | lopsided | bilevel, 0.0, 2 * rarer)


def _mean(mask: Tensor) -> Tensor:
    return mask.float().mean(dim=(1, 2, 3))


def _alike(mask: Tensor, side: int) -> Tensor:
    """How many others of ``mask`` (N, 1, H, W) a pixel of it has in the square of ``side`` around, on average: (N,)."""
    counts = side * side * functional.avg_pool2d(mask.float(), side, 1, side // 2) - 1
    return (counts * mask).sum(dim=(1, 2, 3)) / mask.sum(dim=(1, 2, 3)).clamp_min(1)


def _extremes(noisy: Tensor) -> tuple[Tensor, Tensor]:
    white = (noisy.amin(dim=1, keepdim=True) >= 1).float()
    black = (noisy.amax(dim=1, keepdim=True) <= 0).float()
    return white, black


def _sums(image: Tensor, sigma: float, radius: int, *, hollow: bool = False) -> Tensor:
    """Sums over a Gaussian window, channel by channel: (N, C, H, W) to the same; what lies outside counts as 0.

    In the image's own precision, also where autocast is on: half of it would move pixels that are compared.
    """
    channels = image.shape[1]
    kernel = _gaussian(sigma, radius, hollow).to(image).expand(channels, 1, -1, -1)
    with torch.autocast(image.device.type, enabled=False):
        return functional.conv2d(image, kernel, padding=radius, groups=channels)


@lru_cache
def _gaussian(sigma: float, radius: int, hollow: bool) -> Tensor:
    """An unnormalised Gaussian of shape (1, 1, K, K); ``hollow``: without its centre."""
    with torch.inference_mode(False):  # it is kept, and may be needed for training next
        squares = torch.arange(-radius, radius + 1).float().square()
        kernel = torch.exp(-(squares[:, None] + squares[None, :]) / (2 * sigma * sigma))
        if hollow:
            kernel[radius, radius] = 0
        return kernel[None, None]
