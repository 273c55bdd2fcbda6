"""The denoisers, one file each. ``find`` is the only place that turns a name into code."""

from functools import cache
from importlib import import_module
from pathlib import Path

from denoise_cli.errors import UsageError, did_you_mean
from denoise_cli.method import Method


@cache
def names() -> tuple[str, ...]:
    """The names of all methods, from the folder alone: nothing is imported."""
    stems = (path.stem for path in Path(__file__).parent.glob("*.py"))
    return tuple(sorted(stem.replace("_", "-") for stem in stems if not stem.startswith("_")))


def find(name: str) -> Method:
    """The card of one method, or of a wrapper around one (``nn3d:dncnn``).

    Raises ``UsageError`` for a name that does not exist, and for one that wraps nothing.
    """
    name, colon, inner = name.partition(":")
    if name not in names():
        hint = "Weights from a file: --model NAME --weights FILE." if "/" in name else did_you_mean(name, names())
        raise UsageError(f"There is no model {name!r}.", hint)
    method = import_module(f"{__name__}.{name.replace('-', '_')}").METHOD
    assert isinstance(method, Method)
    if not colon:
        return method
    if method.wrap is None or ":" in inner:
        able = [other for other in names() if find(other).wrap is not None]
        raise UsageError(
            f"There is no model {name}:{inner}.", f"Two names go with {', '.join(able)}, as in nn3d:dncnn."
        )
    return method.wrap(find(inner))
