"""Metrics: how near an estimate is to the clean image. Each is ``metric(estimate, clean) -> Tensor (N,)``.

Images are (N, C, H, W) in [0, 1], whatever lies outside is clipped; of every metric here, more is better.
"""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from denoise_cli.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

    Metric = Callable[[Tensor, Tensor], Tensor]

__all__ = ["find", "parse"]

_NAMES = ("psnr", "ssim", "ms-ssim")


def parse(words: str) -> tuple[str, ...]:
    """Read ``psnr,ssim,ms-ssim``: names in the order given, each once.

    Raises ``UsageError`` for an unknown metric and for none at all.
    """
    asked = [word.strip().lower().replace("_", "-") for word in words.split(",")]
    for word in asked:
        if word not in _NAMES:
            raise UsageError(f"There is no metric {word!r}.", did_you_mean(word, _NAMES))
    return tuple(dict.fromkeys(asked))


def find(name: str) -> "Metric":
    """The function of a metric; its file, and torch with it, is imported only now."""
    if name not in _NAMES:
        raise UsageError(f"There is no metric {name!r}.", did_you_mean(name, _NAMES))
    stem = name.replace("-", "_")
    metric: Metric = getattr(import_module(f"denoise_cli.metrics.{stem}"), stem)
    return metric
