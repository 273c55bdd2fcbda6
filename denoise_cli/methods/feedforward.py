"""The deep-thinking net without weight sharing: five residual stages of their own, one shared recall convolution.

The "CNN baseline" of Naveen Raman, Andrew Mao, Vatsal Agarwal, Aman Jaiman, "Using Recurrent Architectures to
Generalize From Easy to Hard Problems in Image Denoising" (Table 1).
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from denoise_cli import losses
from denoise_cli.layers.residual import ResidualBlock, conv3x3, head
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
        thought = self.projection(noisy).relu_()
        for stage in self.stages:
            thought = stage(self.recall(torch.cat((thought, noisy), dim=1)))
        return self.head(thought)  # type: ignore[no-any-return]

    def settle(self, noisy: Tensor, options: Options) -> Options:
        """Nothing is left open."""
        return options

    def denoise(self, noisy: Tensor, options: Options) -> Tensor:
        """The estimate in [0, 1]: (N, C, H, W) from noisy images of that shape."""
        return self(noisy).clamp(0, 1)  # type: ignore[no-any-return]

    def reach(self, options: Options) -> int:
        """One pixel for each 3x3 convolution on the longest way through."""
        return self.depth

    def loss(self, pair: Pair, recipe: Recipe, generator: Generator) -> Tensor:
        """The recipe's loss between estimate and clean images."""
        return losses.find(recipe.loss)(self(pair.noisy), pair.clean)


METHOD = Method(
    make=FeedForward,
    config=Config(),
    options=Options(),
    summary="the deep-thinking net without weight sharing, as a baseline",
    paper="Raman, Mao, Agarwal, Jaiman: Using Recurrent Architectures to Generalize From Easy to Hard Problems (CNN)",
    recipe=Recipe(noise="sp:0.1", patch=32, batch=32, steps=20_000),
)
