"""What was taken for noise and is part of the picture: a fine weave, a chart, dithering, weak texture. It stays.

Noise is as strong as it was measured, and independent from pixel to pixel. Where what a net took away is much stronger
than that, and alike from pixel to pixel, it was a pattern. Where it is weak and still stronger than the noise, only as
much of it goes as there was noise; what is strong and not alike goes, as noise in a part of an image only.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from denoise_cli.image import Image
from denoise_cli.shapes import to_unit

_WINDOW = 15  # side of the squares that are looked at, pixels
_FAR = 2  # pixels between those that are compared, at most
_APART = ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0))  # rows and columns between them
MARGIN = 2 * (_WINDOW // 2) + _FAR  # how far it looks
_ALIKE = (0.4, 0.6)  # correlation below which nothing stays, and above which all does; white noise: up to 0.2, gray 0.4
_TIMES = (2.5, 4.0)  # the same for the strength: that of the measured noise so many times,
_LEAST = (2 / 255, 4 / 255)  # and at least so much
_MORE = 1.1  # the measured noise so many times is what goes of something weak
_WEAK = (3 / 255, 6 / 255)  # up to here it is weak, and from there on strong
_BAND = 1 << 18  # pixels that are looked at together


@dataclass(frozen=True)
class Grain:
    """The noise of an image as it was measured, on [0, 1]: its variance is shot^2 x + read^2."""

    shot: float
    read: float
    alone: bool = True  # whether nothing else is to go, no noise that is not white

    def deviation(self, light: Tensor) -> Tensor:
        """Its standard deviation where there is so much ``light``."""
        return (self.shot**2 * light.clamp_min(0) + self.read**2).sqrt()


def keep_patterns(noisy: Image, estimate: Image, grain: Grain) -> Image:
    """``estimate`` with what it lacks of ``noisy`` and was no noise; both are (C, H, W), of the ``grain`` measured.

    The pixels of ``estimate`` are changed in place.
    """
    before, after = torch.from_numpy(noisy.samples)[None], torch.from_numpy(estimate.pixels)[None]
    rows = max(MARGIN, _BAND // noisy.width)
    waiting: tuple[int, Tensor] | None = None  # the band before: it is looked at once more, beside the next
    for top in range(0, noisy.height, rows):
        taken = _taken(before, after, top, rows, grain)
        _give_back(after, waiting)
        waiting = (top, taken) if taken is not None else None
    _give_back(after, waiting)
    return estimate.with_pixels(after[0].numpy())


def _give_back(after: Tensor, part: tuple[int, Tensor] | None) -> None:
    if part is not None:
        top, taken = part
        after[..., top : top + taken.shape[-2], :] += taken


def _taken(before: Tensor, after: Tensor, top: int, rows: int, grain: Grain) -> Tensor | None:
    """What is to be given back to so many rows, from ``top`` on; None where that is nothing."""
    first, bottom = max(0, top - MARGIN), min(before.shape[-2], top + rows)
    seen = slice(first, min(before.shape[-2], bottom + MARGIN))
    rest = after[..., seen, :]
    removed = to_unit(before[..., seen, :]) - rest
    power = _mean(removed.square())
    sigma, found = grain.deviation(_mean(rest)), power.sqrt()
    low, high = (torch.clamp_min(times * sigma, least) for times, least in zip(_TIMES, _LEAST, strict=True))
    share = torch.zeros_like(found)
    if grain.alone:
        share = (1 - _MORE * sigma / found.clamp_min(1e-6)).clamp_min(0) * (1 - _ramp(found, *_WEAK))
    strong = _ramp(found, low, high)
    if strong.any():
        height, width = removed.shape[-2:]
        around = functional.pad(removed, (_FAR,) * 4, mode="replicate")
        shifted = (around[..., _FAR + y : _FAR + y + height, _FAR + x : _FAR + x + width] for y, x in _APART)
        alike = torch.stack([_mean(removed * other).abs() for other in shifted]).amax(dim=0)
        pattern = strong * _ramp(alike / power.clamp_min(1e-12), *_ALIKE)
        # the windows that show it, not their middles alone
        share = torch.maximum(share, functional.max_pool2d(pattern, _WINDOW, 1, _WINDOW // 2))
    return (share * removed)[..., top - first : bottom - first, :] if share.any() else None


def _mean(values: Tensor) -> Tensor:
    """The mean over the channels and the window around each pixel: (1, C, H, W) to (1, 1, H, W)."""
    mean, half = values.mean(dim=1, keepdim=True), _WINDOW // 2
    for window, border in (((_WINDOW, 1), (half, 0)), ((1, _WINDOW), (0, half))):
        mean = functional.avg_pool2d(mean, window, 1, border, count_include_pad=False)
    return mean


def _ramp(values: Tensor, low: Tensor | float, high: Tensor | float) -> Tensor:
    """0 up to ``low``, 1 from ``high`` on, and straight between them."""
    return ((values - low) / (high - low)).clamp(0, 1)
