"""Where each result goes: a name of its own, never that of an input."""

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from denoise_cli.errors import OutputError, UsageError
from denoise_cli.image import FORMATS, SUFFIXES, is_image
from denoise_cli.inference.inputs import MARK, Item

_FILE = re.compile(r"\.[A-Za-z]\w{1,4}")  # a suffix that looks like a file's, not like part of a folder's name
_NO_FILE = (0, 0)  # a dead link, a device


@dataclass(frozen=True)
class Layout:
    """Where the results of an item go: into one file, into a folder, or beside it."""

    output: str | None  # the folder; None: beside the inputs
    single: Path | None = None  # the one file
    format: str | None = None  # gives the suffix; None: the input's, or .png where that is none of an image
    marks: tuple[str, ...] = ("",)  # put into the names, a result for each
    sheets: bool = False  # of images before and after, which a format for one kind of image does not hold
    in_place: bool = False  # each result replaces its input; a link stays, and what it leads to is replaced

    @classmethod
    def of(
        cls, items: Sequence[Item], output: str | None, format: str | None, marks: Sequence[str] = ("",)
    ) -> "Layout":
        """``output`` is the file of a single result if it ends like an image, else a folder.

        Without it a result lies beside its input, or in a folder beside the input folder, with ``-denoised`` in its
        name. Raises ``UsageError`` where one file cannot hold all results or its name does not fit ``format``.
        """
        return cls(output, _single_file(items, output, format), format, tuple(marks))

    def paths(self, item: Item) -> tuple[Path, ...]:
        """One path for each mark."""
        if self.in_place:
            assert item.path is not None, "a stream has no place"
            return (Path(os.path.realpath(item.path)) if item.path.is_symlink() else item.path,)
        folder = self.folder(item)
        if self.single is not None:
            place = self.single
        elif folder is not None:
            place = folder / item.relative
            place = _with_suffix(
                place, "png" if self.sheets and SUFFIXES.get(place.suffix.lower()) == "dicom" else self.format
            )
        else:
            place = _with_suffix(_beside(item), self.format)
        return tuple(place.with_stem(f"{place.stem}-{mark}") if mark else place for mark in self.marks)

    def folder(self, item: Item) -> Path | None:
        """The folder of results that ``item`` goes to; None where it goes to a file, or beside its input."""
        if self.in_place:
            return self.paths(item)[0].parent
        if self.single is not None:
            return None
        if self.output is not None:
            return Path(self.output)
        if item.root is None:
            return None
        return _beside_folder(os.path.abspath(item.root))  # noqa: PTH100  (a Path for each item takes long)


def check(items: Sequence[Item], layout: Layout) -> list[tuple[Item, Path]]:
    """The results that exist already. Nothing is kept for each of many items but its name.

    Raises ``OutputError`` where two results would have one name or an input would be overwritten.
    """
    taken: dict[str, int] = {}
    existing: list[tuple[Item, Path, tuple[int, int]]] = []
    for index, item in enumerate(items):
        for path in layout.paths(item):
            other = items[taken.setdefault(str(path), index)]
            if other is not item:
                raise OutputError(
                    f"{other.name!r} and {item.name!r} would both become {str(path)!r}.",
                    "Denoise them one after another, into folders of their own.",
                )
            identity = _identity(path)
            if identity is not None:
                existing.append((item, path, identity))
    if existing:
        inputs = {_identity(item.path): item.name for item in items if item.path is not None}
        for _, _, identity in existing:
            if identity in inputs and identity != _NO_FILE:
                raise OutputError(
                    f"The input {inputs[identity]!r} would be overwritten by a result.",
                    "Choose another place with -o; if it is a result of an earlier run, leave it out.",
                )
    return [(item, path) for item, path, _ in existing]


def check_in_place(items: Sequence[Item], layout: Layout) -> None:
    """Raise ``OutputError`` where a file would be replaced twice."""
    taken: dict[str, int] = {}
    for index, item in enumerate(items):
        other = items[taken.setdefault(os.path.realpath(layout.paths(item)[0]), index)]
        if other is not item:
            raise OutputError(f"{other.name!r} and {item.name!r} are the same file.", "Name it once.")


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from others under all its names; None where nothing is, another for what is no file."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        plain = Path(os.path.normpath(path))  # a folder before .. may not be there yet
        if plain != path:
            return _identity(plain)
        return _NO_FILE if path.is_symlink() else None
    except OSError:
        return None  # reading or writing it will say what is wrong
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else _NO_FILE


def _single_file(items: Sequence[Item], output: str | None, format: str | None) -> Path | None:
    """``output``, where it is the name of a file."""
    if output is None or Path(output).is_dir() or output.endswith(("/", "\\")):
        return None
    path = Path(output)
    if not is_image(path):
        if len(items) == 1 and items[0].root is None and _FILE.fullmatch(path.suffix):
            raise UsageError(
                f"{output!r} ends in no known image format.",
                f"Known: {' '.join(SUFFIXES)}. If it is to be a folder, write {output + '/'!r}.",
            )
        return None
    if len(items) > 1:
        raise UsageError(
            f"{len(items)} images do not fit into the one file {output!r}.", "Name a folder instead, or give one image."
        )
    if format is not None and SUFFIXES[path.suffix.lower()] != format:
        raise UsageError(f"-o {output} and --format {format} contradict each other.", "Leave one of them out.")
    return path


def _with_suffix(place: Path, format: str | None) -> Path:
    if format is None:
        return place if is_image(place) else place.with_name(f"{place.name}.png")
    assert format in FORMATS
    if SUFFIXES.get(place.suffix.lower()) == format:
        return place
    suffix = next(suffix for suffix, name in SUFFIXES.items() if name == format)
    return place.with_suffix(suffix) if is_image(place) else place.with_name(f"{place.name}{suffix}")


@cache
def _beside_folder(root: str) -> Path:
    place = Path(os.path.realpath(root))
    return place.with_name(f"{place.name}-{MARK}")


def _beside(item: Item) -> Path:
    assert item.path is not None, "a stream goes to a stream"
    return item.path.with_stem(f"{item.path.stem}-{MARK}")
