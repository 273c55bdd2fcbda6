"""Inpainting: salt and pepper are found, and painted over from the pixels around by a marching front or by a flow.

Alexandru Telea, "An Image Inpainting Technique Based on the Fast Marching Method", Journal of Graphics Tools, 2004;
Marcelo Bertalmio, Andrea Bertozzi, Guillermo Sapiro, "Navier-Stokes, Fluid Dynamics, and Image and Video Inpainting",
CVPR 2001. Both are OpenCV's.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from denoise_cli.errors import UsageError, did_you_mean
from denoise_cli.image import load_opencv
from denoise_cli.layers.impulses import find_impulses, impulse_share
from denoise_cli.method import Method

_SCHEMES = ("telea", "navier-stokes")
_DEEPEST = 65535  # OpenCV paints in 16 bits; in floating point its marching front is wrong on [0, 1]


@dataclass(frozen=True)
class Config:
    """Nothing to build."""


@dataclass(frozen=True)
class Options:
    """What can be turned at run time."""

    scheme: str = "telea"  # or navier-stokes
    radius: int = 3  # pixels around that count
    share: float | None = None  # share of impulses among the pixels; measured where it is not given


class Inpaint:
    """Pixels that are no impulses come out as they went in; an image of impulses alone comes out gray."""

    stride = 1
    channels = None

    def __init__(self, config: Config) -> None:
        pass

    def settle(self, noisy: Tensor, options: Options) -> Options:
        """The share of impulses measured on the whole image (1, C, H, W), unless given; raises ``UsageError``."""
        if options.scheme not in _SCHEMES:
            raise UsageError(f"inpaint: there is no scheme {options.scheme!r}.", did_you_mean(options.scheme, _SCHEMES))
        if options.radius < 1:
            raise UsageError(f"inpaint: radius cannot be {options.radius}.", "It is 1 or more.")
        if options.share is not None and not 0 <= options.share < 1:
            raise UsageError(f"inpaint: share cannot be {options.share}.", "It is a share from 0 to below 1.")
        return replace(options, share=impulse_share(noisy).mean().item() if options.share is None else options.share)

    def denoise(self, noisy: Tensor, options: Options) -> Tensor:
        """The estimate in [0, 1]: (N, C, H, W) from noisy images of that shape."""
        opencv = load_opencv()
        scheme = opencv.INPAINT_TELEA if options.scheme == "telea" else opencv.INPAINT_NS
        share = impulse_share(noisy) if options.share is None else options.share
        estimates = noisy.clamp(0, 1).cpu().float()
        for image, found in zip(estimates, find_impulses(noisy, share), strict=True):
            holes = found[0].cpu()
            if holes.all():
                image.fill_(0.5)
            elif holes.any():
                for plane in image:
                    pixels = plane.mul(_DEEPEST).round().numpy().astype(np.uint16)
                    painted = opencv.inpaint(pixels, holes.byte().numpy(), options.radius, scheme)
                    plane[holes] = torch.from_numpy(painted.astype(np.float32) / _DEEPEST)[holes]
        return estimates.to(noisy.device)

    def reach(self, options: Options) -> None:
        """The whole image: what was painted is painted on."""


METHOD = Method(
    make=Inpaint,
    config=Config(),
    options=Options(),
    summary="finds salt and pepper and paints it over from the pixels around",
    paper="Telea: An Image Inpainting Technique Based on the Fast Marching Method, Journal of Graphics Tools 2004",
)
