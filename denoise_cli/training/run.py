"""What defines a training run, and in what it differs from another."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields, replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from denoise_cli import losses, noise
from denoise_cli.data.scales import parse_scales
from denoise_cli.errors import UsageError, WeightsError
from denoise_cli.method import PAIRS, Recipe

OPTIMISERS = ("muon", "adam")

_Recipe = TypeVar("_Recipe", bound=Recipe)


@dataclass(frozen=True)
class Run:
    """All that defines a run.

    Two runs with the same fields end in the same weights on the same CPU with the same number of threads.
    """

    model: str
    config: Any
    options: Any
    recipe: Recipe
    data: tuple[str, ...]  # where the images came from
    dtype: torch.dtype
    command: str = ""  # for the record
    held_out: int | None = None  # images kept for validation
    limit: int | None = None  # images of each set at most
    only: tuple[str, ...] = ()  # classes of images, or groups of them; none: all
    init_from: str = ""  # weights to start from
    init_sha256: str = ""  # of these weights
    init_without: tuple[str, ...] = ()  # parts of the net that do not start from them
    teacher_sha256: str = ""  # of the weights that it learns from
    perceptual_sha256: str = ""  # of the weights that its loss sees with
    images: str = ""  # the fingerprint of those that it learns from; "": not read yet
    micro_batch: int | None = None  # patches that go through the net at once, at most; the step is that of all

    @property
    def classes(self) -> tuple[str, ...]:
        """What is learned, where it is classes; none for a denoiser."""
        return getattr(self.config, "classes", ())

    def settings(self) -> dict[str, Any]:
        """What must be equal for a saved state to be continued; plain JSON."""
        settings = {
            "model": self.model,
            "config": asdict(self.config),
            "recipe": asdict(self.recipe),
            "data": list(self.data),
            "dtype": str(self.dtype).removeprefix("torch."),
            "held_out": self.held_out,
            "limit": self.limit,
            "only": list(self.only),
            "init_from": self.init_from,
            "init_sha256": self.init_sha256,
            "init_without": list(self.init_without),
            "teacher_sha256": self.teacher_sha256,
            "perceptual_sha256": self.perceptual_sha256,
        }
        plain: dict[str, Any] = json.loads(json.dumps(settings))
        return plain | ({"images": self.images} if self.images else {})

    def differences(self, theirs: dict[str, Any]) -> list[str]:
        """In what the saved settings ``theirs`` differ, such as ``rate (0.001 there, 0.002 here)``.

        A setting that the saved ones do not have yet is taken for its default, or as no difference.
        """
        defaults = {field.name: field.default for field in fields(self.recipe) if field.default is not MISSING}
        return differences(theirs, self.settings(), {"recipe": defaults, "teacher_sha256": "", "init_without": []})


def check(recipe: Recipe) -> None:
    """Raise ``UsageError`` where a recipe has a value that cannot be trained with, or words that do not exist."""
    for name, bounds in recipe.bounds.items():
        value = getattr(recipe, name)
        if value is not None and value not in bounds:
            raise UsageError(f"{name} cannot be {value}.", f"It is {bounds}.")
    if recipe.optimiser not in OPTIMISERS:
        raise UsageError(f"There is no optimiser {recipe.optimiser!r}.", f"Choose from: {', '.join(OPTIMISERS)}.")
    parse_scales(recipe.scales)
    schedule = losses.parse(recipe.loss, recipe.own_losses)
    looks = "perceptual" in schedule.words()
    if looks and not recipe.perceptual:
        raise UsageError(
            f"The loss {recipe.loss!r} has nothing to see with.",
            "Name weights of a classifier: --perceptual classifier.tiny-imagenet, or --perceptual vgg16:FILE.",
        )
    if recipe.perceptual and not looks:
        raise UsageError(
            f"The loss {recipe.loss!r} does not look with {recipe.perceptual}.",
            "Put the word in, with a weight: --loss 'mse + 0.1*perceptual'; or leave --perceptual out.",
        )
    for phase in schedule.phases:
        _check_own(phase.loss, recipe)
    if recipe.noise != PAIRS:
        noise.parse(recipe.noise)
    elif any(scale != 1 for scale in parse_scales(recipe.scales)):
        raise UsageError(
            f"Pairs of a make-data set cannot be learned at the scales {recipe.scales}: their noise has one size.",
            "Leave the scales out, or name a set of clean images and a --noise.",
        )
    elif recipe.teacher:
        raise UsageError(
            f"{recipe.teacher} teaches noise that is drawn anew, and the pairs of a make-data set hold theirs already.",
            "Name a set of clean images and a --noise, or leave --teacher out.",
        )


def _check_own(loss: losses.Sum, recipe: Recipe) -> None:
    others = losses.Sum(tuple(term for term in loss.terms if term.word not in recipe.own_losses))
    if recipe.own_only and others.terms:
        raise UsageError(f"A classifier has no loss {str(others)!r}.", "It learns labels: leave --loss out.")
    if not recipe.own_only and not others.terms:
        raise UsageError(
            f"The loss {str(loss)!r} does not compare the estimate with the clean image.",
            f"Add one that does, as in mse + 0.08*{recipe.own_losses[0]}.",
        )


def check_given(given: Collection[str], recipe: Recipe) -> None:
    """Raise ``UsageError`` where a knob that was ``given`` would do nothing."""
    if "taught" in given and not recipe.teacher:
        raise UsageError(
            f"taught={recipe.taught:g} is the share of the patches that a teacher teaches, and there is none.",
            "Name one with --teacher, or leave it out.",
        )
    for name in ("gray", "eight_bit"):
        if name in given and getattr(recipe, name) and recipe.noise == PAIRS:
            raise UsageError(
                f"{name}={getattr(recipe, name):g} is for noise that is drawn anew; the pairs of a make-data set hold "
                "theirs already.",
                "Leave it out, or name a set of clean images and a --noise.",
            )


def check_shape(config: Any, model: str) -> None:
    """Raise ``UsageError`` where a ``config`` has a number that no net has."""
    for field in fields(config):
        value = getattr(config, field.name)
        if not isinstance(value, int) or isinstance(value, bool):
            continue
        if field.name == "channels" and value not in (1, 3):
            raise UsageError(f"{model} cannot have {value} channels.", "It has 1 for gray or 3 for colour.")
        least = 0 if field.default == 0 else 2 if field.name == "depth" else 1
        if value < least:
            raise UsageError(f"{model}: {field.name} cannot be {value}.", f"It is at least {least}.")


def check_start(run: Run) -> None:
    """Raise ``UsageError`` where something is to be kept or left out of other weights, and none are named."""
    if run.init_without and not run.init_from:
        raise UsageError(
            f"There are no weights to start from without {', '.join(run.init_without)}.", "Name them: --init-from RUN."
        )
    if run.recipe.frozen_norm and not run.init_from:
        raise UsageError(
            "frozen_norm keeps the statistics of the weights that the run starts from, and it starts from none.",
            "Name weights: --init-from dncnn.color-blind, or a run.",
        )


def without(tensors: Mapping[str, Tensor], parts: Sequence[str], weights: str) -> dict[str, Tensor]:
    """The ``tensors`` of ``weights`` that are in none of the ``parts`` of the net, such as ``estimator``.

    Raises ``UsageError`` for a part that has none.
    """
    for part in parts:
        if not any(name.startswith(f"{part}.") for name in tensors):
            known = sorted({name.partition(".")[0] for name in tensors})
            raise UsageError(f"{weights} has no part {part!r}.", f"Its parts: {', '.join(known)}.")
    return {name: value for name, value in tensors.items() if not any(name.startswith(f"{part}.") for part in parts)}


def check_norms(net: nn.Module, taken: Collection[str], weights: str) -> None:
    """Raise an error where ``net`` is to keep the statistics of batch norm of ``weights``, and cannot.

    It is a ``UsageError`` where there are none to keep, a ``WeightsError`` where not all were ``taken``, by name.
    """
    statistics = [name for name in net.state_dict() if "running_" in name]
    if not statistics:
        raise UsageError("frozen_norm is for nets with batch norm, and this one has none.", "Leave it out.")
    missing = [name for name in statistics if name not in taken]
    if missing:
        raise WeightsError(
            f"Of {weights} {len(missing)} of the {len(statistics)} statistics that frozen_norm keeps do not fit, first "
            f"{missing[0]!r}.",
            "Start from weights of a net of the same shape, or leave frozen_norm out.",
        )


def check_patch(patch: int, stride: int, net: str = "this net") -> None:
    """Raise ``UsageError`` where patches of ``patch`` pixels are no multiple of the ``stride`` of ``net``."""
    if patch % stride:
        below = patch // stride * stride
        nearest = f"{below} or {below + stride}" if below else str(stride)
        raise UsageError(
            f"Patches of {patch} pixels do not fit {net}: it takes multiples of {stride}.",
            f"Use --patch {nearest}.",
        )


def at_step(recipe: _Recipe, step: int) -> _Recipe:
    """The recipe as it is at a step: a loss that changes on the way is the one of that moment."""
    return replace(recipe, loss=str(losses.parse(recipe.loss, recipe.own_losses).at(step, recipe.steps)))


def differences(theirs: dict[str, Any], ours: dict[str, Any], usual: dict[str, Any] | None = None) -> list[str]:
    """In what settings differ, by their names; what ``theirs`` do not have yet is as ``usual``, or no difference."""
    found, usual = [], usual or {}
    for name, value in ours.items():
        other = theirs.get(name, usual.get(name, value))
        if other == value:
            continue
        if isinstance(value, dict) and isinstance(other, dict):
            found += differences(other, value, usual.get(name))
        else:
            found.append(f"{name} ({_show(other)} there, {_show(value)} here)")
    return found


def _show(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
