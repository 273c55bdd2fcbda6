"""DnCNN: a plain deep net that predicts the noise, which is then subtracted.

Kai Zhang, Wangmeng Zuo, Yunjin Chen, Deyu Meng, Lei Zhang, "Beyond a Gaussian Denoiser: Residual Learning of Deep CNN
for Image Denoising", IEEE Transactions on Image Processing, 2017.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from denoise_cli import losses
from denoise_cli.layers.folding import forward_folded
from denoise_cli.layers.rounding import as_convolved
from denoise_cli.method import Method, Recipe
from denoise_cli.noise import Pair

_MOST = 0.025  # largest scale of a batch normalisation at the start


@dataclass(frozen=True)
class Config:
    """The shape of the net."""

    channels: int = 3  # 1 gray, 3 colour
    depth: int = 20  # convolutions: 17 for one sigma, 20 for blind (III-D)
    features: int = 64
    batch_norm: bool = True


@dataclass(frozen=True)
class Options:
    """Nothing to turn at run time."""


class DnCNN(nn.Module):
    """``x = y - net(y)``; 669,312 weights for colour at depth 20 with batch normalisation."""

    stride = 1

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.channels = config.channels
        self.depth = config.depth
        width = config.features
        bias = not config.batch_norm
        layers: list[nn.Module] = [_conv(config.channels, width, bias), nn.ReLU(inplace=True)]
        for _ in range(config.depth - 2):
            layers.append(_conv(width, width, bias))
            if config.batch_norm:
                layers.append(_batch_norm(width))
            layers.append(nn.ReLU(inplace=True))
        last = _conv(width, config.channels, bias)
        nn.init.normal_(last.weight, std=1e-3)
        layers.append(last)
        self.layers = nn.Sequential(*layers)

    def forward(self, noisy: Tensor) -> Tensor:
        """The estimate, not clipped: (N, C, H, W) from noisy images of that shape."""
        seen = as_convolved(noisy)
        return seen - forward_folded(self.layers, seen)

    def settle(self, noisy: Tensor, options: Options) -> Options:
        """Nothing is left open: the net is blind."""
        return options

    def denoise(self, noisy: Tensor, options: Options) -> Tensor:
        """The estimate in [0, 1]: (N, C, H, W) from noisy images of that shape."""
        return self(noisy).clamp(0, 1)  # type: ignore[no-any-return]

    def reach(self, options: Options) -> int:
        """One pixel for each 3x3 convolution."""
        return self.depth

    def loss(self, pair: Pair, recipe: Recipe, generator: Generator) -> Tensor:
        """The recipe's loss between estimate and clean images."""
        return losses.find(recipe.loss)(self(pair.noisy), pair.clean)


def _conv(inputs: int, outputs: int, bias: bool) -> nn.Conv2d:
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    if conv.bias is not None:
        torch.nn.init.zeros_(conv.bias)
    return conv


def _batch_norm(width: int) -> nn.BatchNorm2d:
    """With small scales: at 1 the net predicts no noise at all for hundreds of steps, and learns late.

    The distribution is that of the bias-free and of other PyTorch versions of this net.
    """
    norm = nn.BatchNorm2d(width)
    spread = (2 / (9 * width)) ** 0.5
    nn.init.normal_(norm.weight, std=spread)
    norm.weight.data.clamp_(-_MOST, _MOST)
    return norm


METHOD = Method(
    make=DnCNN,
    config=Config(),
    options=Options(),
    summary="plain deep net that predicts the noise; blind over its level",
    paper="Zhang, Zuo, Chen, Meng, Zhang: Beyond a Gaussian Denoiser, IEEE TIP 2017",
    recipe=Recipe(noise="gaussian:0..55", patch=50, batch=64, steps=100_000),
)
