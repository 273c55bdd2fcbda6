"""A simplified DenseNet without any additive constant: four stages, each of which sees the noisy image again.

Sreyas Mohan, Zahra Kadkhodaie, Eero P. Simoncelli, Carlos Fernandez-Granda, "Robust and Interpretable Blind Image
Denoising via Bias-Free Convolutional Neural Networks", ICLR 2020, appendix.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from denoise_cli import losses
from denoise_cli.layers.bias_free import stage
from denoise_cli.layers.reach import reach_of
from denoise_cli.method import Method, Recipe
from denoise_cli.noise import Pair


@dataclass(frozen=True)
class Config:
    """The shape of the net."""

    channels: int = 1  # 1 gray, 3 colour
    features: int = 64
    stages: int = 4
    depth: int = 7  # convolutions a stage
    passed: int = 5  # maps that a stage passes on, for each channel
    bias: bool = False  # True: the twin with its constants (the very last convolution has none either way)


@dataclass(frozen=True)
class Options:
    """Nothing to turn at run time."""


class BiasFreeDense(nn.Module):
    """Stages with weights of their own; 757,440 of them for gray at the published size, its biased twin 758,991."""

    stride = 1

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.channels = config.channels
        passed = config.passed * config.channels
        stages = []
        for index in range(config.stages):
            last = index == config.stages - 1
            inputs = config.channels if index == 0 else config.channels + passed
            outputs = config.channels if last else passed
            bias = config.bias
            stages.append(stage(inputs, outputs, config.features, config.depth, bias=bias, last_bias=bias and not last))
        self.stages = nn.ModuleList(stages)

    def forward(self, noisy: Tensor) -> Tensor:
        """The estimate, not clipped: (N, C, H, W) from noisy images of that shape."""
        first, *others = self.stages
        passed = first(noisy)
        for later in others:
            passed = later(torch.cat((noisy, passed.to(noisy.dtype)), dim=1))
        return passed  # type: ignore[no-any-return]

    def settle(self, noisy: Tensor, options: Options) -> Options:
        """Nothing is left open: the net is blind."""
        return options

    def denoise(self, noisy: Tensor, options: Options) -> Tensor:
        """The estimate in [0, 1]: (N, C, H, W) from noisy images of that shape."""
        return self(noisy).clamp(0, 1)  # type: ignore[no-any-return]

    def reach(self, options: Options) -> int:
        """One pixel for each 3x3 convolution of all stages."""
        return reach_of(self.stages)

    def loss(self, pair: Pair, recipe: Recipe, generator: Generator) -> Tensor:
        """The recipe's loss between estimate and clean images."""
        return losses.find(recipe.loss)(self(pair.noisy), pair.clean)


METHOD = Method(
    make=BiasFreeDense,
    config=Config(),
    options=Options(),
    summary="simplified DenseNet without additive constants",
    paper="Mohan, Kadkhodaie, Simoncelli, Fernandez-Granda: Robust and Interpretable Blind Image Denoising, ICLR 2020",
    recipe=Recipe(noise="gaussian:0..55", patch=50, batch=128, steps=100_000, loss="mse"),
)
