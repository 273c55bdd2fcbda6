"""Training-free removal of salt and pepper: find the impulses, fill them by normalised convolution of the rest.

The filling is that of Hans Knutsson, Carl-Fredrik Westin, "Normalized and Differential Convolution", CVPR 1993.
"""

from dataclasses import dataclass, replace

from torch import Tensor

from denoise_cli.layers.impulses import (
    FILL_RADIUS,
    FIND_RADIUS,
    apart_share,
    fill,
    find_impulses,
    impulse_share,
    known_share,
)
from denoise_cli.layers.local import locally
from denoise_cli.method import Method
from denoise_cli.shapes import stacked, to_channels


@dataclass(frozen=True)
class Config:
    """Nothing to build."""


@dataclass(frozen=True)
class Options:
    """What to take for granted."""

    share: float | None = None  # share of impulses among the pixels; measured where it is not given
    apart: bool | None = None  # whether each channel has impulses of its own; measured where it is not given


class Impulse:
    """Pixels that are no impulses come out as they went in."""

    stride = 1
    channels = None

    def __init__(self, config: Config) -> None:
        pass

    def settle(self, noisy: Tensor, options: Options) -> Options:
        """What is not given is measured on the whole image (1, C, H, W); raises ``UsageError`` for a wrong share."""
        apart = _come_apart(noisy) if options.apart is None else options.apart
        share = known_share(options.share, to_channels(noisy, 1) if apart else noisy, "impulse")
        return replace(options, apart=apart, share=share)

    def denoise(self, noisy: Tensor, options: Options) -> Tensor:
        """The estimate in [0, 1]: (N, C, H, W) from noisy images of that shape."""
        return locally(_filled, self.reach(options), noisy, options)

    def reach(self, options: Options) -> int:
        """The widest window of the filling, from a pixel whose being an impulse depends on its own window."""
        return FILL_RADIUS + FIND_RADIUS


def _filled(noisy: Tensor, options: Options) -> Tensor:
    images = to_channels(noisy, 1) if options.apart else noisy
    share = impulse_share(images) if options.share is None else options.share
    return fill(images, ~find_impulses(images, share)).clamp(0, 1).reshape(noisy.shape)


def _come_apart(noisy: Tensor) -> bool:
    """Whether the channels of images (N, C, H, W) have impulses of their own."""
    return noisy.shape[1] > 1 and bool(apart_share(noisy, stacked(noisy)).any())


METHOD = Method(
    make=Impulse,
    config=Config(),
    options=Options(),
    summary="finds salt and pepper and fills it from the pixels around; needs no training",
    paper="Knutsson, Westin: Normalized and Differential Convolution, CVPR 1993",
)
