"""The images of a training run: read once, split into training and validation, kept in memory as 8 bit."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from denoise_cli import seeds
from denoise_cli.data import classes, manifest
from denoise_cli.data.source import Pixels, Source, pixels_of
from denoise_cli.data.sources import open_source
from denoise_cli.errors import InputError, UsageError
from denoise_cli.shapes import LUMA

_LUMA = np.array(LUMA, dtype=np.float32)


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

    ``only`` names the classes that are wanted, where the images have any.
    Of a set with parts only ``train/`` is trained on, only ``val/`` measured on, and ``test/`` left alone. Raises
    ``InputError`` for what does not exist or cannot be read.
    """
    return [_load(word, channels, limit, only) for word in words]


def class_names(words: Sequence[str], limit: int | None, only: Collection[str] = ()) -> tuple[str, ...]:
    """What the images to train on show, in order, ``animals/frog``; those of every word together.

    Raises ``UsageError`` where there are less than two classes.
    """
    sources = (open_source(word, limit=limit, only=only) for word in words)
    names = sorted({label for source in sources for part, label in _shown(source).values() if part == "train"})
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

    Parts are as in ``load``; images without a class are left out.
    """
    found = {name: Images({}, {}) for name in names}
    converted = dict.fromkeys(names, 0)
    for number, word in enumerate(words):
        source = open_source(word, limit=limit, only=only)
        shown = _shown(source)
        for name, pixels in source:
            part, label = shown.get(name, ("", ""))
            if label in found:
                images = found[label].train if part == "train" else found[label].held_out
                images[f"{number}/{name}"] = [torch.from_numpy(_as_channels(pixels, channels))]
                converted[label] += len(pixels) != channels
    return [replace(images, converted=converted[label]) for label, images in found.items()]


def split_classes(sets: Sequence[Images], held_out: int, seed: int) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
    """As ``split``, for the images of each class: about as many held out of every one."""
    share = max(1, round(held_out / len(sets)))
    parts = [split([images], share, seed) for images in sets]
    return [groups[0] for groups, _ in parts], [kept for _, kept in parts]


def _shown(source: Source) -> dict[str, tuple[str, str]]:
    """The part, ``train`` or ``val``, and the class of each image that has both."""
    in_parts = any(name.partition("/")[0] in classes.SPLITS for name in source.names)
    parts = {name: name.partition("/")[0] if in_parts else "train" for name in source.names}
    labelled = {name: (part, source.classes.get(name, "")) for name, part in parts.items()}
    return {name: shown for name, shown in labelled.items() if shown[0] in ("train", "val") and shown[1]}


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
    parts: dict[str, dict[str, list[Tensor]]] = {}
    converted = 0
    for name, pixels in open_source(word, limit=limit, only=only):
        converted += len(pixels) != channels
        part = name.partition("/")[0]
        parts.setdefault(part, {})[name] = [torch.from_numpy(_as_channels(pixels, channels))]
    if "train" in parts:
        return Images(parts["train"], parts.get("val", {}), converted)
    return Images({name: image for part in parts.values() for name, image in part.items()}, {}, converted)


def _load_pairs(folder: Path, channels: int, limit: int | None) -> Images:
    if not (folder / manifest.NAME).is_file():
        raise InputError(
            f"{folder} has no {manifest.NAME}, so it holds no pairs.",
            "--noise pairs takes folders of `denoise make-data`; for clean images give a noise, such as sp:0.1.",
        )
    names = manifest.load(folder / manifest.NAME).splits
    wanted = set(sorted(names, key=lambda name: seeds.derive(0, "limit", name))[:limit])
    parts: dict[str, dict[str, list[Tensor]]] = {}
    clean: dict[Path, Pixels] = {}
    for pair in manifest.pairs(folder):
        if pair.image not in wanted:
            continue
        if pair.clean not in clean:
            clean = {pair.clean: _read(pair.clean, channels)}  # the versions of an image follow each other
        noisy = _read(pair.noisy, channels)
        if noisy.shape != clean[pair.clean].shape:
            raise InputError(f"{pair.noisy} and {pair.clean} have different sizes.", "Make the set again.")
        both = torch.from_numpy(np.concatenate((clean[pair.clean], noisy)))
        parts.setdefault(pair.split, {}).setdefault(pair.image, []).append(both)
    if not any(part in parts for part in ("", "train")):
        raise InputError(f"There is no pair to train on in {folder}.", "Make the set again.")
    return Images(parts.get("", {}) | parts.get("train", {}), parts.get("val", {}))


def _read(file: Path, channels: int) -> Pixels:
    return _as_channels(pixels_of(file), channels)


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
