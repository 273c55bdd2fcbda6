"""What is typed behind flags, read: settings, iterations, strengths, boxes."""

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from denoise_cli.cli.ranges import parse_range
from denoise_cli.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from denoise_cli.image import Box


def parse_settings(settings: list[str]) -> dict[str, Any]:
    """``--set name=value`` flags: numbers, true, false and null are read as such, anything else is a word."""
    parsed: dict[str, Any] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise UsageError(f"--set {setting!r} is no setting.", "Write --set name=value, such as --set depth=17.")
        try:
            parsed[name.strip().replace("-", "_")] = json.loads(value)
        except json.JSONDecodeError:
            parsed[name.strip().replace("-", "_")] = value
    return parsed


def split(settings: Mapping[str, Any], *groups: Any, of: str) -> list[dict[str, Any]]:
    """Deal out ``settings`` to the dataclasses that have a field of that name; one that none has is an error."""
    shares: list[dict[str, Any]] = [{} for _ in groups]
    for name, value in settings.items():
        owners = [index for index, group in enumerate(groups) if name in {field.name for field in fields(group)}]
        if not owners:
            known = {field.name for group in groups for field in fields(group)}
            raise UsageError(f"{of} has no knob {name!r}.", did_you_mean(name, known))
        shares[owners[0]][name] = value
    return shares


def parse_counts(text: str) -> tuple[int, ...]:
    """Whole numbers above 0 from ``50``, ``10,20,50`` or ``1..5``, ascending; raises ``UsageError`` for others."""
    numbers = parse_range(text)
    for number in numbers:
        if number < 1 or number != int(number):
            raise UsageError(f"{number:g} is no number of iterations.", "Iterations are whole and at least 1.")
    return tuple(sorted({int(number) for number in numbers}))


def parse_strengths(text: str) -> tuple[float, ...]:
    """Shares of 1 from ``0.7`` or ``0.4,0.7,1``; raises ``UsageError`` for others."""
    strengths = parse_range(text)
    for strength in strengths:
        if not 0 <= strength <= 1:
            raise UsageError(f"{strength:g} is no strength.", "It is between 0 (the noisy image) and 1 (the estimate).")
    return strengths


def parse_box(text: str) -> "Box":
    """The part of an image that ``X,Y,W,H`` means; raises ``UsageError`` for anything else."""
    from denoise_cli.image import Box

    numbers = text.split(",")
    if len(numbers) != 4 or not all(number.strip().isdecimal() for number in numbers):
        raise UsageError(
            f"{text!r} is no part of an image.",
            "Write X,Y,W,H: the pixels to its left and above it, its width and its height.",
        )
    return Box(*map(int, numbers))
