"""CBDNet: one net estimates the noise level at every pixel, a U-Net removes noise of that level.

Shi Guo, Zifei Yan, Kai Zhang, Wangmeng Zuo, Lei Zhang, "Toward Convolutional Blind Denoising of Real Photographs", CVPR
2019. With average pools and a 1x1 last convolution, as in the public PyTorch version.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn

from denoise_cli import losses
from denoise_cli.errors import UsageError
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
    """What can be turned at run time; the level itself is estimated."""

    gamma: float = 1.0  # times the estimated level: above 1 for a smoother image, below 1 for more detail (section 3.2)


@dataclass(frozen=True)
class Asymmetric(Recipe):
    """The recipe's loss, and two that are for the noise level (equations 6 to 8)."""

    bounds: ClassVar[dict[str, Bounds]] = Recipe.bounds | {
        "alpha": Bounds(0, 1),
        "asymmetric": Bounds(0),
        "variation": Bounds(0),
        "told": Bounds(0, 1),
    }

    alpha: float = 0.3  # the asymmetric loss weighs levels too high by it, levels too low by 1 - alpha
    asymmetric: float = 0.5  # weight of that loss
    variation: float = 0.05  # weight of the total variation of the level
    told: float = 0.0  # share of the images whose true level the U-Net is told, so that it heeds it; the paper: none


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
        for last in (self.estimator[-2], self.leave[-1]):  # at first there is no noise, and nothing is removed
            assert isinstance(last, nn.Conv2d)
            nn.init.normal_(last.weight, std=1e-3)
            assert last.bias is not None
            nn.init.zeros_(last.bias)

    def forward(self, noisy: Tensor, gamma: float = 1.0) -> tuple[Tensor, Tensor]:
        """The estimate, not clipped, and the noise level: both (N, C, H, W), H and W multiples of 4."""
        level = self.level(noisy).relu()
        return self.remove(noisy, gamma * level), level

    def level(self, noisy: Tensor) -> Tensor:
        """What the estimator says of (N, C, H, W) before its last ReLU: below 0 counts as no noise."""
        level: Tensor = self.estimator[:-1](noisy)
        return level

    def remove(self, noisy: Tensor, level: Tensor) -> Tensor:
        """The U-Net's estimate, not clipped, where the noise has that ``level``: all (N, C, H, W)."""
        full = self.enter(torch.cat((noisy, level.to(noisy.dtype)), dim=1))
        half = self.at_half(full)
        half = self.joined_half(self.rise_to_half(self.at_quarter(half)) + half)
        estimate: Tensor = noisy + self.leave(self.rise_to_full(half) + full)
        return estimate

    def settle(self, noisy: Tensor, options: Options) -> Options:
        """Nothing is left open: the level is estimated pixel by pixel. Raises ``UsageError`` for a gamma below 0."""
        if not 0 <= options.gamma < inf:
            raise UsageError(f"cbdnet cannot multiply the noise level by {options.gamma:g}.", "Give a gamma from 0 up.")
        return options

    def denoise(self, noisy: Tensor, options: Options) -> Tensor:
        """The estimate in [0, 1]: (N, C, H, W) from noisy images of that shape."""
        estimate: Tensor = self(noisy, options.gamma)[0]
        return estimate.clamp(0, 1)

    def reach(self, options: Options) -> int:
        """Along the way over the estimator and the quarter size, which is the longest."""
        down = (self.estimator, self.enter, self.at_half, self.at_quarter)
        up = (self.rise_to_half, self.joined_half, self.rise_to_full, self.leave)
        return reach_of(*down, *up, stride=self.stride)

    def loss(self, pair: Pair, recipe: Asymmetric, generator: Generator) -> Tensor:
        """``L_rec + w_asym L_asym + w_tv L_tv`` (equation 8); the level to be estimated is ``pair.sigma``.

        ``L_asym`` is that of the level before the last ReLU: behind it, an estimator that says 0 everywhere would never
        learn again. Pairs that came as files have no level that is known, so that it is left out, as for real
        photographs.
        """
        raw = self.level(pair.noisy)
        level = raw.relu()
        known = recipe.noise != PAIRS
        given = level
        if known and recipe.told:
            told = torch.rand((len(level), 1, 1, 1), generator=generator, device=generator.device) < recipe.told
            given = torch.where(told.to(level.device), pair.sigma.to(level.dtype).expand_as(level), level)
        total = losses.find(recipe.loss)(self.remove(pair.noisy, given), pair.clean)
        if known:
            total = total + recipe.asymmetric * asymmetric(raw, pair.sigma.expand_as(raw), recipe.alpha)
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
    recipe=Asymmetric(
        noise="camera:0..0.16+0..0.06+60..100", patch=128, batch=32, steps=100_000, rate=1e-3, loss="mse"
    ),
)
