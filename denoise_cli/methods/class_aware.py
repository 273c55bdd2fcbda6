"""Twenty layers, each of which adds its own part to the estimate of the noise; one net for each class of images.

Tal Remez, Or Litany, Raja Giryes, Alex M. Bronstein, "Class-Aware Fully-Convolutional Gaussian and Poisson Denoising",
IEEE Transactions on Image Processing, 2018. This is the net; which class an image is of is not its business.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from denoise_cli import losses
from denoise_cli.errors import UsageError
from denoise_cli.fields import Bounds
from denoise_cli.method import Method, Recipe
from denoise_cli.noise import Pair

_PARTS_SCALE = 10.0  # the sum of the parts is divided by it


@dataclass(frozen=True)
class Config:
    """The shape of the net."""

    channels: int = 1  # 1 gray, 3 colour
    depth: int = 20  # convolutions
    features: int = 64  # outputs of a layer, its part of the noise included


@dataclass(frozen=True)
class Options:
    """Nothing to turn at run time."""


@dataclass(frozen=True)
class Inside(Recipe):
    """The recipe's loss, away from the borders of the patches."""

    bounds: ClassVar[dict[str, Bounds]] = Recipe.bounds | {"border": Bounds(0)}

    border: int = 20  # pixels at each edge that do not count; fewer where a patch would have nothing left


class ClassAware(nn.Module):
    """``x = y + sum of the parts / 10``; 655,544 weights for gray at the published size."""

    stride = 1

    def __init__(self, config: Config) -> None:
        super().__init__()
        if config.features <= config.channels:
            raise UsageError(
                f"class-aware: features cannot be {config.features}.",
                f"It is above {config.channels}: that many of a layer's outputs are its part of the noise.",
            )
        self.channels = config.channels
        self.depth = config.depth
        passed = config.features - config.channels
        layers = [_conv(config.channels, config.features)]
        layers += [_conv(passed, config.features) for _ in range(config.depth - 2)]
        self.layers = nn.ModuleList([*layers, _conv(passed, config.channels)])

    def parts(self, noisy: Tensor) -> list[Tensor]:
        """What each layer adds to the estimate, (N, C, H, W) each, from noisy images of that shape."""
        features, parts = noisy - 0.5, []
        for number, layer in enumerate(self.layers, 1):
            assert isinstance(layer, nn.Conv2d)
            weight: Tensor = layer.weight
            if number > 1:  # the part goes on too, with weights of zero: to leave it out would be a copy of all others
                weight = functional.pad(weight, (0, 0, 0, 0, self.channels, 0))
            outputs = functional.conv2d(features, weight, layer.bias, padding=1)
            parts.append(outputs[:, : self.channels].float() / _PARTS_SCALE)
            features = outputs.relu() if number < self.depth - 1 else outputs  # none after the last but one
        return parts

    def forward(self, noisy: Tensor) -> Tensor:
        """The estimate, not clipped: (N, C, H, W) from noisy images of that shape."""
        return sum(self.parts(noisy), start=noisy)

    def settle(self, noisy: Tensor, options: Options) -> Options:
        """Nothing is left open."""
        return options

    def denoise(self, noisy: Tensor, options: Options) -> Tensor:
        """The estimate in [0, 1]: (N, C, H, W); borders are mirrored, as zeros there were left out of training."""
        height, width = noisy.shape[-2:]
        rows, columns = (_mirrored(side, self.depth, noisy.device) for side in (height, width))
        estimate = self(noisy[:, :, rows][:, :, :, columns])
        return estimate[..., self.depth : self.depth + height, self.depth : self.depth + width].clamp(0, 1)  # type: ignore[no-any-return]

    def reach(self, options: Options) -> int:
        """One pixel for each 3x3 convolution."""
        return self.depth

    def loss(self, pair: Pair, recipe: Inside, generator: Generator) -> Tensor:
        """The recipe's loss between estimate and clean images, without the borders."""
        border = min(recipe.border, (min(pair.clean.shape[-2:]) - 1) // 2)
        estimate = self(pair.noisy)
        inside = (..., slice(border, -border or None), slice(border, -border or None))
        return losses.find(recipe.loss)(estimate[inside], pair.clean[inside])


def _mirrored(side: int, margin: int, device: torch.device) -> Tensor:
    """The places from ``-margin`` to ``side + margin``, mirrored into the image with its edge repeated."""
    places = torch.arange(-margin, side + margin, device=device) % (2 * side)
    return torch.minimum(places, 2 * side - 1 - places)


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    conv = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.xavier_uniform_(conv.weight)
    assert conv.bias is not None
    nn.init.constant_(conv.bias, 0.01)
    return conv


METHOD = Method(
    make=ClassAware,
    config=Config(),
    options=Options(),
    summary="twenty layers that each estimate a part of the noise; a net for each class of images",
    paper="Remez, Litany, Giryes, Bronstein: Class-Aware Fully Convolutional Denoising, IEEE TIP 2018",
    recipe=Inside(noise="gaussian:25", patch=128, batch=64, steps=100_000, loss="mse"),
    per_class=True,
)
