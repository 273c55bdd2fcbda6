"""DnCNN without any additive constant, so that it generalises to noise levels it was not trained on.

Sreyas Mohan, Zahra Kadkhodaie, Eero P. Simoncelli, Carlos Fernandez-Granda, "Robust and Interpretable Blind Image
Denoising via Bias-Free Convolutional Neural Networks", ICLR 2020.
"""

from dataclasses import dataclass
from math import sqrt

from torch import Generator, Tensor, nn

from denoise_cli import losses
from denoise_cli.layers.bias_free import BiasFreeBatchNorm, conv
from denoise_cli.method import Method, Recipe
from denoise_cli.noise import Pair


@dataclass(frozen=True)
class Config:
    """The shape of the net."""

    channels: int = 1  # 1 gray, 3 colour
    depth: int = 20  # convolutions
    features: int = 64
    bias: bool = False  # True: the twin with all its constants, for comparison


@dataclass(frozen=True)
class Options:
    """Nothing to turn at run time."""


class BiasFreeCNN(nn.Module):
    """``x = y - net(y)``; 665,856 weights for gray at the published size, its biased twin 668,225."""

    stride = 1

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.channels = config.channels
        self.depth = config.depth
        width, bias = config.features, config.bias
        layers: list[nn.Module] = [conv(config.channels, width, bias=bias), nn.ReLU(inplace=True)]
        for _ in range(config.depth - 2):
            layers += [conv(width, width, bias=bias), _norm(width, bias), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, conv(width, config.channels, bias=bias))

    def forward(self, noisy: Tensor) -> Tensor:
        """The estimate, not clipped: (N, C, H, W) from noisy images of that shape."""
        return noisy - self.layers(noisy)  # type: ignore[no-any-return]

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


def _norm(features: int, bias: bool) -> nn.Module:
    norm = nn.BatchNorm2d(features) if bias else BiasFreeBatchNorm(features)
    nn.init.normal_(norm.weight, std=sqrt(2 / (9 * features)))
    norm.weight.data.clamp_(-0.025, 0.025)
    return norm


METHOD = Method(
    make=BiasFreeCNN,
    config=Config(),
    options=Options(),
    summary="DnCNN without additive constants; generalises over noise levels",
    paper="Mohan, Kadkhodaie, Simoncelli, Fernandez-Granda: Robust and Interpretable Blind Image Denoising, ICLR 2020",
    recipe=Recipe(noise="gaussian:0..55", patch=50, batch=128, steps=100_000, loss="mse"),
)
