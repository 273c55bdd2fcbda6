"""Fill the fields of a frozen dataclass from names and values that a user gave, and say what numbers they may be."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

from denoise_cli.errors import UsageError, did_you_mean

Fields = TypeVar("Fields")

_OPTIONAL: dict[str, type] = {"float": float, "int": int, "bool": bool, "str": str}


@dataclass(frozen=True)
class Bounds:
    """The finite numbers that a field may be; ``str`` says them."""

    low: float
    high: float = math.inf
    above: bool = False  # only above the low one
    below: bool = False  # only below the high one

    def __contains__(self, value: float) -> bool:
        inside = math.isfinite(value) and self.low <= value <= self.high
        return inside and not (self.above and value == self.low) and not (self.below and value == self.high)

    def __str__(self) -> str:
        low = f"{'above' if self.above else 'at least'} {self.low:g}"
        return low if self.high == math.inf else f"{low} and {'below' if self.below else 'at most'} {self.high:g}"


def fill(defaults: Fields, given: Mapping[str, Any], of: str) -> Fields:
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
