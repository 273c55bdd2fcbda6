"""Non-local means: every pixel becomes the mean of those around it whose neighbourhoods look alike.

Antoni Buades, Bartomeu Coll, Jean-Michel Morel, "A Non-Local Algorithm for Image Denoising", CVPR 2005. The filter is
OpenCV's, which works on 8 bits.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from denoise_cli.errors import UsageError
from denoise_cli.image import load_opencv
from denoise_cli.method import Method
from denoise_cli.noise.estimate import known_sigma
from denoise_cli.noise.levels import on_unit

_LEAST_SIGMA = 0.2 / 255  # below it the 8-bit filter changes nothing


@dataclass(frozen=True)
class Config:
    """Nothing to build."""


@dataclass(frozen=True)
class Options:
    """What can be turned at run time."""

    sigma: float | None = None  # standard deviation of the noise on [0, 1], or 0..255 if above 1; measured if not given
    strength: float = 0.9  # the paper's h in units of sigma
    patch: int = 5  # side of the neighbourhoods compared, odd, pixels
    window: int = 21  # side of the window searched, odd, pixels


class NonLocalMeans:
    """Colour images are compared in all channels at once."""

    stride = 1
    channels = None

    def __init__(self, config: Config) -> None:
        pass

    def settle(self, noisy: Tensor, options: Options) -> Options:
        """The noise measured on the whole image (1, C, H, W), unless given; raises ``UsageError`` for wrong knobs."""
        for name in ("patch", "window"):
            if getattr(options, name) < 1 or getattr(options, name) % 2 == 0:
                raise UsageError(f"nlm: {name} cannot be {getattr(options, name)}.", "It is odd: 3, 5, 7 ...")
        if options.strength < 0:
            raise UsageError(f"nlm: strength cannot be {options.strength}.", "It is 0 or more.")
        return replace(options, sigma=known_sigma(options.sigma, noisy, "nlm"))

    def denoise(self, noisy: Tensor, options: Options) -> Tensor:
        """The estimate in [0, 1]: (N, C, H, W), C at most 4; a level that is not given is measured on each image."""
        if options.sigma is None:
            return torch.cat([self.denoise(image[None], self.settle(image[None], options)) for image in noisy])
        opencv = load_opencv()
        sigma = on_unit(options.sigma)
        if sigma < _LEAST_SIGMA:
            return noisy.clamp(0, 1)
        estimates = []
        for image in noisy.clamp(0, 1).mul(255).round().byte().cpu():
            pixels = image.permute(1, 2, 0).contiguous().numpy()
            filtered = opencv.fastNlMeansDenoising(
                pixels, None, 255 * sigma * options.strength, options.patch, options.window
            )
            estimates.append(torch.from_numpy(filtered).reshape(pixels.shape).permute(2, 0, 1))
        return torch.stack(estimates).to(noisy.device).float().div(255)

    def reach(self, options: Options) -> int:
        """Half the window searched, and half a neighbourhood."""
        return options.window // 2 + options.patch // 2


METHOD = Method(
    make=NonLocalMeans,
    config=Config(),
    options=Options(),
    summary="mean of the pixels around whose neighbourhoods look alike",
    paper="Buades, Coll, Morel: A Non-Local Algorithm for Image Denoising, CVPR 2005",
)
