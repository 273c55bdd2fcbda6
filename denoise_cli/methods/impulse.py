"""Training-free removal of salt and pepper: find the impulses, fill them by normalised convolution of the rest.

The filling is that of Hans Knutsson, Carl-Fredrik Westin, "Normalized and Differential Convolution", CVPR 1993.
"""

from dataclasses import dataclass, replace

from torch import Tensor

from denoise_cli.layers.impulses import FILL_RADIUS, FIND_RADIUS, fill, find_impulses, impulse_share
from denoise_cli.method import Method


@dataclass(frozen=True)
class Config:
    """Nothing to build."""


@dataclass(frozen=True)
class Options:
    """What to take for granted."""

    share: float | None = None  # share of impulses among the pixels; measured where it is not given


class Impulse:
    """Pixels that are no impulses come out as they went in."""

    stride = 1
    channels = None

    def __init__(self, config: Config) -> None:
        pass

    def settle(self, noisy: Tensor, options: Options) -> Options:
        """The share of impulses measured on the whole image (1, C, H, W), unless given."""
        return options if options.share is not None else replace(options, share=impulse_share(noisy).mean().item())

    def denoise(self, noisy: Tensor, options: Options) -> Tensor:
        """The estimate in [0, 1]: (N, C, H, W) from noisy images of that shape."""
        share = impulse_share(noisy) if options.share is None else options.share
        return fill(noisy, ~find_impulses(noisy, share)).clamp(0, 1)

    def reach(self, options: Options) -> int:
        """The widest window of the filling, from a pixel whose being an impulse depends on its own window."""
        return FILL_RADIUS + FIND_RADIUS


METHOD = Method(
    make=Impulse,
    config=Config(),
    options=Options(),
    summary="finds salt and pepper and fills it from the pixels around; needs no training",
    paper="Knutsson, Westin: Normalized and Differential Convolution, CVPR 1993",
)
