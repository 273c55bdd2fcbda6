"""The scores of the index as the README's table."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from denoise_cli.bench.references import published
from denoise_cli.noise.chain import THEN
from denoise_cli.shelf import Entry

_NOISE = r"[a-z-]+:\S+"
_SCORE = re.compile(
    rf"(?P<images>.+?) (?P<noise>{_NOISE}(?:{THEN}{_NOISE})*) (?P<input>float|8 bit)(?P<more>(?:, .+)?)"
)
_OWN = re.compile(r"(?:, (?P<worst>worst image))?(?:, told sigma)?(?:, \d+ iterations)?(?:, (?P<top>top-1 %))?")
_TITLES = ("weights", "numbers", "images", "noise", "float", "8 bit", "beside it")


@dataclass
class _Line:
    """The scores of one weights file on one set under one kind of noise, by level."""

    floats: dict[str, float] = field(default_factory=dict)
    bytes: dict[str, float] = field(default_factory=dict)
    beside: dict[str, dict[str, float]] = field(default_factory=dict)  # by whose they are

    @property
    def levels(self) -> list[str]:
        """All, in order."""
        return list(dict.fromkeys((*self.floats, *self.bytes)))


def table(entries: Sequence[Entry]) -> str:
    """A Markdown table: one line for each weights file, set of images and kind of noise.

    Of nets that iterate the last number of iterations counts. Beside stand what was measured on the same images, or
    else what papers report.
    """
    rows = [f"| {' | '.join(_TITLES)} |", "| --- | ---: | --- | --- | --- | --- | --- |"]
    for entry in entries:
        for (images, noise), line in _lines(entry).items():
            levels = line.levels
            beside = dict(line.beside)
            whose, figures = published(entry, images)
            if figures and not beside and line.floats | line.bytes:
                beside[whose] = {
                    level: figures[f"{noise}:{level}"] for level in levels if f"{noise}:{level}" in figures
                }
            told = "; ".join(f"{_joined(found, levels)} {name}" for name, found in beside.items() if found)
            cells = (
                f"`{entry.name}`", f"{entry.weights:,}", images, f"{noise} {' / '.join(levels)}",
                _joined(line.floats, levels), _joined(line.bytes, levels), told,
            )  # fmt: skip
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _lines(entry: Entry) -> dict[tuple[str, str], _Line]:
    lines: dict[tuple[str, str], _Line] = {}
    for what, score in entry.scores.items():
        found = _SCORE.fullmatch(what)
        if found is None:
            continue
        own = _OWN.fullmatch(found["more"])
        more = own["worst"] or own["top"] if own else None
        images = f"{found['images']}, {more}" if more else found["images"]
        kinds, levels = zip(*(word.split(":", 1) for word in found["noise"].split(THEN)), strict=True)
        level = "+".join(levels)
        line = lines.setdefault((images, THEN.join(kinds)), _Line())
        if own is None:
            whose = found["more"].rpartition(", ")[2]
            line.beside.setdefault(whose, {}).setdefault(level, score)  # of float and 8 bit the first
        else:
            (line.floats if found["input"] == "float" else line.bytes)[level] = score
    return lines


def _joined(scores: dict[str, float], levels: list[str]) -> str:
    return " / ".join(f"{scores[level]:.2f}" if level in scores else "-" for level in levels) if scores else ""
