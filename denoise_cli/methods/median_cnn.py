"""A residual net with median layers between its convolutions, for salt and pepper.

Luming Liang, Sen Deng, Lionel Gueguen, Mingqiang Wei, Xinming Wu, Jing Qin, "Convolutional Neural Network with Median
Layers for Denoising Salt-and-Pepper Contaminations", Neurocomputing, 2021. The median layers of the released code pass
their input on unchanged; these filter, and mirror the border instead of filling it with black.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from denoise_cli import losses
from denoise_cli.errors import UsageError
from denoise_cli.layers.identity import start_near_identity
from denoise_cli.layers.impulses import (
    FILL_RADIUS,
    FIND_RADIUS,
    fill,
    find_impulses,
    impulse_share,
    known_share,
    mark,
)
from denoise_cli.layers.median import MedianLayer
from denoise_cli.layers.reach import reach_of
from denoise_cli.method import Method, Recipe
from denoise_cli.noise import Pair

_MOMENTUM = 0.05  # of the moving statistics; the released code's 0.01 leaves those of a short training behind
_SPREAD, _MIDDLE = 0.25, 0.5  # of normalised features at the start: about those of images, so that ReLUs pass them on


@dataclass(frozen=True)
class Config:
    """The shape of the net."""

    channels: int = 3  # 1 gray, 3 colour
    features: int = 64
    stages: int = 32  # of three convolutions each; a median layer follows each of the first half
    window: int = 5  # side of the medians, odd, pixels
    median: bool = True  # False: without any median, as the released code in fact is
    switching: bool = False  # medians, and the estimate, of impulses alone, which are located; nothing else changes


@dataclass(frozen=True)
class Options:
    """What can be turned at run time."""

    share: float | None = None  # share of impulses, for switching medians; measured where it is not given


class MedianCNN(nn.Module):
    """Two medians, a convolution, the stages, a convolution; predicts the image; 3,563,011 weights for colour.

    It starts near the identity, its residual blocks at nothing. With the kernels of the released code the image is lost
    on the way through a hundred layers, and the first hundreds of steps are spent on getting any of it out again.

    ``switching`` medians leave alone what was no impulse, so that they take no detail from it (Sun, Neuvo, "Detail-
    Preserving Median Based Filters in Image Processing", Pattern Recognition Letters, 1994). Then the net is shown
    which pixels are impulses, and adds to what two medians made of these; all others come out as they went in.
    """

    stride = 1

    def __init__(self, config: Config) -> None:
        super().__init__()
        if config.window % 2 == 0:
            raise UsageError(f"median-cnn: window cannot be {config.window}.", "It is odd: 3, 5, 7 ...")
        self.channels = config.channels
        width = config.features
        medians: list[nn.Module] = [MedianLayer(config.window), MedianLayer(config.window)] if config.median else []
        first = [_passing(config.channels, width), nn.PReLU(width, init=0.0)]
        stages: list[nn.Module] = []
        for index in range(config.stages):
            stages.append(_Stage(width))
            if config.median and index < config.stages // 2:
                stages.append(MedianLayer(config.window))
        last = _passing(width, config.channels)
        if config.switching:
            nn.init.zeros_(last.weight)  # nothing to add at first
        self.switching = config.switching
        self.medians = nn.Sequential(*medians)
        self.layers = nn.Sequential(*first, *stages, last)
        filtered = sum(isinstance(layer, MedianLayer) for layer in (*self.medians, *self.layers))
        self.farthest = reach_of(self.layers) + filtered * (config.window // 2)
        if config.switching:
            self.farthest += FILL_RADIUS + FIND_RADIUS

    def forward(self, noisy: Tensor, share: float | None = None) -> Tensor:
        """The estimate, not clipped: (N, C, H, W) from noisy images of that shape.

        ``share`` is that of impulses, for switching medians; measured on each image where it is not given.
        """
        if not self.switching:
            return self.layers(self.medians(noisy))  # type: ignore[no-any-return]
        impulses = find_impulses(noisy, impulse_share(noisy) if share is None else share)
        base = _switched(self.medians, fill(noisy, ~impulses), impulses)
        added = _switched(self.layers, mark(base, impulses), impulses)
        return torch.where(impulses, base + added, noisy)

    def settle(self, noisy: Tensor, options: Options) -> Options:
        """Measures the share of impulses on the whole image (1, C, H, W); ``UsageError`` for what cannot be one."""
        return Options(known_share(options.share, noisy, "median-cnn")) if self.switching else options

    def denoise(self, noisy: Tensor, options: Options) -> Tensor:
        """The estimate in [0, 1]: (N, C, H, W) from noisy images of that shape."""
        return self(noisy, options.share).clamp(0, 1)  # type: ignore[no-any-return]

    def reach(self, options: Options) -> int:
        """One pixel for each 3x3 convolution, half a window for each median: 134 at the published size.

        Switching medians depend on where impulses are found besides, and on what they are filled from at first.
        """
        return self.farthest

    def loss(self, pair: Pair, recipe: Recipe, generator: Generator) -> Tensor:
        """The recipe's loss between estimate and clean images."""
        return losses.find(recipe.loss)(self(pair.noisy), pair.clean)


class _Residual(nn.Module):
    """``z + BN(conv(PReLU(BN(conv(z)))))``, with nothing after the sum."""

    def __init__(self, width: int) -> None:
        super().__init__()
        last = nn.BatchNorm2d(width, eps=1e-3, momentum=_MOMENTUM)
        nn.init.zeros_(last.weight)
        self.inner = nn.Sequential(
            _conv(width, width),
            nn.BatchNorm2d(width, eps=1e-3, momentum=_MOMENTUM),
            nn.PReLU(width, init=0.0),
            _conv(width, width),
            last,
        )

    def forward(self, features: Tensor) -> Tensor:
        return features + self.inner(features)  # type: ignore[no-any-return]


class _Stage(nn.Module):
    """A convolution and a residual block of two, compiled as one where the medians between them are not."""

    def __init__(self, width: int) -> None:
        super().__init__()
        norm = nn.BatchNorm2d(width, eps=1e-4, momentum=_MOMENTUM)
        nn.init.constant_(norm.weight, _SPREAD)
        nn.init.constant_(norm.bias, _MIDDLE)
        self.first = nn.Sequential(_passing(width, width), norm, nn.ReLU(inplace=True))
        self.residual = _Residual(width)

    def forward(self, features: Tensor) -> Tensor:
        return self.residual(self.first(features))  # type: ignore[no-any-return]


def _switched(layers: nn.Sequential, features: Tensor, impulses: Tensor) -> Tensor:
    """``features`` (N, F, H, W) through the layers, medians at the ``impulses`` (N, 1, H, W) alone."""
    for layer in layers:
        after = layer(features)
        features = torch.where(impulses, after, features) if isinstance(layer, MedianLayer) else after
    return features


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    conv = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    return conv


def _passing(inputs: int, outputs: int) -> nn.Conv2d:
    return start_near_identity(nn.Conv2d(inputs, outputs, 3, padding=1), stirred=0.05)


METHOD = Method(
    make=MedianCNN,
    config=Config(),
    options=Options(),
    summary="residual net with median layers, for salt and pepper",
    paper="Liang, Deng, Gueguen, Wei, Wu, Qin: Convolutional Neural Network with Median Layers, Neurocomputing 2021",
    recipe=Recipe(noise="sp:0..0.9", patch=70, batch=16, steps=100_000, rate=2e-3, loss="mse"),
)
