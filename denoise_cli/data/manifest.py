"""The manifest of a data set of ``denoise make-data``: all it takes to make the set again, and a hash of every file.

A file of JSON lines. The first holds the settings; then, image by image, a line for the clean image and one for each of
its noisy versions.
"""

import json
import os
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from denoise_cli import __version__
from denoise_cli.data.classes import SPLITS
from denoise_cli.data.source import Notice, Pixels, Source, pixels_of
from denoise_cli.errors import InputError

NAME = "manifest.jsonl"
CLEAN = "clean"  # the folder of the clean images
TEST = "test"  # the split of the images that a known set keeps for testing

_COUNTS = ("size", "crop", "limit")  # of the settings: at least 1
_LATER = {"reference", "reference_sha256"}  # what manifests of older versions lack


@dataclass(frozen=True)
class Settings:
    """What a data set is made from: together with the source's images, this determines every byte."""

    source: str  # a word that open_source understands
    noise: tuple[str, ...]  # words of noise, each with its level: one folder for each
    seed: int = 0
    size: int | None = None  # pixels of the shorter side after resizing
    crop: int | None = None  # pixels of both sides after cropping
    val: float = 0.2  # share of images kept for validation; 0: no folders train and val
    limit: int | None = None  # images at most
    clean: bool = True  # whether the clean images are written too
    version: str = __version__


@dataclass(frozen=True)
class CleanFile:
    """A clean image."""

    image: str  # its name in the source
    split: str  # "train", "val", "test", or "" where nothing is kept for validation nor for testing
    file: str | None  # its path in the set; None where clean images are not written
    source_sha256: str  # of the source's size and pixels
    sha256: str | None  # of the file
    channels: int
    height: int
    width: int

    @property
    def hashes(self) -> dict[str, str]:
        """The SHA-256 of the file, if it is written."""
        return {self.file: self.sha256} if self.file and self.sha256 else {}


@dataclass(frozen=True)
class NoisyFile:
    """A noisy version of the clean image in a line above."""

    image: str
    file: str
    noise: str  # the word
    level: float | str  # the word's number; mixed noise has two, joined by a plus
    seed: int  # of the generator that drew the noise
    sha256: str
    reference: str | None = None  # the path of a clean image of its own, where its noise has one
    reference_sha256: str | None = None

    @property
    def hashes(self) -> dict[str, str]:
        """The SHA-256 of each file."""
        own = {self.reference: self.reference_sha256} if self.reference and self.reference_sha256 else {}
        return {self.file: self.sha256, **own}


Entry = CleanFile | NoisyFile


@dataclass(frozen=True)
class Manifest:
    """The settings of a set and its files."""

    settings: Settings
    entries: tuple[Entry, ...]

    @property
    def splits(self) -> dict[str, str]:
        """The split of each image."""
        return {entry.image: entry.split for entry in self.entries if isinstance(entry, CleanFile)}

    def dump(self) -> bytes:
        """The file's content."""
        return "".join(f"{json.dumps(asdict(line))}\n" for line in (self.settings, *self.entries)).encode()


class PairOfFiles(NamedTuple):
    """A noisy image and the clean one to come near to."""

    image: str  # name in the source
    split: str
    noise: str
    clean: Path
    noisy: Path


def load(path: Path) -> Manifest:
    """Read a manifest. Raises ``InputError`` where it is missing or is no manifest of ``make-data``."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}.", f"Name the {NAME} of a data set of make-data.") from error
    number = 1
    try:
        settings = _filled(Settings, json.loads(lines[0]))
        entries: list[Entry] = []
        for line in lines[1:]:
            number += 1
            values = json.loads(line)
            entries.append(_filled(NoisyFile, values) if "noise" in values else _filled(CleanFile, values))
    except (ValueError, TypeError, IndexError, RecursionError) as error:
        raise InputError(
            f"{path} is no manifest: line {number}: {error}.", "It was changed or cut; make the set again."
        ) from error
    return Manifest(settings, tuple(entries))


def pairs(folder: Path) -> Iterator[PairOfFiles]:
    """Every noisy image of the set in ``folder`` with its clean one.

    Raises ``InputError`` where ``folder`` has no manifest, or one without clean images.
    """
    clean: dict[str, CleanFile] = {}
    for entry in load(folder / NAME).entries:
        if isinstance(entry, CleanFile):
            clean[entry.image] = entry
        elif entry.image in clean:
            partner = clean[entry.image]
            yield PairOfFiles(
                entry.image,
                partner.split,
                entry.noise,
                _place(folder, entry.reference or partner.file),
                _place(folder, entry.file),
            )


def open_clean(word: str, folder: Path, notice: Notice = lambda _: None) -> Source:
    """The clean images of the set in ``folder``, named by their split and their name in the source."""
    clean = [entry for entry in load(folder / NAME).entries if isinstance(entry, CleanFile)]
    files = {
        f"{entry.split}/{entry.image}" if entry.split else entry.image: _place(folder, entry.file) for entry in clean
    }

    def reader(wanted: Collection[str]) -> Iterator[tuple[str, Pixels | InputError]]:
        for name, file in files.items():
            if name in wanted:
                try:
                    yield name, pixels_of(file, notice)
                except InputError as error:
                    yield name, error

    tested = (f"{entry.split}/{entry.image}" for entry in clean if entry.split == TEST)
    return Source(word, tuple(files), reader, frozenset(tested))


def inside(file: str) -> bool:
    """Whether ``file``, a path from a manifest, is one that stays in the folder of its set."""
    path = PurePosixPath(file)
    drives = os.name == "nt" and ("\\" in file or ":" in file)  # elsewhere a name may hold either
    return bool(path.parts) and "\0" not in file and not path.is_absolute() and ".." not in path.parts and not drives


def _place(folder: Path, file: str | None) -> Path:
    if file is None:
        raise InputError(f"The set in {folder} was made with --no-clean.", "Make it again with its clean images.")
    if not inside(file):
        raise InputError(f"{folder / NAME} names a file outside of its folder: {file!r}.", "Make the set again.")
    return folder / file


_Line = TypeVar("_Line", Settings, CleanFile, NoisyFile)
_TYPES = {kind: get_type_hints(kind) for kind in (Settings, CleanFile, NoisyFile)}


def _filled(kind: type[_Line], values: Any) -> _Line:
    types = _TYPES[kind]
    if not isinstance(values, dict) or not types.keys() - _LATER <= values.keys() <= types.keys():
        raise ValueError(f"not the fields of {kind.__name__}")
    for name, value in values.items():
        if not _fits(value, types[name]) or (name in _COUNTS and value is not None and value < 1):
            raise ValueError(f"{name} cannot be {value!r}")
    if values.get("split", "") not in ("", *SPLITS):
        raise ValueError(f"there is no split {values['split']!r}")
    plain: dict[str, Any] = {name: tuple(value) if type(value) is list else value for name, value in values.items()}
    return kind(**plain)


def _fits(value: Any, wanted: Any) -> bool:
    """Whether a field of the type ``wanted`` may hold ``value``, as JSON has it."""
    if get_origin(wanted) is tuple:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    kinds = get_args(wanted) or (wanted,)
    return type(value) in kinds or (float in kinds and type(value) is int)
