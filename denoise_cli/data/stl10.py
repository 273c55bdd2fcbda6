"""STL-10 (Coates, Lee, Ng, 2011): 96x96 colour images, in its binary version; 100,000 of them without a label.

https://cs.stanford.edu/~acoates/stl10/. Files of uint8, each plane column by column.
"""

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np

from denoise_cli.data import classes
from denoise_cli.data.archives import exactly, members, skip
from denoise_cli.data.source import Pixels, Source
from denoise_cli.errors import InputError

CLASSES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
SIDE = 96
SPLITS = ("train", "test", "unlabeled")

_RECORD = 3 * SIDE * SIDE


def open_stl10(word: str, path: Path, sizes: dict[str, int]) -> Source | None:
    """The source in ``path``, whose files are ``sizes``, or ``None`` where no images of STL-10 are among them.

    Images are named by split, number and class: ``train/00001-truck.png``, ``unlabeled/000001.png``.
    """
    images = {
        name: split for name in sizes for split in SPLITS if name.removeprefix("stl10_binary/") == f"{split}_X.bin"
    }
    if not images:
        return None
    if len(set(images.values())) < len(images):
        raise InputError(f"{path} holds STL-10 more than once: {', '.join(images)}.", "Name the folder of one version.")
    for name in images:
        if sizes[name] % _RECORD:
            raise InputError(
                f"{path}: {name} has {sizes[name]} bytes, which is no whole number of images.",
                f"An image of STL-10 has {_RECORD} bytes; get the file again.",
            )
    labels = dict(_labels(path, sizes, images))
    names: dict[str, list[str]] = {}
    shown: dict[str, str] = {}
    for file, split in images.items():
        count = sizes[file] // _RECORD
        if split in labels and len(labels[split]) != count:
            raise InputError(f"{path} has {count} images but {len(labels[split])} labels in {split}.", "Get it again.")
        words = [CLASSES[label - 1] for label in labels[split]] if split in labels else [""] * count
        digits = 6 if split == "unlabeled" else 5
        names[file] = [
            f"{split}/{number:0{digits}d}{'-' * bool(word)}{word}.png" for number, word in enumerate(words, 1)
        ]
        shown |= {name: classes.of_word(word) for name, word in zip(names[file], words, strict=True) if word}

    def read(wanted: Collection[str]) -> Iterator[tuple[str, Pixels]]:
        needed = [file for file in images if not set(wanted).isdisjoint(names[file])]
        for file, stream in members(path, needed):
            passed = 0
            for name in names[file]:
                if name not in wanted:
                    passed += _RECORD
                    continue
                if passed:
                    skip(stream, passed, f"{path}: {file}")
                passed = 0
                record = np.frombuffer(exactly(stream, _RECORD, f"{path}: {file}"), np.uint8)
                yield name, record.reshape(3, SIDE, SIDE).swapaxes(1, 2).copy()  # columns first in the file

    every = tuple(name for file in images for name in names[file])
    return Source(word, every, read, frozenset(name for name in every if name.startswith("test/")), shown)


def _labels(path: Path, sizes: dict[str, int], images: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    """The labels, 1 to 10, of each split that has them."""
    files = {name.replace("_X.bin", "_y.bin"): split for name, split in images.items()}
    for name, stream in members(path, [name for name in files if name in sizes]):
        labels = exactly(stream, min(sizes[name], 1 << 20), f"{path}: {name}")
        if labels and not 1 <= min(labels) <= max(labels) <= len(CLASSES):
            raise InputError(f"{path}: {name} has a label out of 1 to 10.", "STL-10's labels start at 1; get it again.")
        yield files[name], labels
