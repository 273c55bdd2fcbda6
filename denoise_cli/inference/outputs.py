"""Where each result goes: a name of its own, never that of an input."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from denoise_cli.errors import OutputError, UsageError
from denoise_cli.image import FORMATS, SUFFIXES, is_image
from denoise_cli.inference.inputs import MARK, Item

_FILE = re.compile(r"\.[A-Za-z]\w{1,4}")  # a suffix that looks like a file's, not like part of a folder's name


def targets(items: Sequence[Item], output: str | None, format: str | None, marks: Sequence[str]) -> list[list[Path]]:
    """Where the results of each item go: one path for each of ``marks``, which are put into the names.

    ``output`` is the file of a single result if it ends like an image, else a folder; without it a result lies beside
    its input, or in a folder beside the input folder, with ``-denoised`` in its name. ``format``, one of FORMATS, gives
    the suffix; by default it is the input's, or ``.png`` where that is none of an image. Raises ``OutputError`` where
    two results would have one name or an input would be overwritten, and ``UsageError`` where one file cannot hold all
    results or its name does not fit ``format``.
    """
    single = _single_file(items, output, format)
    chosen = []
    for item in items:
        place = single
        if place is None:
            place = _with_suffix(_beside(item) if output is None else Path(output) / item.relative, format)
        chosen.append([place.with_stem(f"{place.stem}-{mark}") if mark else place for mark in marks])
    _check_clashes(items, chosen)
    return chosen


def refuse_existing(places: Sequence[Sequence[Path]]) -> None:
    """Raise ``OutputError`` where one of ``places`` exists already."""
    existing = [path for paths in places for path in paths if path.exists()]
    if existing:
        more = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        raise OutputError(
            f"{str(existing[0])!r}{more} exists already.", "Overwrite with --force, or choose another place with -o."
        )


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
            f"{len(items)} images do not fit into the one file {output!r}.", "Give a folder with -o, or one image."
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


def _beside(item: Item) -> Path:
    assert item.path is not None, "a stream goes to a stream"
    if item.root is None:
        return item.path.with_stem(f"{item.path.stem}-{MARK}")
    root = item.root.resolve()
    return root.with_name(f"{root.name}-{MARK}") / item.relative


def _check_clashes(items: Sequence[Item], chosen: Sequence[Sequence[Path]]) -> None:
    counts = Counter(path for paths in chosen for path in paths)
    twice = [path for path, count in counts.items() if count > 1]
    if twice:
        sources = [item.name for item, paths in zip(items, chosen, strict=True) if twice[0] in paths]
        raise OutputError(
            f"{' and '.join(map(repr, sources[:2]))} would both become {str(twice[0])!r} ({len(twice)} such names).",
            "Denoise them one after another, into folders of their own.",
        )
    inputs = {item.path.resolve(): item.name for item in items if item.path is not None}
    for path in counts:
        name = inputs.get(path.resolve())
        if name is not None:
            raise OutputError(
                f"The input {name!r} would be overwritten by a result.",
                "Choose another place with -o; if it is a result of an earlier run, leave it out.",
            )
