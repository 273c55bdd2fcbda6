"""The contract between denoisers and the rest: what a denoiser can do, and the card that describes it.

Letters: N batch, C channels, H height, W width. Intensities are in [0, 1]; sigma is on that scale too.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from denoise_cli.fields import Bounds
from denoise_cli.noise import Pair

PAIRS = "pairs"  # as a recipe's noise: the data are pairs already


@runtime_checkable
class Denoiser(Protocol):
    """Noisy images in, clean images out. An ``nn.Module`` satisfies this by having the methods; nobody inherits."""

    @property
    def channels(self) -> int | None:
        """How many channels the net takes: 1, 3, or ``None`` for any number."""
        ...

    @property
    def stride(self) -> int:
        """H and W must be multiples of it, and tiles are cut at multiples of it."""
        ...

    def settle(self, noisy: Tensor, options: Any) -> Any:
        """``options`` with whatever they leave to be measured (``None``) measured on the whole image (N, C, H, W).

        Called once before an image is cut into tiles, so that all tiles are treated alike.
        """
        ...

    def denoise(self, noisy: Tensor, options: Any) -> Tensor:
        """The estimate of the clean images: (N, C, H, W) in [0, 1], from noisy ones of the same shape."""
        ...

    def reach(self, options: Any) -> int | None:
        """How far away, in pixels, an input can still change an output; ``None``: the whole image."""
        ...


@runtime_checkable
class Iterative(Denoiser, Protocol):
    """A denoiser with an iteration budget, ``options.iters``, that can show its estimate on the way."""

    def estimates(self, noisy: Tensor, options: Any, counts: tuple[int, ...]) -> list[Tensor]:
        """The estimates (N, C, H, W) after each of ``counts`` (ascending) iterations of a single run."""
        ...


@runtime_checkable
class Unending(Iterative, Protocol):
    """An iterative denoiser whose iterations can be watched one by one, so that they can end where nothing changes."""

    def refine(self, noisy: Tensor, options: Any) -> Iterator[Tensor]:
        """The estimates (N, C, H, W) in [0, 1] after each iteration, without end, whatever ``options.iters`` says."""
        ...


@runtime_checkable
class Mapped(Denoiser, Protocol):
    """A denoiser that can be told the noise level at every pixel."""

    def levels(self, noisy: Tensor, options: Any) -> Tensor:
        """What ``denoise`` goes by, as ``denoise_mapped`` takes it: (N, 1, H, W), by options that are settled."""
        ...

    def denoise_mapped(self, noisy: Tensor, sigma: Tensor, options: Any) -> Tensor:
        """As ``denoise``, for noise whose standard deviation, on [0, 1], is ``sigma`` (N or 1, 1, H, W)."""
        ...


@runtime_checkable
class Learner(Protocol):
    """What learns from pairs; also an ``nn.Module``."""

    def loss(self, pair: Pair, recipe: Any, generator: torch.Generator) -> Tensor:
        """A scalar to minimise, as the method's own ``Recipe`` says; what it draws at random comes from ``generator``.

        The generator is on the CPU, so that its draws are the same on every device.
        """
        ...


@runtime_checkable
class Trainable(Denoiser, Learner, Protocol):
    """A denoiser that learns from pairs."""


@runtime_checkable
class Classifier(Learner, Protocol):
    """A net that tells what an image shows, noise or not; what it sees in an image serves denoisers.

    Its ``Config`` has ``classes``, which training fills with those of the data; of a pair it learns the ``label``.
    """

    @property
    def channels(self) -> int:
        """How many channels it takes: 1 or 3."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """What it tells apart: ``cat``, or with a group before it ``animals/cat``."""
        ...

    def scores(self, images: Tensor) -> Tensor:
        """The logarithms, up to a constant, of the chances of the classes: (N, classes), from images (N, C, H, W)."""
        ...

    def features(self, images: Tensor) -> Tensor:
        """What it sees in images (N, C, H, W) in [0, 1], by which they can be compared: (N, ...)."""
        ...


@dataclass(frozen=True)
class Step:
    """Where a fit stands: what ``Fitter.fit`` yields after each of its steps, for each of N images by itself."""

    number: int  # steps taken, from 1
    loss: Tensor  # (N,) mean squared misfit of the output, on the pixels that are fitted
    output: Tensor  # (N, C, H, W), what the net says at this step; detached, without padding
    estimate: Tensor  # (N, C, H, W) in [0, 1], the answer if this were the last step: the outputs averaged, say
    held_out: Tensor | None = None  # (N,) mean squared misfit of the estimate, on pixels that are not fitted
    coarse: bool = False  # on a smaller image, the noise of which is less: such a step is never the best one


@runtime_checkable
class Fitter(Iterative, Protocol):
    """A denoiser that learns from the noisy image alone, in steps; ``denoise_cli.fitting`` says when to stop.

    Its ``Options`` have ``iters`` (the most steps), ``stop`` (a word that ``fitting.stopping.rule`` reads), ``seed``
    and, where a fit can diverge, ``rate``. ``denoise`` is ``fitting.follow.answer``, ``estimates`` is
    ``fitting.follow.answers``.
    """

    def fit(self, noisy: Tensor, options: Any) -> Generator[Step, Tensor | None, None]:
        """One step after the other on noisy images (N, C, H, W), ``options.iters`` of them; it does not stop earlier.

        The consumer switches gradients on. Deterministic by ``options.seed`` on the CPU; every image has a fit of its
        own, as if it came alone. What is sent, (N,) of bool, tells which images still matter: the others need no
        further steps, and may stay in each ``Step`` as they were.
        """
        ...


@runtime_checkable
class Wrapper(Denoiser, Protocol):
    """A denoiser that works with another one, its ``net``."""

    net: Denoiser

    def around(self, net: Denoiser, levels: tuple[float, float] | None) -> Denoiser:
        """The same with another net, for noise between ``levels`` on [0, 1]; ``None``: at home with any."""
        ...

    def stages(self, noisy: Tensor, options: Any) -> Iterator[Tensor]:
        """The estimates (N, C, H, W) in [0, 1] on the way, the answer last."""
        ...


@dataclass(frozen=True)
class Graph:
    """What another program needs to run a net: one pass, tensors in, tensors out."""

    module: nn.Module  # takes the inputs in their order
    inputs: dict[str, Tensor]  # examples: images (1, C, H, W), of which H and W are free, or single numbers
    outputs: tuple[str, ...]
    usage: str  # in a sentence or two


@runtime_checkable
class Graphed(Denoiser, Protocol):
    """A denoiser whose single pass is more than noisy image in, estimate out."""

    def graph(self) -> Graph:
        """What ``denoise export`` writes: for a denoiser that iterates, one iteration."""
        ...


@dataclass(frozen=True)
class Recipe:
    """How a method is trained. Every field can be set by a flag of ``denoise train``."""

    own_losses: ClassVar[tuple[str, ...]] = ()  # further words in ``loss``, for what the method computes itself
    own_only: ClassVar[bool] = False  # whether these are all that it learns by; else they stand beside another loss
    bounds: ClassVar[dict[str, Bounds]] = {
        "patch": Bounds(1),
        "batch": Bounds(1),
        "steps": Bounds(1),
        "rate": Bounds(0, above=True),
        "warmup": Bounds(0),
        "weight_decay": Bounds(0),
        "clip": Bounds(0, above=True),
        "ema": Bounds(0, 1),
        "eight_bit": Bounds(0, 1),
        "gray": Bounds(0, 1),
        "taught": Bounds(0, 1),
        "revive": Bounds(0),
    }

    noise: str  # a word that noise.parse reads, such as "gaussian:0..55"; or PAIRS
    patch: int  # side of the square patches, pixels
    batch: int  # patches a step
    steps: int  # optimiser steps in all
    rate: float = 5e-3  # peak learning rate
    optimiser: str = "muon"  # or "adam", at a lower rate
    warmup: int = 200  # steps of linear warm-up before the cosine; a tenth of all where there are no more
    weight_decay: float = 0.0  # decoupled
    clip: float = 1.0  # largest norm of the gradient
    ema: float = 0.999  # decay of the averaged weights, which are the ones kept
    eight_bit: float = 0.5  # share of patches whose noisy version is clipped and rounded as a file does
    frozen_norm: bool = False  # batch norms keep the statistics of --init-from: for batches too small to have any
    revive: int = 0  # every so many steps, in the first half, units that never fire are drawn anew; 0: never
    scales: str = "1"  # sizes that each image is learned at: 1,0.9,0.8,0.7 for a small set, 1,2 for soft detail too
    gray: float = 0.2  # share of patches made gray, noise and all, so that a colour net is at home with gray images too
    seed: int = 0
    teacher: str = ""  # weights whose estimates of noise that they learned are learned, in place of clean images
    taught: float = 0.5  # share of the patches that the teacher teaches
    perceptual: str = ""  # whose features the loss `perceptual` compares: a classifier's weights, or vgg16:FILE
    loss: str = "l1"  # a word that losses.parse reads; a method sees the one of its step, which losses.find reads


@dataclass(frozen=True)
class Method:
    """The card of a denoiser, or of a classifier that serves them. The name is the file's stem with ``-`` for ``_``."""

    make: Callable[[Any], Denoiser | Classifier]  # from a Config
    config: Any  # default Config: rebuilds the net, stored with the weights
    options: Any  # default Options: what a user may turn at run time
    summary: str  # what it does, in one line
    paper: str  # authors, title, venue, year
    recipe: Recipe | None = None  # None: nothing to train
    per_class: bool = False  # whether its weights are each for one class of images, which is their tag
    wrap: "Callable[[Method], Method] | None" = None  # for a ``Wrapper``: its card around the method of another card
    inner: "Method | None" = None  # that other method, where it was named

    @property
    def name(self) -> str:
        """What ``--model`` calls it."""
        own = self.make.__module__.rpartition(".")[2].replace("_", "-")
        return own if self.inner is None else f"{own}:{self.inner.name}"

    @property
    def learns(self) -> bool:
        """Whether it, or what it wraps, needs weights."""
        return (self.inner or self).recipe is not None

    @property
    def can_converge(self) -> bool:
        """Whether its denoisers are ``Unending``."""
        return hasattr(self.make, "refine")

    @property
    def classifies(self) -> bool:
        """Whether it makes a ``Classifier``."""
        return hasattr(self.config, "classes")

    @property
    def takes_map(self) -> bool:
        """Whether its denoisers are ``Mapped``."""
        return hasattr(self.make, "denoise_mapped")
