"""The convolutions, residual blocks and head that the deep-thinking net and its untied twin share.

Raman et al. (see ``methods.dt``); block and head as in Schwarzschild et al., "Can You Learn an Algorithm?
Generalizing from Easy to Hard Problems with Recurrent Networks", NeurIPS 2021, section 3.
"""

from torch import Tensor, nn


def conv3x3(inputs: int, outputs: int, spacing: int = 1) -> nn.Conv2d:
    """A convolution of 3x3 pixels, ``spacing`` apart, with zero padding and no bias.

    (N, inputs, H, W) to (N, outputs, H, W).
    """
    return nn.Conv2d(inputs, outputs, 3, padding=spacing, dilation=spacing, bias=False)


class ResidualBlock(nn.Module):
    """``ReLU(conv(ReLU(conv(z))) + z)``, with no normalisation: (N, width, H, W) to the same."""

    def __init__(self, width: int, spacing: int = 1) -> None:
        super().__init__()
        self.first = conv3x3(width, width, spacing)
        self.second = conv3x3(width, width, spacing)

    def forward(self, state: Tensor) -> Tensor:
        inner = self.first(state).relu_()
        return (self.second(inner) + state).relu_()  # type: ignore[no-any-return]


def head(width: int, channels: int, narrow: int = 8) -> nn.Sequential:
    """From a thought (N, width, H, W) to an image (N, channels, H, W): width - 32 - narrow - channels."""
    last = conv3x3(narrow, channels)
    nn.init.normal_(last.weight, std=1e-2)  # a small first answer: runs that start far off collapse for some seeds
    return nn.Sequential(conv3x3(width, 32), nn.ReLU(inplace=True), conv3x3(32, narrow), nn.ReLU(inplace=True), last)
