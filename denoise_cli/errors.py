"""The family of errors a user can meet: each says what happened, what was expected, what to do, and its exit code.

Raised anywhere, caught once, in ``cli.app.main``. The exit codes are a stable interface (see the README).
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar

AGAIN = "Overwrite with --force, or choose another place with -o."  # a hint, where something exists already


class DenoiseError(Exception):
    """Something the user can understand and mend; ``what`` names the value at fault, ``hint`` the way out."""

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}\n{self.hint}" if self.hint else self.what


class UsageError(DenoiseError):
    """A flag, a name or a value that cannot be."""

    exit_code = 2


class InputError(DenoiseError):
    """An input that is missing, unreadable or not what it says it is."""

    exit_code = 3


class LimitError(InputError):
    """An input with more pixels than the limit."""


class OutputError(DenoiseError):
    """An output that exists already or cannot be written."""

    exit_code = 4


class ExistsError(OutputError):
    """An output that exists already."""


class WeightsError(DenoiseError):
    """Weights that are missing, damaged, or of another model."""

    exit_code = 5


class DeviceError(DenoiseError):
    """A device that is not there, or out of memory after every retry."""

    exit_code = 6


class PartialError(DenoiseError):
    """Some images of a batch failed; the others are done."""

    exit_code = 7


class GateError(DenoiseError):
    """A score below the gate that the user set."""

    exit_code = 8


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint for a name that does not exist: its nearest neighbour where there is one, and all that exist."""
    names = sorted(known)
    near = get_close_matches(word, names, n=1, cutoff=0.5)
    guess = f"Did you mean {near[0]!r}? " if near else ""
    return f"{guess}Known: {', '.join(names) or 'none'}."
