"""A classifier: it tells what a picture shows, for nets that are each for one class, and for the perceptual loss.

Karen Simonyan, Andrew Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015:
configuration A, narrower, with batch normalisation and the mean over the picture instead of the hidden layers. Or the
one of Aojia Zhao, "Image Denoising with Deep Convolutional Neural Networks", Stanford University, 2016, whose
convolutions are those of ``dsc`` and can start as these: its representation experiment.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from denoise_cli import losses
from denoise_cli.errors import UsageError, did_you_mean
from denoise_cli.fields import Bounds
from denoise_cli.layers.contracting import check_gates, contract, contracting
from denoise_cli.layers.vgg import POOL, stack, start_truncated
from denoise_cli.method import Method, Recipe
from denoise_cli.noise import Pair

BODIES = ("vgg", "dsc")
_HIDDEN = 1024  # of the body dsc
_BOTTOM = 4  # side of what the body dsc ends in, for images of 64 pixels; others are averaged to it


@dataclass(frozen=True)
class Config:
    """The shape of the net."""

    classes: tuple[str, ...] = ()  # what it tells apart; training takes them from the data
    channels: int = 3  # 1 gray, 3 colour
    body: str = "vgg"  # or "dsc"
    features: int = 32  # of the first convolution; 64 as published, for either body
    width: int = 518  # body dsc: channels at the bottom
    kernel: int = 5  # body dsc: side, odd
    gates: str = "none"  # body dsc: what goes on from a convolution, as in dsc: "formula", "prose" or "none"

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(self.classes))  # JSON has lists only


@dataclass(frozen=True)
class Options:
    """Nothing to turn at run time."""


@dataclass(frozen=True)
class Varied(Recipe):
    """How a classifier is trained: on pictures that are never twice the same."""

    own_losses: ClassVar[tuple[str, ...]] = ("cross-entropy",)
    own_only: ClassVar[bool] = True
    bounds: ClassVar[dict[str, Bounds]] = Recipe.bounds | {
        "zoom": Bounds(0, 1, above=True),
        "patchwork": Bounds(0, 1),
        "smoothing": Bounds(0, 1),
        "dropout": Bounds(0, 1, below=True),
    }

    zoom: float = 0.5  # least side of the part of a picture that is looked at, of the whole; 1: all of it
    patchwork: float = 0.5  # chance that a step's pictures are put together from two each (CutMix)
    smoothing: float = 0.1  # share of the label that goes to all classes alike
    dropout: float = 0.0  # share of the hidden values that are left out; 0.5 for the body dsc, as published


class Vgg(nn.Module):
    """Eight convolutions in five sizes, the mean over the picture, one linear layer."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        if not config.classes:
            raise UsageError("A classifier without classes has nothing to tell.", "Training takes them from the data.")
        self.channels = config.channels
        self.classes = config.classes
        self.last = self._build(config)
        start_truncated(self.last)

    def _build(self, config: Config) -> nn.Linear:
        one, two, four, eight = (factor * config.features for factor in (1, 2, 4, 8))
        self.early = stack((one, POOL, two), config.channels, batch_norm=True)
        self.late = stack((POOL, four, four, POOL, eight, eight, POOL, eight, eight), two, batch_norm=True)
        return nn.Linear(eight, len(config.classes))

    def hidden(self, images: Tensor) -> Tensor:
        """What the linear layer goes by: (N, its inputs), from images (N, C, H, W)."""
        return self.late(self.early(images)).mean(dim=(2, 3))  # type: ignore[no-any-return]

    def features(self, images: Tensor) -> Tensor:
        """The second of the five sizes: (N, 2 features, H / 2, W / 2), from images (N, C, H, W) in [0, 1]."""
        return self.early(images)  # type: ignore[no-any-return]

    def forward(self, images: Tensor) -> Tensor:
        """The scores of the classes, as ``scores``."""
        return self.last(self.hidden(images))  # type: ignore[no-any-return]

    def scores(self, images: Tensor) -> Tensor:
        """The logarithms of the classes' chances, up to a constant: (N, classes), from images (N, C, H, W)."""
        return self(images)  # type: ignore[no-any-return]

    def loss(self, pair: Pair, recipe: Varied, generator: Generator) -> Tensor:
        """The cross-entropy of the labels, on the noisy pictures, varied; they are mixed with others of ``pair``."""
        weight, _ = losses.parse(recipe.loss, recipe.own_losses).at(0, 1).parted("cross-entropy")
        assert pair.label is not None and pair.number is not None
        label, number = pair.label.flatten(), pair.number.flatten()

        def drawn(width: int) -> Tensor:  # for the whole batch, so that the parts of one differ, and do so always alike
            return torch.rand((recipe.batch, width), generator=generator)[number]

        images, share = _patchwork(_zoomed(pair.noisy, recipe.zoom, drawn(4)), recipe.patchwork, generator)
        hidden = self.hidden(images)
        if recipe.dropout > 0:
            kept = drawn(hidden.shape[1]).to(hidden.device) >= recipe.dropout
            hidden = hidden * kept / (1 - recipe.dropout)
        scores = self.last(hidden).float()
        own, other = (
            functional.cross_entropy(scores, labels, label_smoothing=recipe.smoothing)
            for labels in (label, label.roll(1))
        )
        return weight * (share * own + (1 - share) * other)


