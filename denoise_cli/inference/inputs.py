"""What the user named, as a list of files: what is an image, and what is left out."""

import glob
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from denoise_cli.errors import InputError, UsageError
from denoise_cli.image import SUFFIXES, is_image

STREAM = "-"
MARK = "denoised"  # in the names of results that lie beside their inputs
_RESULT = re.compile(rf"(.+)-{MARK}(-iters\d+)?")


@dataclass(frozen=True)
class Item:
    """One input and where its result goes, relative to the output folder."""

    path: Path | None  # None: stdin
    relative: Path
    root: Path | None = None  # the folder it was found in, where a folder was named

    @property
    def name(self) -> str:
        """What to call it on the screen."""
        return STREAM if self.path is None else str(self.path)


@dataclass(frozen=True)
class Gathered:
    """The inputs, and the results of earlier runs that lay among them and were left out."""

    items: list[Item]
    earlier: list[Path]


def gather(words: Sequence[str], output: Path | None = None) -> Gathered:
    """The files behind ``words``: files, folders (their whole tree), globs, ``@list.txt`` (a path a line), ``-``.

    In folders and globs, hidden files, what lies in the folder ``output``, and ``NAME-denoised`` beside ``NAME`` are
    left out. A file that does not exist is listed all the same, so that it fails by itself and not the others. Raises
    ``InputError`` where a folder has no images, a glob no files or a list cannot be read, and ``UsageError`` where
    stdin is named twice.
    """
    found = list(dict.fromkeys(item for word in words for item in _expand(word)))
    if sum(item.path is None for item in found) > 1 or list(words).count(STREAM) > 1:
        raise UsageError("stdin is named twice.", "It holds a single image.")
    inside = output.resolve() if output is not None else None
    items, earlier = [], []
    for item in found:
        if item.path is not None and not _is_named(item, words) and _is_earlier(item.path, item.root, inside):
            earlier.append(item.path)
        else:
            items.append(item)
    if not items:
        raise InputError(
            f"All {len(earlier)} images are results of earlier runs, such as {str(earlier[0])!r}.",
            "Name one of them by itself to denoise it again.",
        )
    return Gathered(items, earlier)


def is_result(path: Path) -> bool:
    """Whether ``path`` is called ``NAME-denoised`` and lies beside an image ``NAME``."""
    match = _RESULT.fullmatch(path.stem)
    suffixes = {path.suffix, *SUFFIXES, *map(str.upper, SUFFIXES)}
    return match is not None and any((path.parent / f"{match[1]}{suffix}").exists() for suffix in suffixes)


def _expand(word: str) -> Iterable[Item]:
    if word == STREAM:
        return [Item(None, Path("stdin.png"))]
    if word.startswith("@") and not Path(word).exists():
        return _listed(Path(word[1:]))
    path = Path(word)
    if path.is_dir():
        found = sorted(_images(path))
        if not found:
            raise InputError(f"There are no images in the folder {word!r}.", f"Known: {' '.join(SUFFIXES)}.")
        return [Item(file, file.relative_to(path), path) for file in found]
    if not path.exists() and glob.has_magic(word):
        matches = sorted(glob.glob(word, recursive=True))  # noqa: PTH207  (a pattern may be absolute)
        if not matches:
            raise InputError(f"No file matches {word!r}.", "Check the pattern and the folder.")
        return [item for match in matches for item in _matched(Path(match))]
    return [Item(path, Path(path.name))]


def _images(folder: Path) -> Iterator[Path]:
    for file in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if is_image(file) and not hidden and file.is_file():
            yield file


def _matched(path: Path) -> Iterable[Item]:
    if path.is_dir():
        return [Item(file, file.relative_to(path), path) for file in sorted(_images(path))]
    return [Item(path, Path(path.name))] if is_image(path) else []


def _listed(path: Path) -> list[Item]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The list {str(path)!r} cannot be read: {error}.", "It holds a path a line.") from error
    found = [item for line in lines if line.strip() for item in _expand(line.strip())]
    if not found:
        raise InputError(f"The list {str(path)!r} is empty.", "It holds a path a line.")
    return found


def _is_named(item: Item, words: Sequence[str]) -> bool:
    """Whether the user wrote this very file, not a folder, pattern or list with it."""
    return item.root is None and item.name in words


def _is_earlier(path: Path, root: Path | None, inside: Path | None) -> bool:
    if is_result(path):
        return True
    return (
        root is not None and inside is not None and inside != root.resolve() and path.resolve().is_relative_to(inside)
    )
