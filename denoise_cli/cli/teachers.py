"""The weights that another net is to learn from."""

import torch

from denoise_cli import checkpoint, methods, noise, shelf
from denoise_cli.errors import UsageError
from denoise_cli.inference.load import load_net
from denoise_cli.method import PAIRS, Method, Recipe
from denoise_cli.training.run import check_patch
from denoise_cli.training.teacher import Teacher


def load_teacher(student: Method, recipe: Recipe, channels: int, device: torch.device, dtype: torch.dtype) -> Teacher:
    """The teacher that ``recipe`` names, for a ``student`` of ``channels``.

    Raises ``WeightsError`` where it cannot be loaded, ``UsageError`` where it cannot teach such a net.
    """
    if student.classifies:
        raise UsageError(f"{student.name} learns what images show, not images.", "Leave --teacher out.")
    path = shelf.located(recipe.teacher)
    loaded = checkpoint.load(path)
    card, learned = methods.find(loaded.model), loaded.said("recipe", "noise", str)
    if card.classifies or learned == PAIRS:
        what = "a classifier" if card.classifies else "a net that learned pairs, of a noise that nobody named"
        raise UsageError(
            f"{recipe.teacher} is {what}: it cannot teach.", "Name a denoiser that was trained with a --noise."
        )
    net = load_net(path, card)
    if net.channels not in (None, channels):
        raise UsageError(
            f"{recipe.teacher} takes images of {net.channels} channels, not of {channels}: it cannot teach.",
            f"Name weights for {channels}: see `denoise models`.",
        )
    check_patch(recipe.patch, net.stride, recipe.teacher)
    module = net.to(device=device, memory_format=torch.channels_last)  # type: ignore[attr-defined]
    return Teacher(module, card.options, noise.parse(learned), dtype, shelf.digest(path))
