"""What a run learns from and what it is judged by, from its data."""

from dataclasses import dataclass

import torch

from denoise_cli import noise
from denoise_cli.data import training_set
from denoise_cli.data.patches import Patches
from denoise_cli.data.scales import at_scales, in_turn, parse_scales
from denoise_cli.errors import UsageError
from denoise_cli.method import PAIRS
from denoise_cli.training.run import Run
from denoise_cli.training.validation import Accuracy, Validation


@dataclass(frozen=True)
class Material:
    """The patches of the images to learn from, and the validation on those that are kept out."""

    patches: Patches
    learned: int  # images
    validation: Validation
    kept: int  # images
    converted: int  # images that came with another number of channels


def gather(run: Run, held_out: int, device: torch.device) -> Material:
    """Read the images of ``run``, about ``held_out`` of them for the validation; of each class where it has classes.

    Raises ``InputError`` for what cannot be read or is too small, ``UsageError`` where there are too few images.
    """
    recipe, words, channels = run.recipe, run.data, run.config.channels
    scales = parse_scales(recipe.scales)
    if recipe.noise == PAIRS and (run.classes or run.only):
        raise UsageError("The pairs of a make-data set have no classes.", "Name a set of clean images, and a --noise.")
    kind = None if recipe.noise == PAIRS else noise.parse(recipe.noise)
    if run.classes:
        sets = training_set.load_classes(words, channels, run.limit, run.classes, run.only)
        groups, kept = training_set.split_classes(sets, held_out, recipe.seed)
        labels = [number for number, images in enumerate(kept) for _ in images]
        flat = [image for images in kept for image in images]
        judge: Validation = Accuracy.make(flat, kind, recipe.seed, device, labels)
    else:
        if kind is None:
            sets = training_set.load_pairs(words, channels, run.limit)
        else:
            sets = training_set.load(words, channels, run.limit, run.only)
        groups, flat = training_set.split(sets, held_out, recipe.seed)
        judge = Validation.make(in_turn(flat, scales, recipe.patch), kind, recipe.seed, device)
    grown = [at_scales(images, scales, recipe.patch) for images in groups]
    patches = Patches(grown, recipe.patch, device, upright=bool(run.classes))
    converted = sum(images.converted for images in sets)
    return Material(patches, sum(map(len, groups)), judge, len(flat), converted)
