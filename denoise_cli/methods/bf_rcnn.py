"""A recurrent net without any additive constant: one small stage that refines its own estimate a few times.

Sreyas Mohan, Zahra Kadkhodaie, Eero P. Simoncelli, Carlos Fernandez-Granda, "Robust and Interpretable Blind Image
Denoising via Bias-Free Convolutional Neural Networks", ICLR 2020, appendix; after Xiaoshuai Zhang, Yiping Lu, Jiaying
Liu, Bin Dong, "Dynamically Unfolding Recurrent Restorer", ICLR 2019.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn

from denoise_cli import losses
from denoise_cli.errors import UsageError
from denoise_cli.fields import Bounds
from denoise_cli.layers.bias_free import stage
from denoise_cli.layers.reach import reach_of
from denoise_cli.method import Graph, Method, Recipe
from denoise_cli.noise import Pair


@dataclass(frozen=True)
class Config:
    """The shape of the net."""

    channels: int = 1  # 1 gray, 3 colour
    features: int = 64
    depth: int = 7  # convolutions of the stage
    bias: bool = False  # True: the twin with its constants (the last convolution has none either way)


@dataclass(frozen=True)
class Options:
    """What can be turned at run time."""

    iters: int = 4  # times the stage is applied


@dataclass(frozen=True)
class Unrolled(Recipe):
    """How it is trained: through a number of iterations that each batch draws anew."""

    bounds: ClassVar[dict[str, Bounds]] = Recipe.bounds | {"max_iters": Bounds(1)}

    max_iters: int = 4  # most of them; at least one


class BiasFreeRCNN(nn.Module):
    """``x_t = stage(y, x_{t-1})``, ``x_0 = y``; 186,048 weights for gray, its biased twin 186,432."""

    stride = 1

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.channels = config.channels
        self.stage = stage(
            2 * config.channels, config.channels, config.features, config.depth, bias=config.bias, last_bias=False
        )

    def forward(self, noisy: Tensor, estimate: Tensor) -> Tensor:
        """The next estimate, not clipped: all are (N, C, H, W)."""
        return self.stage(torch.cat((noisy, estimate.to(noisy.dtype)), dim=1))  # type: ignore[no-any-return]

    def unroll(self, noisy: Tensor) -> Iterator[Tensor]:
        """The estimates after each iteration, without end, not clipped: all are (N, C, H, W)."""
        estimate = noisy
        while True:
            estimate = self(noisy, estimate)
            yield estimate

    def refine(self, noisy: Tensor, options: Options) -> Iterator[Tensor]:
        """The estimates after each iteration, without end, in [0, 1]: all are (N, C, H, W)."""
        return (estimate.clamp(0, 1) for estimate in self.unroll(noisy))

    def settle(self, noisy: Tensor, options: Options) -> Options:
        """Checks the iterations; raises ``UsageError`` where there are none."""
        if options.iters < 1:
            raise UsageError(f"bf-rcnn cannot iterate {options.iters} times.", "Once at least; 4 times by default.")
        return options

    def estimates(self, noisy: Tensor, options: Options, counts: tuple[int, ...]) -> list[Tensor]:
        """The estimates in [0, 1], each (N, C, H, W), after each of ``counts`` (ascending) iterations."""
        estimates = islice(self.refine(noisy, options), max(counts))
        return [estimate for done, estimate in enumerate(estimates, 1) if done in counts]

    def denoise(self, noisy: Tensor, options: Options) -> Tensor:
        """The estimate in [0, 1] after ``options.iters`` iterations: (N, C, H, W)."""
        return self.estimates(noisy, options, (options.iters,))[0]

    def reach(self, options: Options) -> int:
        """Grows with the iterations: seven pixels each."""
        return options.iters * reach_of(self.stage)

    def graph(self) -> Graph:
        """One iteration: noisy image and estimate in, the next estimate out, not clipped."""
        noisy = torch.rand(1, self.channels, 48, 64)
        usage = "Begin with the noisy image as estimate, feed each estimate back; clip the last to [0, 1]."
        return Graph(self, {"noisy": noisy, "estimate": noisy.clone()}, ("next_estimate",), usage)

    def loss(self, pair: Pair, recipe: Unrolled, generator: Generator) -> Tensor:
        """The recipe's loss after 1 to ``max_iters`` iterations, equally likely."""
        iters = 1 + int(torch.randint(recipe.max_iters, (), generator=generator))
        *_, estimate = islice(self.unroll(pair.noisy), iters)
        return losses.find(recipe.loss)(estimate, pair.clean)


METHOD = Method(
    make=BiasFreeRCNN,
    config=Config(),
    options=Options(),
    summary="small recurrent net without additive constants",
    paper="Mohan, Kadkhodaie, Simoncelli, Fernandez-Granda: Robust and Interpretable Blind Image Denoising, ICLR 2020",
    recipe=Unrolled(noise="gaussian:0..55", patch=50, batch=128, steps=100_000, loss="mse"),
)
