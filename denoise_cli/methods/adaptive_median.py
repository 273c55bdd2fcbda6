"""The adaptive median filter: the window grows until its median is no impulse, and what is no impulse stays.

H. Hwang, R. A. Haddad, "Adaptive Median Filters: New Algorithms and Results", IEEE Transactions on Image Processing,
1995 (algorithm RAMF).
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from denoise_cli.errors import UsageError
from denoise_cli.method import Method

_AT_ONCE = 1 << 24  # values gathered at a time


@dataclass(frozen=True)
class Config:
    """Nothing to build."""


@dataclass(frozen=True)
class Options:
    """What can be turned at run time."""

    window: int = 15  # side of the largest window, odd, pixels


class AdaptiveMedian:
    """Channel by channel; borders are mirrored, and an image smaller than the window is continued by its edge."""

    stride = 1
    channels = None

    def __init__(self, config: Config) -> None:
        pass

    def settle(self, noisy: Tensor, options: Options) -> Options:
        """Checks the window; raises ``UsageError`` where it is even or below 3."""
        if options.window < 3 or options.window % 2 == 0:
            raise UsageError(f"adaptive-median: window cannot be {options.window}.", "It is odd: 3, 5, 7 ...")
        return options

    def denoise(self, noisy: Tensor, options: Options) -> Tensor:
        """The estimate in [0, 1]: (N, C, H, W) from noisy images of that shape."""
        radius = options.window // 2
        mode = "reflect" if min(noisy.shape[-2:]) > radius else "replicate"
        padded = functional.pad(noisy, (radius,) * 4, mode=mode)
        line = padded.shape[-1]
        places = torch.arange(padded[0, 0].numel(), device=noisy.device).view(padded.shape[-2:])
        places = places[radius:-radius, radius:-radius]
        planes = torch.arange(noisy.shape[0] * noisy.shape[1], device=noisy.device) * padded[0, 0].numel()
        values, estimate = padded.flatten(), noisy.flatten().clone()
        centres = (planes[:, None, None] + places).flatten()
        undecided = torch.arange(len(centres), device=noisy.device)
        for side in range(3, options.window + 1, 2):
            offsets = torch.arange(side, device=noisy.device) - side // 2
            around = (offsets[:, None] * line + offsets).flatten()
            growing = []
            for some in torch.split(undecided, _AT_ONCE // side**2):
                windows = values[centres[some, None] + around]
                least, greatest = windows.aminmax(dim=1)
                median = windows.median(dim=1).values
                own = values[centres[some]]
                settled = (least < median) & (median < greatest)
                kept = settled & (least < own) & (own < greatest)
                estimate[some] = torch.where(kept, own, median)
                growing.append(some[~settled])
            undecided = torch.cat(growing)
            if not len(undecided):
                break
        return estimate.view_as(noisy).clamp(0, 1)

    def reach(self, options: Options) -> int:
        """Half the largest window."""
        return options.window // 2


METHOD = Method(
    make=AdaptiveMedian,
    config=Config(),
    options=Options(),
    summary="median of a window that grows until it holds more than impulses",
    paper="Hwang, Haddad: Adaptive Median Filters: New Algorithms and Results, IEEE TIP 1995",
)
