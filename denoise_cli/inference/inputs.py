"""What the user named, as a list of files, and where each result goes."""

import glob
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from denoise_cli.errors import InputError, OutputError, UsageError
from denoise_cli.image import SUFFIXES, is_image

STREAM = "-"
MARK = "denoised"  # in the names of results that lie beside their inputs


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


def gather(words: Sequence[str]) -> list[Item]:
    """The files behind ``words``: files, folders (their whole tree), globs, ``@list.txt`` (a path a line), ``-``.

    A file that does not exist is listed all the same, so that it fails by itself and not the others. Raises
    ``InputError`` where a folder has no images, a glob no files or a list cannot be read.
    """
    return [item for word in words for item in _expand(word)]


def targets(items: Sequence[Item], output: Path | None, suffix: str | None, marks: Sequence[str]) -> list[list[Path]]:
    """Where the results of each item go: one path for each of ``marks``, which are put into the names.

    ``output`` is the file of a single result if it ends like an image, else a folder; without it a result lies beside
    its input, or in a folder beside the input folder, with ``-denoised`` in its name. ``suffix``, such as ``.png``,
    replaces the inputs' own. Raises ``OutputError`` where two results would have one name, or an input would be
    overwritten by another's result, and ``UsageError`` where one file cannot hold all results.
    """
    single = output is not None and is_image(output) and not output.is_dir()
    if single and len(items) > 1:
        raise UsageError(
            f"{len(items)} images do not fit into the one file {str(output)!r}.", "Give a folder with -o, or one image."
        )
    chosen = []
    for item in items:
        if single and output is not None:
            place = output
        elif output is not None:
            place = output / item.relative
        else:
            place = _beside(item)
        if suffix is not None and not single:
            place = place.with_suffix(suffix)
        chosen.append([place.with_stem(f"{place.stem}-{mark}") if mark else place for mark in marks])
    _check_clashes(items, chosen)
    return chosen


def _expand(word: str) -> Iterable[Item]:
    if word == STREAM:
        return [Item(None, Path("stdin.png"))]
    if word.startswith("@"):
        return _listed(Path(word[1:]))
    path = Path(word)
    if path.is_dir():
        found = sorted(file for file in path.rglob("*") if is_image(file) and file.is_file())
        if not found:
            raise InputError(f"There are no images in the folder {word!r}.", f"Known: {' '.join(SUFFIXES)}.")
        return [Item(file, file.relative_to(path), path) for file in found]
    if not path.exists() and glob.has_magic(word):
        matches = sorted(glob.glob(word, recursive=True))  # noqa: PTH207  (a pattern may be absolute)
        if not matches:
            raise InputError(f"No file matches {word!r}.", "Check the pattern and the folder.")
        return [item for match in matches for item in _expand(match)]
    return [Item(path, Path(path.name))]


def _listed(path: Path) -> list[Item]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The list {str(path)!r} cannot be read: {error}.", "It holds a path a line.") from error
    found = [item for line in lines if line.strip() for item in _expand(line.strip())]
    if not found:
        raise InputError(f"The list {str(path)!r} is empty.", "It holds a path a line.")
    return found


def _beside(item: Item) -> Path:
    assert item.path is not None, "a stream goes to a stream"
    if item.root is None:
        return item.path.with_stem(f"{item.path.stem}-{MARK}")
    root = item.root.resolve()
    return root.with_name(f"{root.name}-{MARK}") / item.relative


def _check_clashes(items: Sequence[Item], chosen: Sequence[Sequence[Path]]) -> None:
    places = Counter(path for paths in chosen for path in paths)
    twice = [str(path) for path, count in places.items() if count > 1]
    if twice:
        raise OutputError(
            f"Several results would be called {twice[0]!r} ({len(twice)} such names).",
            "Denoise these inputs one after another, into folders of their own.",
        )
