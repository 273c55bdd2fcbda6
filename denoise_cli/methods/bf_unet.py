"""A small U-Net without any additive constant: one halving, dilated convolutions below it.

Sreyas Mohan, Zahra Kadkhodaie, Eero P. Simoncelli, Carlos Fernandez-Granda, "Robust and Interpretable Blind Image
Denoising via Bias-Free Convolutional Neural Networks", ICLR 2020, appendix; the net without its bias-free form is of
Xiaoshuai Zhang, Yiping Lu, Jiaying Liu, Bin Dong, "Dynamically Unfolding Recurrent Restorer", ICLR 2019.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from denoise_cli import losses
from denoise_cli.layers.bias_free import conv
from denoise_cli.layers.identity import start_near_identity
from denoise_cli.layers.reach import reach_of
from denoise_cli.method import Method, Recipe
from denoise_cli.noise import Pair


@dataclass(frozen=True)
class Config:
    """The shape of the net."""

    channels: int = 1  # 1 gray, 3 colour
    features: int = 32  # at full size; twice as many below
    bias: bool = False  # True: the twin with its constants (the last convolution has none either way)


@dataclass(frozen=True)
class Options:
    """Nothing to turn at run time."""


class BiasFreeUNet(nn.Module):
    """The image directly, not the noise; 233,024 weights for gray at the published size, its biased twin 233,440."""

    stride = 2

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.channels = config.channels
        wide, bias = 2 * config.features, config.bias
        self.above = nn.Sequential(
            start_near_identity(conv(config.channels, config.features, kernel=5, bias=bias)),
            nn.ReLU(inplace=True),
            start_near_identity(conv(config.features, config.features, bias=bias)),
            nn.ReLU(inplace=True),
        )
        raise_ = nn.ConvTranspose2d(wide, wide, 4, stride=2, padding=1, bias=bias)
        self.below = nn.Sequential(
            conv(config.features, wide, stride=2, bias=bias),
            nn.ReLU(inplace=True),
            conv(wide, wide, bias=bias),
            nn.ReLU(inplace=True),
            conv(wide, wide, dilation=2, bias=bias),
            nn.ReLU(inplace=True),
            conv(wide, wide, dilation=4, bias=bias),
            nn.ReLU(inplace=True),
            raise_,
            nn.ReLU(inplace=True),
        )
        nn.init.normal_(raise_.weight, std=(2 / (4 * wide)) ** 0.5)  # 4 of its 16 taps meet in each output pixel
        if raise_.bias is not None:
            nn.init.zeros_(raise_.bias)
        self.joined = nn.Sequential(
            start_near_identity(conv(config.features + wide, config.features, bias=bias)),
            nn.ReLU(inplace=True),
            start_near_identity(conv(config.features, config.channels, kernel=5, bias=False)),
        )

    def forward(self, noisy: Tensor) -> Tensor:
        """The estimate, not clipped: (N, C, H, W), H and W even, from noisy images of that shape."""
        kept = self.above(noisy)
        return self.joined(torch.cat((kept, self.below(kept)), dim=1))  # type: ignore[no-any-return]

    def settle(self, noisy: Tensor, options: Options) -> Options:
        """Nothing is left open: the net is blind."""
        return options

    def denoise(self, noisy: Tensor, options: Options) -> Tensor:
        """The estimate in [0, 1]: (N, C, H, W) from noisy images of that shape."""
        return self(noisy).clamp(0, 1)  # type: ignore[no-any-return]

    def reach(self, options: Options) -> int:
        """23 pixels: the way through the lower half is the longest."""
        return reach_of(self.above, self.below, self.joined, stride=self.stride)

    def loss(self, pair: Pair, recipe: Recipe, generator: Generator) -> Tensor:
        """The recipe's loss between estimate and clean images."""
        return losses.find(recipe.loss)(self(pair.noisy), pair.clean)


METHOD = Method(
    make=BiasFreeUNet,
    config=Config(),
    options=Options(),
    summary="small U-Net without additive constants",
    paper="Mohan, Kadkhodaie, Simoncelli, Fernandez-Granda: Robust and Interpretable Blind Image Denoising, ICLR 2020",
    recipe=Recipe(noise="gaussian:0..55", patch=50, batch=128, steps=100_000, loss="mse"),
)
