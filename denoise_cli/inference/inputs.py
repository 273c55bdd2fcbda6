"""What the user named, as a list of files: what is an image, and what is left out."""

import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from denoise_cli.errors import InputError, UsageError
from denoise_cli.image import SUFFIXES

STREAM = "-"
MARK = "denoised"  # in the names of results that lie beside their inputs
_RESULT = re.compile(rf"(.+)-{MARK}(-crop)?(-iters\d+)?(-strength[\d.e-]+)?(-residual)?(-step\d+)?", re.DOTALL)
_ENDINGS = tuple(SUFFIXES)


_join = os.path.join  # strings: a Path for each of a hundred thousand takes seconds


class Item(NamedTuple):
    """One input. Of words, not of paths: there may be a hundred thousand."""

    name: str  # its path as the user wrote it, or "-" for stdin
    relative: str  # where its result goes within the output folder
    root: str | None = None  # the folder it was found in, where a folder was named

    @property
    def path(self) -> Path | None:
        """Where it is; None for stdin."""
        return None if self.name == STREAM else Path(self.name)


Elsewhere = Callable[[str], Iterable[Item]]


@dataclass(frozen=True)
class Shard:
    """A part of a job: ``index`` (from 1) of ``count``, always the same for an input, whatever else lies beside it."""

    index: int
    count: int

    def holds(self, item: Item) -> bool:
        """Whether ``item`` is of this part."""
        return crc32(os.fsencode(item.relative)) % self.count == self.index - 1

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """The shard that ``2/8`` means. Raises ``UsageError`` for anything else."""
        match = re.fullmatch(r"(\d+)/(\d+)", text)
        index, count = (int(match[1]), int(match[2])) if match else (0, 0)
        if not 1 <= index <= count:
            raise UsageError(f"--shard {text!r} is no part of a job.", "Write --shard i/N, from 1/N to N/N.")
        return cls(index, count)


@dataclass(frozen=True)
class Gathered:
    """The inputs, and the results of earlier runs that lay among them and were left out."""

    items: list[Item]
    earlier: list[str]


def is_url(word: str) -> bool:
    """Whether ``word`` names something on another file system, such as ``s3://bucket/folder``."""
    return "://" in word


def gather(
    words: Sequence[str],
    output: Path | None = None,
    listed: Sequence[str] = (),
    elsewhere: Elsewhere | None = None,
    comparisons: Path | None = None,
) -> Gathered:
    """The files behind ``words``: files, folders (their whole tree), globs, ``@list.txt``, ``-``; and those ``listed``.

    A list holds a path a line, or paths with a zero byte between them; its relative paths keep their folders in the
    output. In folders and globs, hidden files, what lies in the folders ``output`` and ``comparisons`` in them, and
    ``NAME-denoised`` beside ``NAME`` are left out; what is named itself never is. What is behind a URL is told by
    ``elsewhere``. A file that does not exist is listed all the same, so that it fails by itself and not the others.
    Raises ``InputError`` where a folder has no images or cannot be listed, a glob has no files or a list cannot be
    read, and ``UsageError`` where stdin is named twice, or a URL without ``elsewhere``.
    """
    found: dict[Item, str | None] = {}  # the folder that was searched for it; None: somebody named it
    for word, in_list in [*((word, False) for word in words), *((word, True) for word in listed)]:
        searched = None if in_list or not _is_pattern(word) else _start(word)
        for item in _expand(word, elsewhere, in_list=in_list):
            place = searched if item.root is None else item.root
            found[item] = None if found.get(item, place) is None else place
    if sum(item.path is None for item in found) > 1 or list(words).count(STREAM) > 1:
        raise UsageError("stdin is named twice.", "It holds a single image.")
    inside = [_Inside(folder) for folder in (output, comparisons) if folder is not None]
    items, earlier = [], []
    for item, place in found.items():
        if place is not None and (is_result(item.name) or any(folder.holds(item, place) for folder in inside)):
            earlier.append(item.name)
        else:
            items.append(item)
    if not items:
        raise InputError(
            f"All {len(earlier)} images are results of earlier runs, such as {earlier[0]!r}.",
            "Name one of them by itself to denoise it again.",
        )
    return Gathered(items, earlier)


def read_list(path: Path) -> list[str]:
    """The paths in the list ``path``. Raises ``InputError`` where it cannot be read."""
    try:
        return parse_list(path.read_bytes(), str(path))
    except OSError as error:
        advice = "It holds a path a line."
        raise InputError(f"The list {str(path)!r} cannot be read: {error.strerror}.", advice) from error