class Contracting(Vgg):
    """The convolutions of dsc, a hidden layer, one linear layer; 12,945,616 weights for 10 classes as published."""

    def _build(self, config: Config) -> nn.Linear:
        check_gates(config.gates, "classifier")
        self.gates = config.gates
        self.convs = contracting(config.channels, config.features, config.width, config.kernel)
        self.within = nn.Linear(_BOTTOM**2 * config.width, _HIDDEN)
        for layer in (*(conv[0] for conv in self.convs), self.within):  # type: ignore[index]
            start_truncated(layer)
        return nn.Linear(_HIDDEN, len(config.classes))

    def hidden(self, images: Tensor) -> Tensor:
        """What the linear layer goes by: (N, 1024), from images (N, C, H, W)."""
        bottom, _ = contract(self.convs, images, self.gates)
        return self.within(functional.adaptive_avg_pool2d(bottom, _BOTTOM).flatten(1)).relu()  # type: ignore[no-any-return]

    def features(self, images: Tensor) -> Tensor:
        """The hidden layer, as in the paper: (N, 1024), from images (N, C, H, W) in [0, 1]."""
        return self.hidden(images)


def make(config: Config) -> Vgg:
    """The classifier with the body that ``config`` says."""
    if config.body not in BODIES:
        raise UsageError(f"classifier has no body {config.body!r}.", did_you_mean(config.body, BODIES))
    return Vgg(config) if config.body == "vgg" else Contracting(config)


def _zoomed(images: Tensor, least: float, uniform: Tensor) -> Tensor:
    """A rectangle of each image, its sides at least ``least`` of the whole ones, at the size of the whole.

    ``uniform`` (N, 4) in [0, 1] says which: how large it is in both directions, and where.
    """
    size = least + (1 - least) * uniform[:, :2]
    place = (1 - size) * (2 * uniform[:, 2:] - 1)
    moves = torch.cat((torch.diag_embed(size), place[:, :, None]), dim=2).to(images)  # (N, 2, 3)
    grid = functional.affine_grid(moves, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _patchwork(images: Tensor, chance: float, generator: Generator) -> tuple[Tensor, float]:
    """Each image with, by ``chance``, a rectangle of the one before; and the share of it that is its own.

    Sangdoo Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features", ICCV
    2019, equation 2.
    """
    happens, area, across, down = torch.rand(4, generator=generator).tolist()
    if happens >= chance:
        return images, 1.0
    height, width = images.shape[-2:]
    tall, wide = round(height * area**0.5), round(width * area**0.5)
    top, left = round((height - tall) * down), round((width - wide) * across)
    mixed = images.clone()
    mixed[..., top : top + tall, left : left + wide] = images.roll(1, 0)[..., top : top + tall, left : left + wide]
    return mixed, 1 - tall * wide / (height * width)


METHOD = Method(
    make=make,
    config=Config(),
    options=Options(),
    summary="tells what a picture shows; for class-aware and the perceptual loss",
    paper="Simonyan, Zisserman: Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015",
    recipe=Varied(
        noise="0.75*gaussian:0 + 0.25*gaussian:0..50",
        patch=64,
        batch=64,
        steps=10_000,
        weight_decay=0.1,
        gray=0.1,
        loss="cross-entropy",
    ),
)
