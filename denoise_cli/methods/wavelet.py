"""Wavelet shrinkage: small coefficients at every scale and place are noise, by a threshold that fits each place.

S. Grace Chang, Bin Yu, Martin Vetterli, "Spatially Adaptive Wavelet Thresholding with Context Modeling for Image
Denoising", IEEE Transactions on Image Processing, 2000: the threshold of BayesShrink, with the variance around each
coefficient, on a transform that is not decimated.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from denoise_cli.errors import UsageError
from denoise_cli.method import Method
from denoise_cli.noise.estimate import known_sigma
from denoise_cli.noise.levels import on_unit

# Filters from their middle to one side; Cohen, Daubechies, Feauveau, "Biorthogonal Bases of Compactly Supported
# Wavelets", 1992: 9 and 7 taps. Those of the way back are each other's with alternating signs.
_LOW = (0.852698679008894, 0.377402855612831, -0.110624404418437, -0.023849465019557, 0.037828455506995)
_HIGH = (0.788485616405583, -0.418092273221617, -0.040689417609164, 0.064538882628697)
_LOW_BACK = tuple((-1) ** place * tap for place, tap in enumerate(_HIGH))
_HIGH_BACK = tuple((-1) ** place * tap for place, tap in enumerate(_LOW))
_COLOURS = ((1.0, 1.0, 1.0), (1.0, 0.0, -1.0), (1.0, -2.0, 1.0))  # orthogonal: luminance and two differences


@dataclass(frozen=True)
class Config:
    """Nothing to build."""


@dataclass(frozen=True)
class Options:
    """What can be turned at run time."""

    sigma: float | None = None  # standard deviation of the noise on [0, 1], or 0..255 if above 1; measured if not given
    levels: int = 4  # scales of wavelets
    window: int = (
        9  # side of the square in which the variance is measured, odd, pixels; twice as far at twice the scale
    )


class Wavelet:
    """Colours are shrunk as luminance and two differences, other images channel by channel."""

    stride = 1
    channels = None

    def __init__(self, config: Config) -> None:
        pass

    def settle(self, noisy: Tensor, options: Options) -> Options:
        """The noise on [0, 1], measured on the whole image (1, C, H, W) unless given; raises ``UsageError``."""
        if not 1 <= options.levels <= 8:
            raise UsageError(f"wavelet: levels cannot be {options.levels}.", "It is a number from 1 to 8.")
        if options.window < 1 or options.window % 2 == 0:
            raise UsageError(f"wavelet: window cannot be {options.window}.", "It is odd: 9, 11, 13 ...")
        return replace(options, sigma=known_sigma(options.sigma, noisy, "wavelet"))

    def denoise(self, noisy: Tensor, options: Options) -> Tensor:
        """The estimate in [0, 1]: (N, C, H, W) from noisy images of that shape."""
        if options.sigma is None:
            return torch.cat([self.denoise(image[None], self.settle(image[None], options)) for image in noisy])
        sigma = on_unit(options.sigma)
        count, channels = noisy.shape[:2]
        colours = functional.normalize(torch.tensor(_COLOURS), dim=1) if channels == 3 else torch.eye(channels)
        colours = colours.to(noisy.device)
        with torch.autocast(noisy.device.type, enabled=False):
            planes = torch.einsum("pc,nchw->nphw", colours, noisy.float()).flatten(0, 1).unsqueeze(1)
            low, details = planes, []
            for level in range(options.levels):
                bands = _analyse(low, 2**level)
                noise = [sigma * gain for gain in _gains(level)]
                details.append(
                    [_shrink(*pair, 2**level, options.window) for pair in zip(bands[1:], noise, strict=True)]
                )
                low = bands[0]
            for level in reversed(range(options.levels)):
                low = _synthesise([low, *details[level]], 2**level)
            estimate = low.view(count, channels, *noisy.shape[2:])
            return torch.einsum("pc,nphw->nchw", colours, estimate).clamp(0, 1)

    def reach(self, options: Options) -> int:
        """The filters of all scales, there and back, and the window at the last."""
        scales: int = 2**options.levels - 1
        return 2 * (len(_LOW) - 1) * scales + (scales + 1) // 2 * (options.window // 2)


def _analyse(image: Tensor, spread: int) -> list[Tensor]:
    """The low-pass and the three bands of details of ``image`` (N, 1, H, W), at the scale ``spread``."""
    rows = [_filter(image, taps, 2, spread) for taps in (_LOW, _HIGH)]
    return [_filter(half, taps, 3, spread) for half in rows for taps in (_LOW, _HIGH)]


def _synthesise(bands: list[Tensor], spread: int) -> Tensor:
    """The way back; nothing was left out, so that every direction doubles what it gets."""
    low, high = (
        _filter(first, _LOW_BACK, 3, spread) + _filter(second, _HIGH_BACK, 3, spread)
        for first, second in (bands[:2], bands[2:])
    )
    return (_filter(low, _LOW_BACK, 2, spread) + _filter(high, _HIGH_BACK, 2, spread)) / 4


def _shrink(band: Tensor, noise: float, spread: int, window: int) -> Tensor:
    """Soft threshold noise^2 / sigma_x, where sigma_x^2 is the variance around a place less that of the noise."""
    box = (1 / window,) * (window // 2 + 1)
    energy = _filter(_filter(band.square(), box, 2, spread), box, 3, spread)
    signal = (energy - noise**2).clamp_min(1e-12).sqrt()
    return band.sign() * (band.abs() - noise**2 / signal).clamp_min(0)


def _filter(image: Tensor, taps: tuple[float, ...], dimension: int, spread: int) -> Tensor:
    """A symmetric filter, given from its middle, with holes of ``spread``; the image is mirrored at its border."""
    size = image.shape[dimension]
    radius = spread * (len(taps) - 1)
    period = max(1, 2 * (size - 1))
    places = torch.arange(-radius, size + radius, device=image.device).remainder(period)
    mirrored = image.index_select(dimension, torch.minimum(places, period - places).clamp_max(size - 1))
    total = taps[0] * image
    for place, tap in enumerate(taps[1:], start=1):
        sides = [mirrored.narrow(dimension, radius + way * place * spread, size) for way in (-1, 1)]
        total = total + tap * (sides[0] + sides[1])
    return total


@lru_cache
def _gains(level: int) -> tuple[float, float, float]:
    """The standard deviation of white noise of 1 in the three bands of details at a level."""
    with torch.inference_mode(False):
        low = torch.zeros((1, 1, 1, 16 * 2**level + 1))
        low[..., 8 * 2**level] = 1
        for finer in range(level):
            low = _filter(low, _LOW, 3, 2**finer)
        passed, stopped = (_filter(low, taps, 3, 2**level).norm().item() for taps in (_LOW, _HIGH))
        return passed * stopped, stopped * passed, stopped * stopped


METHOD = Method(
    make=Wavelet,
    config=Config(),
    options=Options(),
    summary="wavelet coefficients shrunk by what is around them",
    paper="Chang, Yu, Vetterli: Spatially Adaptive Wavelet Thresholding with Context Modeling, IEEE TIP 2000",
)