def parse_list(data: bytes, name: str) -> list[str]:
    """The paths in a list: one a line, or with a zero byte behind each, as ``find -print0`` writes them."""
    separator = b"\0" if b"\0" in data else b"\n"
    found = [os.fsdecode(line.rstrip(b"\r")) for line in data.split(separator) if line.strip()]
    if not found:
        raise InputError(f"The list {name!r} is empty.", "It holds a path a line.")
    return found


def is_result(name: str) -> bool:
    """Whether ``name`` is called ``NAME-denoised`` and lies beside an image ``NAME``."""
    if f"-{MARK}" not in name:
        return False
    path = Path(name)
    match = _RESULT.fullmatch(path.stem)
    suffixes = {path.suffix, *SUFFIXES, *map(str.upper, SUFFIXES)}
    return match is not None and any((path.parent / f"{match[1]}{suffix}").exists() for suffix in suffixes)


class _Inside:
    """Tells which inputs lie in a folder of results; asks the disk once a folder."""

    def __init__(self, results: Path) -> None:
        self._results = Path(os.path.realpath(results))
        self._known: dict[tuple[str, str], bool] = {}

    def holds(self, item: Item, searched: str) -> bool:
        """Whether it holds ``item``, and is itself within the folder that was ``searched``."""
        key = (searched, os.path.dirname(item.name))  # noqa: PTH120  (no Path for each of a hundred thousand)
        if key not in self._known:
            within = Path(os.path.realpath(searched)) in self._results.parents
            self._known[key] = within and Path(os.path.realpath(key[1])).is_relative_to(self._results)
        return self._known[key]


def _expand(word: str, elsewhere: Elsewhere | None, *, in_list: bool = False) -> Iterable[Item]:
    if not word:
        raise UsageError("An input has no name.", "Write . for the current folder.")
    if word == STREAM:
        return [Item(STREAM, "stdin.png")]
    if is_url(word) and not Path(word).exists():
        if elsewhere is None:
            raise UsageError(f"{word!r} is on another file system.", "Those are read with --cluster.")
        return elsewhere(word)
    if word.startswith("@") and not in_list and not Path(word).exists():
        return [item for line in read_list(Path(word[1:])) for item in _expand(line, elsewhere, in_list=True)]
    path = Path(word)
    if path.is_dir():
        found = list(_tree(str(path)))
        if not found:
            raise InputError(f"There are no images in the folder {word!r}.", f"Known: {' '.join(SUFFIXES)}.")
        return found
    if not in_list and _is_pattern(word):
        matches = sorted(glob.glob(word, recursive=True))  # noqa: PTH207  (a pattern may be absolute)
        if not matches:
            raise InputError(f"No file matches {word!r}.", "Check the pattern and the folder.")
        return [item for match in matches for item in _matched(Path(match))]
    keeps_folders = in_list and not path.is_absolute() and ".." not in path.parts
    name = _join(".", STREAM) if str(path) == STREAM else str(path)  # a file of that name
    return [Item(name, str(path) if keeps_folders else path.name)]


def _is_pattern(word: str) -> bool:
    return glob.has_magic(word) and not Path(word).exists()


def _start(pattern: str) -> str:
    """The folder that is searched for a ``pattern``."""
    return str(Path(*takewhile(lambda part: not glob.has_magic(part), Path(pattern).parts)))


def _tree(root: str) -> Iterator[Item]:
    """All images below ``root``, sorted by name, without what is hidden.

    Whatever has an image's name and is no folder counts, a dead link too, so that it is reported and not passed over.
    """
    waiting = [("", True)]  # what lies below the root, and whether it is a folder; the next one last
    while waiting:
        place, is_folder = waiting.pop()
        if is_folder:
            waiting += reversed(list(_inside(root, place)))
        elif place.lower().endswith(_ENDINGS):
            yield Item(place if root == "." else _join(root, place), place, root)


def _inside(root: str, folder: str) -> Iterator[tuple[str, bool]]:
    """What lies in ``folder`` below ``root``, sorted, but for what is hidden and links to folders."""
    place = _join(root, folder)
    try:
        with os.scandir(place) as entries:
            found = sorted((entry.name, entry.is_symlink(), entry.is_dir(follow_symlinks=False)) for entry in entries)
    except OSError as error:
        raise InputError(f"The folder {place!r} cannot be listed: {error.strerror}.") from error
    for name, is_link, is_folder in found:
        if not name.startswith(".") and not (is_link and os.path.isdir(_join(place, name))):  # noqa: PTH112
            yield _join(folder, name), is_folder


def _matched(path: Path) -> Iterable[Item]:
    if path.is_dir():
        return _tree(str(path))
    return [Item(str(path), path.name)] if path.name.lower().endswith(_ENDINGS) else []
