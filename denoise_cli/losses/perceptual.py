"""The perceptual loss: how different an estimate and the clean image look to a net that was trained to see.

Justin Johnson, Alexandre Alahi, Li Fei-Fei, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution",
ECCV 2016, equation 2.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor
from torch.nn import functional

from denoise_cli.errors import UsageError

Features = Callable[[Tensor], Tensor]  # of images (N, C, H, W) in [0, 1], for any C of 1 and 3

_eyes: ContextVar[Features | None] = ContextVar("eyes", default=None)


@contextmanager
def seen_by(features: Features | None) -> Iterator[None]:
    """While inside, the loss ``perceptual`` compares images by these ``features``."""
    before = _eyes.set(features)
    try:
        yield
    finally:
        _eyes.reset(before)


def perceptual(estimate: Tensor, clean: Tensor) -> Tensor:
    """The mean squared difference of the features of ``estimate`` and ``clean``, (N, C, H, W) each.

    Raises ``UsageError`` outside of ``seen_by``.
    """
    features = _eyes.get()
    if features is None:
        raise UsageError(
            "The loss 'perceptual' has nothing to see with.",
            "Name weights of a classifier: --perceptual classifier.tiny-imagenet, or --perceptual vgg16:FILE.",
        )
    with torch.no_grad():
        wanted = features(clean.clamp(0, 1))
    return functional.mse_loss(features(estimate.clamp(0, 1)), wanted)
