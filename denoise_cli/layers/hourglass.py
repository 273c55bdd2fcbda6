"""The net of the deep image prior: down and up again in scales, with a few channels that skip each.

Dmitry Ulyanov, Andrea Vedaldi, Victor Lempitsky, "Deep Image Prior", CVPR 2018, supplementary material.
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from denoise_cli.layers.side_by_side import joined_by_net


@dataclass(frozen=True)
class Maker:
    """Makes the layers of so many ``nets`` side by side, all of one kind, which may share what goes in."""

    border: str = "reflect"  # or zeros: what convolutions see around the image
    nets: int = 1
    shared: bool = False

    def convolution(self, taken: int, given: int, side: int, stride: int = 1) -> list[nn.Module]:
        """From ``taken`` to ``given`` channels, with its norm and its activation."""
        return [self.window(taken, given, side, stride), self.norm(given), nn.LeakyReLU(0.2, inplace=True)]

    def window(self, taken: int, given: int, side: int, stride: int = 1) -> nn.Conv2d:
        """A bare convolution with windows of ``side`` x ``side`` pixels."""
        mirrored = self.border == "reflect" and side > 1  # a border of no pixels would be a copy of the image
        mode: Literal["reflect", "zeros"] = "reflect" if mirrored else "zeros"
        groups = 1 if self.shared else self.nets
        channels = groups * taken, self.nets * given
        return nn.Conv2d(*channels, side, stride, side // 2, groups=groups, padding_mode=mode)

    def norm(self, channels: int) -> nn.Module:
        """By the statistics of each image."""
        return nn.BatchNorm2d(self.nets * channels, track_running_stats=False)


class Hourglass(nn.Module):
    """One scale and those below it: (N, C, H, W) to (N, width, H, W), for H and W that are multiples of 2^depth.

    Of several nets side by side: (N, nets C, H, W), or the (N, C, H, W) that they share, to (N, nets width, H, W).
    """

    def __init__(self, make: Maker, channels: int, width: int, skip: int, depth: int) -> None:
        """``skip`` channels skip each of ``depth`` scales; 0: none do, as in a plain autoencoder."""
        super().__init__()
        deep = Maker(make.border, make.nets)
        self.nets = make.nets
        self.skip = nn.Sequential(*make.convolution(channels, skip, 1)) if skip else None
        self.down = nn.Sequential(*make.convolution(channels, width, 3, 2), *deep.convolution(width, width, 3))
        self.deeper = Hourglass(deep, width, width, skip, depth - 1) if depth > 1 else nn.Identity()
        self.join = nn.Sequential(
            deep.norm(width + skip), *deep.convolution(width + skip, width, 3), *deep.convolution(width, width, 1)
        )

    def forward(self, image: Tensor) -> Tensor:
        """All channels of this scale."""
        deep = functional.interpolate(self.deeper(self.down(image)), scale_factor=2, mode="bilinear")
        return self.join(deep if self.skip is None else joined_by_net((self.skip(image), deep), self.nets))  # type: ignore[no-any-return]
