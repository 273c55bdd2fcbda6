"""How often a classifier is right about images that it never saw."""

from pathlib import Path

import torch

from denoise_cli.data import training_set
from denoise_cli.errors import InputError
from denoise_cli.inference.perception import Seer
from denoise_cli.noise import parse
from denoise_cli.training.validation import Accuracy

SET = "tiny-imagenet-subset.tar"
NOISES = ("gaussian:0", "gaussian:25")


def accuracies(seer: Seer, data: Path, device: torch.device, dtype: torch.dtype) -> dict[str, float]:
    """The share of the validation part of Tiny ImageNet, percent, whose class comes first: by what was measured.

    Empty for a classifier of other classes. Raises ``InputError`` where the set is not below ``data``.
    """
    path = data / SET
    if not path.exists():
        raise InputError(f"There is no set {SET!r} in {str(data)!r}.", "Classifiers are measured on it.")
    names = training_set.class_names([str(path)], None)
    if names != seer.net.classes:
        return {}
    classes = training_set.load_classes([str(path)], seer.net.channels, None, names)
    kept = [[image for versions in images.held_out.values() for image in versions] for images in classes]
    labels = [number for number, images in enumerate(kept) for _ in images]
    flat = [image for images in kept for image in images]
    assert isinstance(seer.net, torch.nn.Module)
    found = {}
    for noise in NOISES:
        judge = Accuracy.make(flat, parse(noise), 0, device, labels)
        found[f"tiny-imagenet-subset val {noise} 8 bit, top-1 %"] = judge.score(seer.net, None, dtype)
    return found
