"""The median of a square window, channel by channel.

J. W. Tukey, "Exploratory Data Analysis", Addison-Wesley, 1977 (running medians), in two dimensions.
"""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from denoise_cli.errors import UsageError
from denoise_cli.layers.local import locally
from denoise_cli.layers.median import MedianLayer
from denoise_cli.method import Method

_NETWORK = 9  # side up to which exchanges of two are faster than a selection in each window


@dataclass(frozen=True)
class Config:
    """Nothing to build."""


@dataclass(frozen=True)
class Options:
    """What can be turned at run time."""

    window: int = 3  # side of the window, odd, pixels


class Median:
    """Borders are mirrored; an image smaller than the window is continued by its edge."""

    stride = 1
    channels = None

    def __init__(self, config: Config) -> None:
        pass

    def settle(self, noisy: Tensor, options: Options) -> Options:
        """Checks the window; raises ``UsageError`` where it is even or not positive."""
        if options.window < 1 or options.window % 2 == 0:
            raise UsageError(f"The median has no window of {options.window} pixels.", "It is odd: 3, 5, 7 ...")
        return options

    def denoise(self, noisy: Tensor, options: Options) -> Tensor:
        """The estimate in [0, 1]: (N, C, H, W) from noisy images of that shape."""
        return locally(_medians, options.window // 2, noisy, options.window)

    def reach(self, options: Options) -> int:
        """Half the window."""
        return options.window // 2


def _medians(noisy: Tensor, side: int) -> Tensor:
    if side <= _NETWORK:
        return MedianLayer(side)(noisy).clamp(0, 1)  # type: ignore[no-any-return]
    radius = side // 2
    mode = "reflect" if min(noisy.shape[-2:]) > radius else "replicate"
    padded = functional.pad(noisy, (radius,) * 4, mode=mode)
    windows = padded.unfold(2, side, 1).unfold(3, side, 1).flatten(4)  # (N, C, H, W, side * side)
    return windows.median(dim=4).values.clamp(0, 1)


METHOD = Method(
    make=Median,
    config=Config(),
    options=Options(),
    summary="median of a window, channel by channel",
    paper="Tukey: Exploratory Data Analysis, Addison-Wesley 1977",
)
