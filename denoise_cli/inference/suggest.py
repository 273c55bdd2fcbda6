"""The command that suits what was seen in an image."""

import shlex
from collections.abc import Sequence
from pathlib import PurePath

from denoise_cli import shelf
from denoise_cli.errors import WeightsError
from denoise_cli.inference.choose import GAUSSIAN, IMPULSES, Look, choose

_CLEAN = 1.5 / 255  # sigma up to which there is nothing to remove
_BESIDE = 4 / 255  # sigma from which noise beside impulses is worth a second run


def suggest(seen: Look, name: str, channels: int, entries: Sequence[shelf.Entry]) -> str | None:
    """A command line that denoises the file ``name``; ``None`` where it needs none.

    Salt and pepper and other noise are removed one after the other. Noise that is not white is none that the nets
    here were trained on: non-local means are told its level.
    """
    grainy = seen.sigma > (_BESIDE if seen.suits == IMPULSES else _CLEAN)
    if seen.suits == IMPULSES:
        first = _run(name, _weights(seen, channels, entries, "impulse"))
        if not grainy:
            return first
        path = PurePath(name)
        between = str(path.with_name(f"{path.stem}-without-impulses.png")) if name != "-" else "without-impulses.png"
        grain = Look(0.0, seen.sigma, white=seen.white)
        return f"{first} -o {_quoted(between)} && {suggest(grain, between, channels, entries)}"
    if not grainy:
        return None
    if seen.white:
        return _run(name, _weights(seen, channels, entries, "nlm"))
    return f"{_run(name, 'nlm')} --sigma {max(1.1, 255 * seen.sigma):.1f}"


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
