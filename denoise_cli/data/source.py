"""Where clean images come from: their names at once, their pixels one after another."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from denoise_cli.errors import InputError, LimitError, did_you_mean
from denoise_cli.image import read
from denoise_cli.seeds import derive

Pixels = NDArray[np.uint8]  # (C, H, W), C is 1 or 3
Reader = Callable[[Collection[str]], Iterator[tuple[str, Pixels | InputError]]]
Notice = Callable[[str], None]  # is told what reading an image changed or left out, in a sentence


class Picture(NamedTuple):
    """One clean image of a source."""

    name: str
    pixels: Pixels


@dataclass(frozen=True, eq=False)
class Source:
    """Clean images under names such as ``train/00001-frog.png``; deeper images than 8 bits are rounded to 8."""

    word: str  # what the user called it: a path, or the name of a known set
    names: tuple[str, ...]  # with "/" between folders, never leaving the folder they are written to
    reader: Reader  # the images of some of the names, in the source's order, or the error that one of them met
    tested: frozenset[str] = frozenset()  # names that a known set keeps for testing: never to be trained on
    classes: Mapping[str, str] = field(default_factory=dict)  # what images show, by name: ``animals/frog``

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Picture]:
        """Every image with its name; raises the ``InputError`` of the first that cannot be read."""
        for name, pixels in self.read():
            if isinstance(pixels, InputError):
                raise pixels
            yield Picture(name, pixels)

    def read(self, names: Collection[str] | None = None) -> Iterator[tuple[str, Pixels | InputError]]:
        """The images of ``names`` (all, by default) in the source's order; a broken one comes as its error."""
        return self.reader(frozenset(self.names if names is None else names))

    def limited(self, limit: int | None, seed: int) -> "Source":
        """``limit`` of the images, drawn by the seed and the names and still in the source's order; ``None``: all."""
        if limit is None or limit >= len(self):
            return self
        drawn = set(sorted(self.names, key=lambda name: derive(seed, "limit", name))[:limit])
        return replace(self, names=tuple(name for name in self.names if name in drawn))

    def only(self, classes: Collection[str]) -> "Source":
        """The images of some ``classes`` (``frog``) or groups of them (``animals``); all of them where none is named.

        Raises ``InputError`` for a class that no image has.
        """
        if not classes:
            return self
        parts = {label: set(label.split("/")) for label in set(self.classes.values()) if label}
        unknown = sorted(set(classes).difference(*parts.values()))
        if unknown:
            groups = {label.partition("/")[0] for label in parts}
            raise InputError(f"{self.word} has no class {unknown[0]!r}.", did_you_mean(unknown[0], groups))
        kept = (name for name in self.names if not parts.get(self.classes.get(name, ""), set()).isdisjoint(classes))
        return replace(self, names=tuple(kept))


def pixels_of(file: Path, notice: Notice = lambda _: None) -> Pixels:
    """The image in ``file`` in 8 bits; raises ``InputError``, also where values of floating point leave [0, 1]."""
    try:
        image = read(file)
    except LimitError as error:  # its hint is a flag that commands on data sets do not have
        raise InputError(error.what, "Cut it into smaller images, or leave it out.") from error
    source = image.source
    if (source.scale, source.offset) != (1.0, 0.0):
        low, high = (float(end) * source.scale + source.offset for end in (image.pixels.min(), image.pixels.max()))
        raise InputError(
            f"{file} has values from {low:g} to {high:g}, and 8 bits hold those from 0 to 1.",
            "Bring it into [0, 1], or leave it out.",
        )
    for warning in source.warnings:
        notice(warning)
    return eight_bits(image.pixels)


def eight_bits(pixels: NDArray[Any]) -> Pixels:
    """Pixels in [0, 1] rounded to 0..255; what lies outside is clipped."""
    rounded: Pixels = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    return rounded
