"""Which output belongs to which clean image: by name."""

import os
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from denoise_cli.errors import InputError, UsageError
from denoise_cli.image import is_image


@dataclass(frozen=True)
class Match:
    """An output and its clean image."""

    name: str  # the output's path below its folder, with /
    output: Path
    clean: Path


@dataclass(frozen=True)
class Pairs:
    """What belongs together, and what has no partner; all sorted by name."""

    matched: tuple[Match, ...]
    only_outputs: tuple[Path, ...] = ()
    only_clean: tuple[Path, ...] = ()


def pair_up(outputs: Path, clean: Path) -> Pairs:
    """Pair two files, or the images of two folders by their path below each, subfolders included.

    ``a/b.png`` is paired with ``a/b.png``; where there is none, with the one image called ``a/b`` of another suffix.
    Raises ``InputError`` for what does not exist, a folder without images and a name that could mean several images,
    ``UsageError`` for a file against a folder.
    """
    for path in (outputs, clean):
        if not path.exists():
            raise InputError(f"There is no {str(path)!r}.", "Give two folders of images, or two image files.")
    if outputs.is_dir() != clean.is_dir():
        folder, file = (outputs, clean) if outputs.is_dir() else (clean, outputs)
        raise UsageError(
            f"{str(folder)!r} is a folder and {str(file)!r} is a file.",
            "Score a folder against a folder, or a file against a file.",
        )
    if not outputs.is_dir():
        return Pairs((Match(outputs.name, outputs, clean),))
    return _pair_folders(outputs, clean)


def images_below(folder: Path) -> dict[str, Path]:
    """The images in a folder and its subfolders by their path below it, sorted; what is hidden (``.name``) is not seen.

    Raises ``InputError`` where there are none or a folder cannot be listed.
    """

    def fail(error: OSError) -> None:
        raise InputError(f"{error.filename!r} cannot be listed: {error.strerror}.") from error

    found: dict[str, Path] = {}
    visited: set[str] = set()
    for here, folders, files in os.walk(folder, onerror=fail, followlinks=True):
        real = os.path.realpath(here)  # a link may lead back up
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for path in (Path(here, name) for name in files if not name.startswith(".")):
            if is_image(path):
                # Some file systems compose accents and others do not.
                found[unicodedata.normalize("NFC", path.relative_to(folder).as_posix())] = path
    if not found:
        raise InputError(f"There are no images in {str(folder)!r}.", "It was searched with all its subfolders.")
    return dict(sorted(found.items()))


def _pair_folders(outputs: Path, clean: Path) -> Pairs:
    estimates, cleans = images_below(outputs), images_below(clean)
    partner = {name: name for name in estimates if name in cleans}
    rest_estimates = _by_stem(name for name in estimates if name not in partner)
    rest_cleans = _by_stem(name for name in cleans if name not in partner)
    for stem, names in rest_estimates.items():
        others = rest_cleans.get(stem, [])
        if others and len(names) + len(others) > 2:
            raise InputError(
                f"The name {stem!r} could mean several images: {', '.join(names)} in {str(outputs)!r} "
                f"and {', '.join(others)} in {str(clean)!r}.",
                "Leave one of each, or give them the same suffix.",
            )
        if others:
            partner[names[0]] = others[0]
    taken = set(partner.values())
    return Pairs(
        tuple(Match(name, estimates[name], cleans[partner[name]]) for name in estimates if name in partner),
        tuple(path for name, path in estimates.items() if name not in partner),
        tuple(path for name, path in cleans.items() if name not in taken),
    )


def _by_stem(names: Iterable[str]) -> dict[str, list[str]]:
    stems: dict[str, list[str]] = {}
    for name in names:
        stems.setdefault(str(PurePosixPath(name).with_suffix("")), []).append(name)
    return stems
