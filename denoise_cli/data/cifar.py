"""CIFAR-10 (Krizhevsky, 2009): 32x32 colour images in ten classes, in its binary and its python version.

https://www.cs.toronto.edu/~kriz/cifar.html. An archive or folder with fewer records is read alike.
"""

import re
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np

from denoise_cli.data import classes, pickles
from denoise_cli.data.archives import exactly, members
from denoise_cli.data.source import Pixels, Source
from denoise_cli.errors import InputError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIDE = 32

_RECORD = 1 + 3 * SIDE * SIDE  # a label, then the red, green and blue planes
_LARGEST = 64 << 20  # bytes of one batch; the official ones have 31 MB
_BATCH = re.compile(r"(?:cifar-10-batches-(?:bin|py)/)?(?:data_batch_([1-9])|(test)_batch)(\.bin)?")


def open_cifar(word: str, path: Path, sizes: dict[str, int]) -> Source | None:
    """The source in ``path``, whose files are ``sizes``, or ``None`` where no batch of CIFAR-10 is among them.

    Images are named by split, number and class: ``train/00001-frog.png``, ``test/00001-cat.png``.
    """
    batches = sorted((name for name in sizes if _BATCH.fullmatch(name)), key=lambda name: name.rpartition("/")[2])
    folders = {name.rpartition("/")[0] for name in batches}
    if not batches:
        return None
    if len(folders) > 1 or len({name.endswith(".bin") for name in batches}) > 1:
        raise InputError(
            f"{path} holds CIFAR-10 more than once: {', '.join(batches)}.", "Name the folder of one version."
        )
    for name in batches:
        if sizes[name] > _LARGEST:
            raise InputError(f"{path}: {name} has {sizes[name]} bytes.", f"A batch has at most {_LARGEST}.")
    labels = {name: records[0] for name, records in _batches(path, batches, sizes)}
    names: dict[str, list[str]] = {}
    shown: dict[str, str] = {}
    counts = {"train": 0, "test": 0}
    for batch in batches:
        split = "test" if batch.rpartition("/")[2].startswith("test") else "train"
        start = counts[split] + 1
        counts[split] += len(labels[batch])
        words = [CLASSES[label] for label in labels[batch].tolist()]
        names[batch] = [f"{split}/{number:05d}-{word}.png" for number, word in enumerate(words, start)]
        shown |= {name: classes.of_word(word) for name, word in zip(names[batch], words, strict=True)}

    def read(wanted: Collection[str]) -> Iterator[tuple[str, Pixels]]:
        needed = [batch for batch in batches if not set(wanted).isdisjoint(names[batch])]
        for batch, (_, pixels) in _batches(path, needed, sizes):
            for name, image in zip(names[batch], pixels, strict=True):
                if name in wanted:
                    yield name, image.copy()  # writable, and free of the batch

    every = tuple(name for batch in batches for name in names[batch])
    return Source(word, every, read, frozenset(name for name in every if name.startswith("test/")), shown)


def _batches(path: Path, wanted: list[str], sizes: dict[str, int]) -> Iterator[tuple[str, tuple[Pixels, Pixels]]]:
    """Each wanted batch with its labels (N,) and pixels (N, 3, 32, 32)."""
    for name, stream in members(path, wanted):
        what = f"{path}: {name}"
        content = exactly(stream, sizes[name], what)
        labels, pixels = _binary(content, what) if name.endswith(".bin") else _python(content, what)
        if len(labels) and labels.max() >= len(CLASSES):
            raise InputError(f"{what} has the label {labels.max()}.", "CIFAR-10 has labels from 0 to 9.")
        yield name, (labels, pixels.reshape(-1, 3, SIDE, SIDE))


def _binary(content: bytes, what: str) -> tuple[Pixels, Pixels]:
    if len(content) % _RECORD:
        raise InputError(
            f"{what} has {len(content)} bytes, which is no whole number of records.",
            f"A record of CIFAR-10's binary version has {_RECORD} bytes; get the file again.",
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, _RECORD)
    return records[:, 0], records[:, 1:]


def _python(content: bytes, what: str) -> tuple[Pixels, Pixels]:
    batch = pickles.load(content, what)
    known = {str(key, "latin1") if isinstance(key, bytes) else key: value for key, value in _items(batch)}
    labels, pixels = known.get("labels"), known.get("data")
    if (
        not isinstance(labels, list)
        or not all(type(label) is int and 0 <= label < 256 for label in labels)
        or not isinstance(pixels, np.ndarray)
        or pixels.shape != (len(labels), _RECORD - 1)
    ):
        raise InputError(f"{what} is a pickle, but not of CIFAR-10.", "Get the official archive again.")
    return np.array(labels, np.uint8), pixels


def _items(batch: object) -> list[tuple[object, object]]:
    return list(batch.items()) if isinstance(batch, dict) else []
