"""CBDNet: one net estimates the noise level at every pixel, a U-Net removes noise of that level.

Shi Guo, Zifei Yan, Kai Zhang, Wangmeng Zuo, Lei Zhang, "Toward Convolutional Blind Denoising of Real Photographs", CVPR
2019. With average pools and a 1x1 last convolution, as in the public PyTorch version.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn

from denoise_cli import losses
from denoise_cli.fields import Bounds
from denoise_cli.layers.reach import reach_of
from denoise_cli.method import PAIRS, Method, Recipe
from denoise_cli.noise import Pair


@dataclass(frozen=True)
class Config:
    """The shape of the net."""

    channels: int = 3  # 1 gray, 3 colour
    estimator: int = 32  # features of the net that estimates the noise
    features: int = 64  # of the U-Net at full size; twice and four times as many below


@dataclass(frozen=True)
class Options:
    """Nothing to turn at run time: the level is estimated."""


@dataclass(frozen=True)
class Asymmetric(Recipe):
    """The recipe's loss, and two that are for the noise level (equations 6 to 8)."""

    bounds: ClassVar[dict[str, Bounds]] = Recipe.bounds | {
        "alpha": Bounds(0, 1),
        "asymmetric": Bounds(0),
        "variation": Bounds(0),
    }

    alpha: float = 0.3  # the asymmetric loss weighs levels too high by it, levels too low by 1 - alpha
    asymmetric: float = 0.5  # weight of that loss
    variation: float = 0.05  # weight of the total variation of the level


class CBDNet(nn.Module):
    """``x = y + net(y, level(y))``; 4,365,382 weights: 29,507 for the level, 4,335,875 for the U-Net."""

    stride = 4

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.channels = channels = config.channels
        small, width = config.estimator, config.features
        self.estimator = _convs(channels, small, small, small, small, channels)
        self.enter = _convs(2 * channels, width, width)
        self.at_half = nn.Sequential(nn.AvgPool2d(2), *_convs(width, *[2 * width] * 3))
        self.at_quarter = nn.Sequential(nn.AvgPool2d(2), *_convs(2 * width, *[4 * width] * 6))
        self.rise_to_half = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.joined_half = _convs(*[2 * width] * 4)
        self.rise_to_full = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.leave = nn.Sequential(*_convs(*[width] * 3), nn.Conv2d(width, channels, 1))

    def forward(self, noisy: Tensor) -> tuple[Tensor, Tensor]:
        """The estimate, not clipped, and the noise level: both (N, C, H, W), H and W multiples of 4."""
        level = self.estimator(noisy)
        full = self.enter(torch.cat((noisy, level.to(noisy.dtype)), dim=1))
        half = self.at_half(full)
        half = self.joined_half(self.rise_to_half(self.at_quarter(half)) + half)
        return noisy + self.leave(self.rise_to_full(half) + full), level

    def settle(self, noisy: Tensor, options: Options) -> Options:
        """Nothing is left open: the level is estimated pixel by pixel."""
        return options

    def denoise(self, noisy: Tensor, options: Options) -> Tensor:
        """The estimate in [0, 1]: (N, C, H, W) from noisy images of that shape."""
        estimate: Tensor = self(noisy)[0]
        return estimate.clamp(0, 1)

    def reach(self, options: Options) -> int:
        """Along the way over the estimator and the quarter size, which is the longest."""
        down = (self.estimator, self.enter, self.at_half, self.at_quarter)
        up = (self.rise_to_half, self.joined_half, self.rise_to_full, self.leave)
        return reach_of(*down, *up, stride=self.stride)

    def loss(self, pair: Pair, recipe: Asymmetric, generator: Generator) -> Tensor:
        """``L_rec + w_asym L_asym + w_tv L_tv`` (equation 8); the level to be estimated is ``pair.sigma``.

        Pairs that came as files have no level that is known, so that ``L_asym`` is left out, as for real photographs.
        """
        estimate, level = self(pair.noisy)
        total = losses.find(recipe.loss)(estimate, pair.clean)
        if recipe.noise != PAIRS:
            total = total + recipe.asymmetric * asymmetric(level, pair.sigma.expand_as(level), recipe.alpha)
        return total + recipe.variation * total_variation(level)


def asymmetric(level: Tensor, sigma: Tensor, alpha: float) -> Tensor:
    """``mean |alpha - [level < sigma]| (level - sigma)^2`` (equation 6), of noise levels of one shape.

    Levels too low weigh more: a denoiser that expects too little noise leaves it in.
    """
    weight = (alpha - (level < sigma).to(level.dtype)).abs()
    return (weight * (level - sigma).square()).mean()


def total_variation(level: Tensor) -> Tensor:
    """Mean squared difference of neighbours across, plus down (equation 7), of (N, C, H, W), not 1x1."""
    down, across = level.diff(dim=2), level.diff(dim=3)
    return down.square().mean() + across.square().mean()


def _convs(*widths: int) -> nn.Sequential:
    """3x3 convolutions from each width to the next, a ReLU after each."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        assert conv.bias is not None
        nn.init.zeros_(conv.bias)
        layers += [conv, nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


METHOD = Method(
    make=CBDNet,
    config=Config(),
    options=Options(),
    summary="estimates the noise level at every pixel, then removes it; for real photographs",
    paper="Guo, Yan, Zhang, Zuo, Zhang: Toward Convolutional Blind Denoising of Real Photographs, CVPR 2019",
    recipe=Asymmetric(noise="camera:0..0.16+0..0.06+60..100", patch=128, batch=32, steps=100_000, loss="mse"),
)
