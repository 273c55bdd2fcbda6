"""The images of a training run: read once, split into training and validation, kept in memory as 8 bit."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from denoise_cli import seeds
from denoise_cli.data import manifest
from denoise_cli.data.source import Pixels, Source, pixels_of
from denoise_cli.data.sources import open_source
from denoise_cli.errors import InputError, UsageError
from denoise_cli.shapes import LUMA

_LUMA = np.array(LUMA, dtype=np.float32)
_PARTS = {"train": "train", "val": "val", "test": ""}  # what the images in these folders of a set are for


@dataclass(frozen=True)
class Images:
    """The images of one ``--data`` by their names, in the parts that the set came in.

    An image is one uint8 tensor (C, H, W), or has several noisy versions: pairs (2 C, H, W), clean channels first.
    """

    train: dict[str, list[Tensor]]
    held_out: dict[str, list[Tensor]]  # of the set's own validation part; empty where it has none
    converted: int = 0  # images that came with another number of channels


def load(words: Sequence[str], channels: int, limit: int | None, only: Collection[str] = ()) -> list[Images]:
    """Read the images of every word (a folder or a known set) as ``channels`` channels.

    ``only`` names the classes that are wanted, where the images have any; ``limit`` keeps that many of those that can
    be used. Of a set with ``train/`` only this and ``unlabeled/`` are trained on; only ``val/`` is measured on, and
    ``test/`` left alone. Raises ``InputError`` for what does not exist, cannot be read, or leaves nothing to train on.
    """
    return [_load(word, channels, limit, only) for word in words]


def class_names(words: Sequence[str], limit: int | None, only: Collection[str] = ()) -> tuple[str, ...]:
    """What the images to train on show, in order, ``animals/frog``; those of every word together.

    Raises ``InputError`` where a word has nothing to train on, ``UsageError`` where there are less than two classes.
    """
    shown = (_shown(word, limit, only) for word in words)
    names = sorted({source.classes[name] for source, parts in shown for name in source.names if parts[name] == "train"})
    if len(names) < 2:
        raise UsageError(
            f"{', '.join(words)} has {f'a single class, {names[0]}' if names else 'no classes'}: "
            "there is nothing to tell apart.",
            "Name a set with labels, such as cifar10, or a folder with a folder of images for each class.",
        )
    return tuple(names)


def load_classes(
    words: Sequence[str], channels: int, limit: int | None, names: Sequence[str], only: Collection[str] = ()
) -> list[Images]:
    """Read the images of every word by what they show: those of each class in ``names``, which ``class_names`` gave.

    Parts are as in ``load``, without ``unlabeled/``; images without a class are left out.
    """
    found = {name: Images({}, {}) for name in names}
    converted = dict.fromkeys(names, 0)
    for number, word in enumerate(words):
        source, parts = _shown(word, limit, only)
        for name, pixels in source:
            label = source.classes[name]
            if label in found:
                images = found[label].train if parts[name] == "train" else found[label].held_out
                images[f"{number}/{name}"] = [torch.from_numpy(_as_channels(pixels, channels))]
                converted[label] += len(pixels) != channels
    return [replace(images, converted=converted[label]) for label, images in found.items()]


def split_classes(sets: Sequence[Images], held_out: int, seed: int) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
    """As ``split``, for the images of each class: about as many held out of every one."""
    share = max(1, round(held_out / len(sets)))
    parts = [split([images], share, seed) for images in sets]
    return [groups[0] for groups, _ in parts], [kept for _, kept in parts]


def _shown(word: str, limit: int | None, only: Collection[str]) -> tuple[Source, dict[str, str]]:
    """As ``_usable``, of the images with a class; ``limit`` of them."""
    source, parts = _usable(word, only, _PARTS)
    labelled = replace(source, names=tuple(name for name in source.names if source.classes.get(name)))
    return labelled.limited(limit, 0), parts


def _usable(word: str, only: Collection[str], places: Mapping[str, str]) -> tuple[Source, dict[str, str]]:
    """The images of a word to train or to measure on, and the part of each, ``train`` or ``val``.

    ``places`` says what is in which folder; images elsewhere are trained on where there is no ``train/``. What a known
    set keeps for testing is never trained on. Raises ``InputError`` where nothing is left to train on.
    """
    whole = open_source(word)
    elsewhere = "" if any(name.startswith("train/") for name in whole.names) else "train"
    source, parts = whole.only(only), {}
    for name in source.names:
        part = places.get(name.partition("/")[0], elsewhere)
        if part == "val" or (part == "train" and name not in source.tested):
            parts[name] = part
    if "train" not in parts.values():
        raise _nothing(word)
    return replace(source, names=tuple(parts)), parts


def _nothing(word: str | Path) -> InputError:
    return InputError(
        f"Of what is taken of {word} no image is to train on.",
        "Name a set with images in train/, or a folder without parts, and raise --limit where it is low.",
    )


def load_pairs(words: Sequence[str], channels: int, limit: int | None) -> list[Images]:
    """Read the noisy images of every word (a folder of ``make-data``) with their clean ones, in the set's own parts.

    Raises ``InputError`` where a folder is no such set, or a file is missing or does not fit its partner.
    """
    return [_load_pairs(Path(word), channels, limit) for word in words]


def split(sets: Sequence[Images], held_out: int, seed: int) -> tuple[list[list[Tensor]], list[Tensor]]:
    """Groups to train on, and about ``held_out`` images in all to measure on.

    These come from the sets' own validation parts, or are chosen by the seed and the images' names. Of an image that
    is measured on no version is trained on; of its noisy versions one is measured on, another for each image. Raises
    ``UsageError`` where too few images would be left.
    """
    groups: list[list[Tensor]] = []
    kept: list[Tensor] = []
    for images in sets:
        count = max(1, round(held_out / len(sets)))
        pool = images.held_out or images.train
        if not images.held_out and count >= len(images.train):
            raise UsageError(
                f"{len(images.train)} images are too few to keep {count} of them for validation.",
                "Give more images, or a smaller --val.",
            )
        chosen = set(_chosen(pool, count, seed))
        groups.append([image for name, versions in images.train.items() if name not in chosen for image in versions])
        held = [versions for name, versions in pool.items() if name in chosen]
        kept += [versions[index % len(versions)] for index, versions in enumerate(held)]
    return groups, kept


def _load(word: str, channels: int, limit: int | None, only: Collection[str]) -> Images:
    source, parts = _usable(word, only, _PARTS | {"unlabeled": "train"})
    images = Images({}, {})
    converted = 0
    for name, pixels in source.limited(limit, 0):
        converted += len(pixels) != channels
        part = images.train if parts[name] == "train" else images.held_out
        part[name] = [torch.from_numpy(_as_channels(pixels, channels))]
    if not images.train:
        raise _nothing(word)
    return replace(images, converted=converted)


def _load_pairs(folder: Path, channels: int, limit: int | None) -> Images:
    if not (folder / manifest.NAME).is_file():
        raise InputError(
            f"{folder} has no {manifest.NAME}, so it holds no pairs.",
            "--noise pairs takes folders of `denoise make-data`; for clean images give a noise, such as sp:0.1.",
        )
    usable = [name for name, part in manifest.load(folder / manifest.NAME).splits.items() if part != manifest.TEST]
    wanted = set(sorted(usable, key=lambda name: seeds.derive(0, "limit", name))[:limit])
    parts: dict[str, dict[str, list[Tensor]]] = {}
    clean: dict[Path, Pixels] = {}
    converted = 0
    for pair in manifest.pairs(folder):
        if pair.image not in wanted:
            continue
        if pair.clean not in clean:
            pixels = pixels_of(pair.clean)
            converted += len(pixels) != channels
            clean = {pair.clean: _as_channels(pixels, channels)}  # the versions of an image follow each other
        noisy = _as_channels(pixels_of(pair.noisy), channels)
        if noisy.shape != clean[pair.clean].shape:
            raise InputError(f"{pair.noisy} and {pair.clean} have different sizes.", "Make the set again.")
        both = torch.from_numpy(np.concatenate((clean[pair.clean], noisy)))
        parts.setdefault(pair.split, {}).setdefault(pair.image, []).append(both)
    if not any(part in parts for part in ("", "train")):
        raise _nothing(folder)
    return Images(parts.get("", {}) | parts.get("train", {}), parts.get("val", {}), converted)


def _chosen(images: dict[str, list[Tensor]], count: int, seed: int) -> list[str]:
    return sorted(images, key=lambda name: seeds.derive(seed, "held out", name))[:count]


def _as_channels(pixels: Pixels, channels: int) -> Pixels:
    """Colour as its luma where gray is wanted, gray repeated where colour is."""
    if len(pixels) == channels:
        return pixels
    if channels == 1:
        gray: Pixels = np.rint(np.tensordot(_LUMA, pixels.astype(np.float32), axes=1)).astype(np.uint8)[None]
        return gray
    return np.repeat(pixels, channels, axis=0)
