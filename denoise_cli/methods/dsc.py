"""Convolutions down to a sixteenth, deconvolutions back up, and gated direct connections between the two.

Aojia Zhao, "Image Denoising with Deep Convolutional Neural Networks", Stanford University, 2016. The paper's formulas
scale what goes on to the next convolution by delta and let 1 - delta across; its prose says the reverse. Both are
here. It works on 0..255; this net on [0, 1], with He's initialisation, which the paper's small constants need not
balance then. Kernel size and the last ReLU are not settled by the paper.
"""

from dataclasses import dataclass

from torch import Generator, Tensor, nn

from denoise_cli import losses
from denoise_cli.layers.contracting import STRIDE, check_gates, contract, contracting, draw
from denoise_cli.layers.reach import reach_of
from denoise_cli.method import Method, Recipe
from denoise_cli.noise import Pair


@dataclass(frozen=True)
class Config:
    """The shape of the net."""

    channels: int = 3  # 1 gray, 3 colour
    width: int = 518  # channels at the bottom, as printed in both tables of the paper
    features: int = 64  # of the first two convolutions; twice and four times as many in the next two
    kernel: int = 5  # side, odd
    gates: str = "formula"  # "formula": delta goes on, 1 - delta across; "prose": the reverse; "none": nothing across
    final_relu: bool = False  # the paper's; it can die, and clipping to [0, 1] does the same at run time


@dataclass(frozen=True)
class Options:
    """Nothing to turn at run time."""


class DirectSymmetric(nn.Module):
    """Predicts the image itself; 8,894,345 weights at width 518 and kernel 5."""

    stride = STRIDE

    def __init__(self, config: Config) -> None:
        super().__init__()
        check_gates(config.gates, "dsc")
        self.channels = config.channels
        self.gates = config.gates
        first, kernel = config.features, config.kernel
        up = (config.width, 4 * first, 2 * first, first, first, config.channels)
        self.convs = contracting(config.channels, first, config.width, kernel)
        self.deconvs = nn.ModuleList(
            nn.Sequential(
                _deconv(up[i], up[i + 1], kernel, 1 if i == 4 else 2),
                nn.ReLU() if i < 4 or config.final_relu else nn.Identity(),
            )
            for i in range(5)
        )

    def forward(self, noisy: Tensor) -> Tensor:
        """The estimate, not clipped: (N, C, H, W), H and W multiples of 16, from noisy images of that shape."""
        features, across = contract(self.convs, noisy, self.gates)
        for index, deconv in enumerate(self.deconvs):
            features = deconv(features + across.pop() if index and across else features)
        return features

    def settle(self, noisy: Tensor, options: Options) -> Options:
        """Nothing is left open."""
        return options

    def denoise(self, noisy: Tensor, options: Options) -> Tensor:
        """The estimate in [0, 1]: (N, C, H, W) from noisy images of that shape."""
        return self(noisy).clamp(0, 1)  # type: ignore[no-any-return]

    def reach(self, options: Options) -> int:
        """Along the way over the bottom, which is the longest."""
        return reach_of(self.convs, self.deconvs, stride=self.stride)

    def loss(self, pair: Pair, recipe: Recipe, generator: Generator) -> Tensor:
        """The recipe's loss between estimate and clean images."""
        return losses.find(recipe.loss)(self(pair.noisy), pair.clean)


def _deconv(inputs: int, outputs: int, kernel: int, stride: int) -> nn.ConvTranspose2d:
    deconv = nn.ConvTranspose2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, output_padding=stride - 1)
    draw(deconv, inputs * kernel**2 / stride**2)
    return deconv


METHOD = Method(
    make=DirectSymmetric,
    config=Config(),
    options=Options(),
    summary="convolutions down, deconvolutions up, gated connections between them",
    paper="Zhao: Image Denoising with Deep Convolutional Neural Networks, Stanford University 2016",
    recipe=Recipe(noise="mixed:25+0.05", patch=64, batch=32, steps=30_000, loss="mse"),
)
