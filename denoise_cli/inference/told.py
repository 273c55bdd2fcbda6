"""Noise levels that a user tells, in pixels that were brought into [0, 1]."""

from dataclasses import replace
from math import sqrt
from typing import Any

from denoise_cli.fitting.discrepancy import Discrepancy
from denoise_cli.image.picture import Source
from denoise_cli.noise.levels import on_unit

_STOP = "sigma:"


def told(options: Any, source: Source) -> Any:
    """``options`` of a method with the levels that they name as they are in the pixels of ``source``.

    A floating-point file may leave [0, 1]; its value is ``scale`` times the pixel plus ``offset``, and so a variance of
    ``shot^2 x + sigma^2`` of its values x is one of ``shot^2 / scale y + (sigma^2 + shot^2 offset) / scale^2`` of the
    pixels y. What is not named is left to be measured.
    """
    scale, offset = source.scale, source.offset
    if (scale, offset) == (1.0, 0.0):
        return options
    changes: dict[str, Any] = {}
    sigma, shot, stop = (getattr(options, name, None) for name in ("sigma", "shot", "stop"))
    grows = on_unit(shot) if shot is not None and shot > 0 else 0.0  # what is no level is left for the method to say
    if sigma is not None and sigma > 0:
        changes["sigma"] = sqrt(max(0.0, on_unit(sigma) ** 2 + grows**2 * offset)) / scale
    if grows:
        changes["shot"] = grows / sqrt(scale)
    if isinstance(stop, str) and stop.startswith(_STOP):
        changes["stop"] = f"{_STOP}{Discrepancy.parse(stop.removeprefix(_STOP)).sigma / scale:.9f}"
    return replace(options, **changes) if changes else options
