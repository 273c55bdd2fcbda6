"""How often a classifier is right about images that it never saw."""

from pathlib import Path

import torch

from denoise_cli.bench.protocol import TINY_IMAGENET, Trial, images, luma, shown
from denoise_cli.inference.perception import Seer
from denoise_cli.noise import parse
from denoise_cli.training.validation import Accuracy

NOISES = ("gaussian:0", "gaussian:25")


def accuracies(seer: Seer, data: Path, device: torch.device, dtype: torch.dtype) -> dict[str, float]:
    """The share of the validation part of Tiny ImageNet, percent, whose class comes first: by what was measured.

    Empty for a classifier of other classes. Raises ``InputError`` where the set is not below ``data``.
    """
    if not set(shown(TINY_IMAGENET, data).values()) <= set(seer.net.classes):
        return {}
    trials = (Trial(TINY_IMAGENET, noise, True) for noise in NOISES)
    return {
        f"tiny-imagenet-subset val {trial.noise} 8 bit, top-1 %": accuracy(seer, trial, data, device, dtype)
        for trial in trials
    }


def accuracy(seer: Seer, trial: Trial, data: Path, device: torch.device, dtype: torch.dtype) -> float:
    """The share of the images of ``trial``, percent, whose class comes first.

    Raises ``InputError`` where the set is not below ``data``.
    """
    labels = shown(trial.images, data)
    kept = list(images(trial.images, data, trial.only, trial.limit))
    views = [luma(clean) if seer.net.channels == 1 else clean.expand(seer.net.channels, -1, -1) for _, clean in kept]
    flat = [view.mul(255).round().byte() for view in views]
    numbers = [seer.net.classes.index(labels[name]) for name, _ in kept]
    judge = Accuracy.make(flat, parse(trial.noise), trial.seed, device, numbers)
    assert isinstance(seer.net, torch.nn.Module)
    return judge.judge(seer.net, None, dtype).score
