"""The deep-thinking net without weight sharing: five residual stages of their own, one shared recall convolution.

The "CNN baseline" of Naveen Raman, Andrew Mao, Vatsal Agarwal, Aman Jaiman, "Using Recurrent Architectures to
Generalize From Easy to Hard Problems in Image Denoising" (Table 1).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn

from denoise_cli import losses
from denoise_cli.fields import Bounds
from denoise_cli.layers.residual import ResidualBlock, conv3x3, head
from denoise_cli.losses.sequence import similarity
from denoise_cli.method import Method, Recipe
from denoise_cli.noise import Pair


@dataclass(frozen=True)
class Config:
    """The shape of the net."""

    channels: int = 3
    width: int = 20
    stages: int = 5
    blocks: int = 2  # residual blocks a stage


@dataclass(frozen=True)
class Options:
    """Nothing to turn at run time: the number of stages is part of the net."""


@dataclass(frozen=True)
class Progressive(Recipe):
    """How the net is trained: part on all of it, part on a few stages that continue others (equation 4)."""

    own_losses: ClassVar[tuple[str, ...]] = ("similarity",)
    bounds: ClassVar[dict[str, Bounds]] = Recipe.bounds | {"alpha": Bounds(0, 1), "gamma": Bounds(0)}

    alpha: float = 0.0  # weight of the progressive loss; the paper tries 0, 0.5, 1
    gamma: float = 0.8  # of the loss `similarity`: a stage weighs so many times what the one before does


class FeedForward(nn.Module):
    """Projection, stages, head; 84,960 weights at the published size."""

    stride = 1

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.channels = config.channels
        self.depth = 1 + config.stages * (1 + 2 * config.blocks) + 3
        self.projection = conv3x3(config.channels, config.width)
        self.recall = conv3x3(config.width + config.channels, config.width)
        self.stages = nn.ModuleList(
            nn.Sequential(*(ResidualBlock(config.width) for _ in range(config.blocks))) for _ in range(config.stages)
        )
        self.head = head(config.width, config.channels)

    def forward(self, noisy: Tensor) -> Tensor:
        """The estimate, not clipped: (N, C, H, W) from noisy images of that shape."""
        *_, thought = self.thoughts(noisy)
        return self.head(thought)  # type: ignore[no-any-return]

    def thoughts(self, noisy: Tensor) -> Iterator[Tensor]:
        """What each stage makes of noisy images (N, C, H, W), one after the other: (N, width, H, W)."""
        thought = self.projection(noisy).relu_()
        for stage in self.stages:
            thought = stage(self.recall(torch.cat((thought, noisy.to(thought.dtype)), dim=1)))
            yield thought

    def settle(self, noisy: Tensor, options: Options) -> Options:
        """Nothing is left open."""
        return options

    def denoise(self, noisy: Tensor, options: Options) -> Tensor:
        """The estimate in [0, 1]: (N, C, H, W) from noisy images of that shape."""
        return self(noisy).clamp(0, 1)  # type: ignore[no-any-return]

    def reach(self, options: Options) -> int:
        """One pixel for each 3x3 convolution on the longest way through."""
        return self.depth

    def loss(self, pair: Pair, recipe: Progressive, generator: Generator) -> Tensor:
        """``(1 - alpha) L_fixed + alpha L_progressive + lambda L_similarity`` (equation 7); the loss gives lambda."""
        weight, criterion = losses.parse(recipe.loss, recipe.own_losses).at(0, 1).parted("similarity")
        total = torch.zeros((), device=pair.clean.device)
        if recipe.alpha < 1 or weight > 0:
            *before, last = self.thoughts(pair.noisy)
            if recipe.alpha < 1:
                total = total + (1 - recipe.alpha) * criterion(self.head(last), pair.clean)
            if weight > 0:
                early = [self.head(thought) for thought in before]
                total = total + weight * similarity(early, pair.noisy, recipe.gamma)
        if recipe.alpha > 0:
            free = int(torch.randint(len(self.stages), (), generator=generator))
            learning = 1 + int(torch.randint(len(self.stages) - free, (), generator=generator))
            thinking = self.thoughts(pair.noisy)
            with torch.no_grad():
                for _ in islice(thinking, free):
                    pass
            *_, last = islice(thinking, learning)
            total = total + recipe.alpha * criterion(self.head(last), pair.clean)
        return total


METHOD = Method(
    make=FeedForward,
    config=Config(),
    options=Options(),
    summary="the deep-thinking net without weight sharing, as a baseline",
    paper="Raman, Mao, Agarwal, Jaiman: Using Recurrent Architectures to Generalize From Easy to Hard Problems (CNN)",
    recipe=Progressive(noise="sp:0.1", patch=32, batch=32, steps=20_000),
)
