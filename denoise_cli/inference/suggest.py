"""The command that suits what was seen in an image."""

import shlex
from collections.abc import Sequence
from contextlib import suppress

from denoise_cli import shelf
from denoise_cli.errors import WeightsError
from denoise_cli.inference.choose import CAMERA, GAUSSIAN, IMPULSES, JPEG, MIXED, Look, choose, ranked

_CLEAN = 1.5 / 255  # sigma up to which there is nothing to remove
_FILTERS = {IMPULSES: ("impulse", "adaptive-median", "inpaint"), GAUSSIAN: ("bm3d", "nlm")}  # take no weights
_OTHERS = 2  # weights to be compared with those that are chosen


def suggest(seen: Look, name: str, channels: int, entries: Sequence[shelf.Entry]) -> str | None:
    """A command line that denoises the file ``name``; ``None`` where it needs none.

    With no model `run` removes salt and pepper and other noise one after the other, and goes channel by channel where
    each has impulses of its own. Where there are no weights for noise that is not white, non-local means are told its
    level.
    """
    there = {kind for entry in entries for kind in entry.kinds}
    if seen.grainy_beside and MIXED not in there and {IMPULSES, GAUSSIAN} <= there:
        return f"denoise run {_quoted(name)}"
    if seen.apart and IMPULSES in there:
        return f"denoise run {_quoted(name)}"
    if seen.suits == IMPULSES:
        return _run(name, _weights(seen, channels, entries, "impulse"))
    if seen.compressed and JPEG in there:
        return _run(name, _weights(seen, channels, entries, "nlm"))
    if seen.sigma <= _CLEAN:
        return None
    if seen.white or CAMERA in there:
        return _run(name, _weights(seen, channels, entries, "nlm"))
    return f"{_run(name, 'nlm')} --sigma {max(1.1, 255 * seen.sigma):.1f}"


def rivals(seen: Look, channels: int, entries: Sequence[shelf.Entry]) -> list[str]:
    """What is worth being compared with the weights that are chosen: others for such noise, of as many channels and
    each of another model, and filters.
    """
    found: dict[str, str] = {}
    for kind in seen.kinds:
        for entry in ranked(kind, seen, channels, entries):
            if entry.channels == channels:
                found.setdefault(entry.model, entry.name)
    with suppress(WeightsError):
        found.pop(choose(seen, channels, entries).model, None)
    return [*list(found.values())[:_OTHERS], *_FILTERS[seen.suits]]


def _weights(seen: Look, channels: int, entries: Sequence[shelf.Entry], otherwise: str) -> str:
    assert seen.suits in (IMPULSES, GAUSSIAN)
    try:
        return choose(seen, channels, entries).name
    except WeightsError:
        return otherwise


def _run(name: str, model: str) -> str:
    return f"denoise run {_quoted(name)} --model {model}"


def _quoted(name: str) -> str:
    return shlex.quote(f"./{name}" if name.startswith(("-", "@")) and name != "-" else name)
