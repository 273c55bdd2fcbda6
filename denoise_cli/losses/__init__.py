"""Losses: how far an estimate is from the clean image, as a scalar to minimise.

Their words are ``l1``, ``ssim:5``, sums such as ``mse + 0.08*tv``, and ``l2@0..50%,l1@50%..`` for a change on the way.
"""

from functools import lru_cache

from denoise_cli.errors import UsageError
from denoise_cli.losses.perceptual import Features, seen_by
from denoise_cli.losses.schedule import Schedule
from denoise_cli.losses.sums import Sum
from denoise_cli.losses.words import LOSSES, Loss

__all__ = ["Features", "Loss", "Schedule", "Sum", "find", "names", "parse", "seen_by"]


def names() -> list[str]:
    """The words for single losses."""
    return sorted(LOSSES)


@lru_cache(maxsize=64)
def find(text: str) -> Sum:
    """The loss ``text``, ``l1`` or ``mse + 0.08*tv``; it takes estimate and clean of one shape.

    Raises ``UsageError`` for an unknown one, and for one that changes on the way: training asks for that of its step.
    """
    schedule = parse(text)
    if len(schedule.phases) > 1:
        raise UsageError(f"The loss {text!r} changes on the way.", "Only training has a way; name one of its parts.")
    return schedule.phases[0].loss


@lru_cache(maxsize=64)
def parse(text: str, own: tuple[str, ...] = ()) -> Schedule:
    """Read a loss that may change on the way; ``own`` are words of losses that a method computes itself.

    Raises ``UsageError`` where a part of it cannot be.
    """
    return Schedule.parse(text, own)
