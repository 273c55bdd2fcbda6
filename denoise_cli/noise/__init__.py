"""Noise: what it is, how its words are read. ``parse("sp:0.3")`` gives a noise whose ``str`` is ``sp:0.3`` again."""

from collections.abc import Callable

from denoise_cli.errors import UsageError, did_you_mean
from denoise_cli.noise.gaussian import Gaussian
from denoise_cli.noise.impulse import SaltAndPepper
from denoise_cli.noise.pair import Noise, Pair, stored

__all__ = ["Noise", "Pair", "kinds", "parse", "stored"]

_KINDS: dict[str, Callable[[str], Noise]] = {
    "gaussian": Gaussian.parse,
    "sp": SaltAndPepper.parse,
}


def kinds() -> list[str]:
    """The words that noise can begin with."""
    return sorted(_KINDS)


def parse(word: str) -> Noise:
    """Read ``kind:level``, such as ``sp:0.1``, ``gaussian:25`` or ``gaussian:0..55``.

    Raises ``UsageError`` for an unknown kind or a level out of its range.
    """
    kind, colon, level = word.partition(":")
    if kind not in _KINDS:
        raise UsageError(f"There is no noise {kind!r}.", did_you_mean(kind, _KINDS))
    if not colon or not level:
        raise UsageError(f"The noise {word!r} has no level.", f"Write it after a colon, such as {kind}:0.1.")
    return _KINDS[kind](level)
