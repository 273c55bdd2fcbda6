"""What was taken for noise and is a pattern: a fine weave, a chart, dithering. It stays.

Noise is as strong as it was measured, and independent from pixel to pixel. Where what a net took away is much stronger
than that, and alike from pixel to pixel, it was part of the picture.
"""

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
_BAND = 1 << 18  # pixels that are looked at together


def keep_patterns(noisy: Image, estimate: Image, sigma: float) -> Image:
    """``estimate`` with the patterns of ``noisy`` that it lacks; both are (C, H, W), the noise was measured as sigma.

    The pixels of ``estimate`` are changed in place.
    """
    before, after = torch.from_numpy(noisy.samples)[None], torch.from_numpy(estimate.pixels)[None]
    rows = max(MARGIN, _BAND // noisy.width)
    waiting: tuple[int, Tensor] | None = None  # the band before: it is looked at once more, beside the next
    for top in range(0, noisy.height, rows):
        taken = _taken(before, after, top, rows, sigma)
        _give_back(after, waiting)
        waiting = (top, taken) if taken is not None else None
    _give_back(after, waiting)
    return estimate.with_pixels(after[0].numpy())


def _give_back(after: Tensor, part: tuple[int, Tensor] | None) -> None:
    if part is not None:
        top, taken = part
        after[..., top : top + taken.shape[-2], :] += taken


def _taken(before: Tensor, after: Tensor, top: int, rows: int, sigma: float) -> Tensor | None:
    """What is to be given back to so many rows, from ``top`` on; None where that is nothing."""
    first, bottom = max(0, top - MARGIN), min(before.shape[-2], top + rows)
    seen = slice(first, min(before.shape[-2], bottom + MARGIN))
    removed = to_unit(before[..., seen, :]) - after[..., seen, :]
    power = _mean(removed.square())
    strong = _ramp(power.sqrt(), *(max(times * sigma, least) for times, least in zip(_TIMES, _LEAST, strict=True)))
    if not strong.any():
        return None
    height, width = removed.shape[-2:]
    around = functional.pad(removed, (_FAR,) * 4, mode="replicate")
    shifted = (around[..., _FAR + y : _FAR + y + height, _FAR + x : _FAR + x + width] for y, x in _APART)
    alike = torch.stack([_mean(removed * other).abs() for other in shifted]).amax(dim=0)
    share = strong * _ramp(alike / power.clamp_min(1e-12), *_ALIKE)
    share = functional.max_pool2d(share, _WINDOW, 1, _WINDOW // 2)  # the windows that show it, not their middles alone
    return (share * removed)[..., top - first : bottom - first, :]


def _mean(values: Tensor) -> Tensor:
    """The mean over the channels and the window around each pixel: (1, C, H, W) to (1, 1, H, W)."""
    mean, half = values.mean(dim=1, keepdim=True), _WINDOW // 2
    for window, border in (((_WINDOW, 1), (half, 0)), ((1, _WINDOW), (0, half))):
        mean = functional.avg_pool2d(mean, window, 1, border, count_include_pad=False)
    return mean


def _ramp(values: Tensor, low: float, high: float) -> Tensor:
    """0 up to ``low``, 1 from ``high`` on, and straight between them."""
    return ((values - low) / (high - low)).clamp(0, 1)
