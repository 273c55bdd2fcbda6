"""Open a source of clean images by its word: a known set, a folder, an archive of a known set, or the samples."""

from collections.abc import Collection
from pathlib import Path

from denoise_cli.data import bundled, fetch, manifest
from denoise_cli.data.archives import listing
from denoise_cli.data.cifar import open_cifar
from denoise_cli.data.folder import open_folder
from denoise_cli.data.source import Notice, Picture, Pixels, Source
from denoise_cli.data.stl10 import open_stl10
from denoise_cli.data.tiny_imagenet import open_tiny_imagenet
from denoise_cli.errors import InputError, did_you_mean
from denoise_cli.image import is_image

__all__ = ["Picture", "Pixels", "Source", "missing", "open_source", "place_of"]

_LAYOUTS = (open_cifar, open_stl10, open_tiny_imagenet)


def open_source(
    word: str | Path | None = None,
    *,
    limit: int | None = None,
    seed: int = 0,
    only: Collection[str] = (),
    notice: Notice = lambda _: None,
) -> Source:
    """The clean images that ``word`` stands for; ``limit`` keeps that many of them, drawn by ``seed``.

    ``only`` names the classes that are wanted, ``cat`` or ``animals``, where the images have any. Whenever an image is
    read, ``notice`` is told what that changed or left out.

    ``None`` or ``samples`` are the bundled samples; ``cifar10``, ``stl10`` and ``tiny-imagenet`` lie in the cache or
    are downloaded into it; everything else is a path: a folder of images (of a data set of ``make-data``: its clean
    images), a single image, or a known set as an archive or folder. ``./cifar10`` is a folder of that name. Raises
    ``InputError``.
    """
    return _open(word, notice).only(only).limited(limit, seed)


def _open(word: str | Path | None, notice: Notice) -> Source:
    text = bundled.WORD if word is None else str(word)
    if text == bundled.WORD:
        return open_folder(text, bundled.samples() / "clean", notice)
    if not isinstance(word, Path) and text in fetch.KNOWN:
        return _open_path(text, _known(text), notice)
    path = Path(text)
    if not path.exists():
        words = [bundled.WORD, *fetch.KNOWN]
        hint = did_you_mean(text, words) if path.name == text else f"Known by name: {', '.join(words)}."
        raise InputError(f"{text} does not exist.", f"Check the path. {hint}")
    return _open_path(text, path, notice)


def place_of(word: str) -> Path:
    """The folder or the file that the source ``word`` is read from; the cache, where a known set is not in it yet."""
    if word == bundled.WORD:
        return bundled.samples() / "clean"
    if word in fetch.KNOWN:
        return fetch.cached(word) or fetch.cache()
    return Path(word)


def missing(word: str | Path | None) -> bool:
    """Whether ``word`` is a known set that is not in the cache, so that opening it starts with a download."""
    return isinstance(word, str) and word in fetch.KNOWN and fetch.cached(word) is None


def _known(name: str) -> Path:
    path = fetch.cached(name)
    if path is None:
        for _ in fetch.download(name):
            pass
        path = fetch.cache() / fetch.KNOWN[name].archive
    return path


def _open_path(word: str, path: Path, notice: Notice) -> Source:
    if path.is_file() and is_image(path):
        return open_folder(word, path, notice)
    if path.is_dir() and (path / manifest.NAME).is_file():
        return manifest.open_clean(word, path, notice)
    sizes = listing(path)
    for open_layout in _LAYOUTS:
        source = open_layout(word, path, sizes)
        if source is not None:
            return source
    if path.is_dir():
        return open_folder(word, path, notice)
    raise InputError(
        f"{path} holds none of the known data sets.",
        f"Known: {', '.join(fetch.KNOWN)}. Unpack an archive of other images and name the folder.",
    )
