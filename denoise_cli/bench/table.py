"""The scores of the index as the README's table."""

import re
from collections.abc import Sequence

from denoise_cli.shelf import Entry

_SHOWN = ("20 iterations", "50 iterations")  # of the recurrent nets' budgets


def table(entries: Sequence[Entry]) -> str:
    """A Markdown table: one line for each weights file, set of images, kind of input and iteration budget."""
    lines = ["| weights | numbers | images | noise | input | PSNR, dB |", "| --- | ---: | --- | --- | --- | --- |"]
    for entry in entries:
        rows: dict[tuple[str, str, str], list[tuple[str, float]]] = {}
        for what, score in entry.scores.items():
            name, _, budget = what.partition(", ")
            if budget and budget not in _SHOWN:
                continue
            images, noise, kind = re.fullmatch(r"(\S+) (\S+) (.+)", name).groups()  # type: ignore[union-attr]
            word, _, level = noise.partition(":")
            key = (images, word, ", ".join(part for part in (kind, budget) if part))
            rows.setdefault(key, []).append((level, score))
        for (images, word, kind), scores in rows.items():
            levels = " / ".join(level for level, _ in scores)
            measured = " / ".join(f"{score:.2f}" for _, score in scores)
            lines.append(f"| `{entry.name}` | {entry.weights:,} | {images} | {word} {levels} | {kind} | {measured} |")
    return "\n".join(lines) + "\n"
