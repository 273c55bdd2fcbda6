"""The images of a training run: read once, split into training and validation, kept in memory as 8 bit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from denoise_cli import seeds
from denoise_cli.data.source import Pixels
from denoise_cli.data.sources import open_source
from denoise_cli.errors import UsageError

_LUMA = np.array((0.299, 0.587, 0.114), dtype=np.float32)  # ITU-R BT.601


@dataclass(frozen=True)
class Images:
    """The images of one ``--data``: names and uint8 tensors (C, H, W), in the parts that the set came in."""

    train: dict[str, Tensor]
    held_out: dict[str, Tensor]  # of the set's own validation part; empty where it has none


def load(words: Sequence[str], channels: int, limit: int | None) -> list[Images]:
    """Read the images of every word (a folder or a known set) as ``channels`` channels.

    Of a set with parts only ``train/`` is trained on, only ``val/`` measured on, and ``test/`` left alone.
    """
    return [_load(word, channels, limit) for word in words]


def split(sets: Sequence[Images], held_out: int, seed: int) -> tuple[list[list[Tensor]], list[Tensor]]:
    """Groups to train on, and about ``held_out`` images in all to measure on.

    These come from the sets' own validation parts, or are chosen by the seed and the images' names. Raises
    ``UsageError`` where too few images would be left.
    """
    groups: list[list[Tensor]] = []
    kept: list[Tensor] = []
    for images in sets:
        count = max(1, round(held_out / len(sets)))
        if images.held_out:
            kept += [images.held_out[name] for name in _chosen(images.held_out, count, seed)]
            groups.append(list(images.train.values()))
            continue
        if count >= len(images.train):
            raise UsageError(
                f"{len(images.train)} images are too few to keep {count} of them for validation.",
                "Give more images, or a smaller --val.",
            )
        chosen = set(_chosen(images.train, count, seed))
        groups.append([image for name, image in images.train.items() if name not in chosen])
        kept += [image for name, image in images.train.items() if name in chosen]
    return groups, kept


def _load(word: str, channels: int, limit: int | None) -> Images:
    parts: dict[str, dict[str, Tensor]] = {}
    for name, pixels in open_source(word, limit=limit):
        part = name.partition("/")[0]
        parts.setdefault(part, {})[name] = torch.from_numpy(_as_channels(pixels, channels))
    if "train" in parts:
        return Images(parts["train"], parts.get("val", {}))
    return Images({name: image for part in parts.values() for name, image in part.items()}, {})


def _chosen(images: dict[str, Tensor], count: int, seed: int) -> list[str]:
    return sorted(images, key=lambda name: seeds.derive(seed, "held out", name))[:count]


def _as_channels(pixels: Pixels, channels: int) -> Pixels:
    """Colour as its luma where gray is wanted, gray repeated where colour is."""
    if len(pixels) == channels:
        return pixels
    if channels == 1:
        gray: Pixels = np.rint(np.tensordot(_LUMA, pixels.astype(np.float32), axes=1)).astype(np.uint8)[None]
        return gray
    return np.repeat(pixels, channels, axis=0)
