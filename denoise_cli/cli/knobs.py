"""Flags to dataclasses: a flag that was not given keeps the default, one that the method lacks is an error."""

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from denoise_cli.cli.ranges import parse_range
from denoise_cli.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from denoise_cli.image import Box

Knobs = TypeVar("Knobs")

_OPTIONAL: dict[str, type] = {"float": float, "int": int, "bool": bool, "str": str}


def fill(defaults: Knobs, given: Mapping[str, Any], of: str) -> Knobs:
    """``defaults`` (a frozen dataclass) with the values in ``given``.

    Raises ``UsageError`` for a name that ``defaults`` does not have, or a value of another type, such as ``None`` for a
    field that is not optional; ``of`` says whose knobs they are.
    """
    assert is_dataclass(defaults) and not isinstance(defaults, type)
    known = {field.name: field for field in fields(defaults)}
    for name, value in given.items():
        if name not in known:
            raise UsageError(f"{of} has no knob {name!r}.", did_you_mean(name, known))
        _check(name, value, getattr(defaults, name), str(known[name].type), of)
    return replace(defaults, **given)


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


def _check(name: str, value: object, default: object, type_name: str, of: str) -> None:
    """``type_name`` is the field's: a plain type, or an optional one such as ``float | None``."""
    kind = type(default) if default is not None else _OPTIONAL.get(type_name.partition(" |")[0])
    if kind is None or (value is None and type_name.endswith("| None")):
        return
    fits = isinstance(value, kind) or (kind is float and isinstance(value, int) and not isinstance(value, bool))
    if kind is int and isinstance(value, bool):
        fits = False
    if isinstance(value, float) and not math.isfinite(value):
        fits = False
    if not fits:
        wanted = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}
        usual = f", by default {default!r}" if default is not None else ""
        raise UsageError(f"{of}: {name} cannot be {value!r}.", f"It is {wanted.get(kind, kind.__name__)}{usual}.")
