"""How a denoiser is scored on a known set of images: which images, which noise, float or 8 bit, which iterations."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from denoise_cli import seeds
from denoise_cli.data.bundled import samples
from denoise_cli.data.sources import Source, open_source
from denoise_cli.errors import InputError
from denoise_cli.image import read
from denoise_cli.metrics.psnr import psnr
from denoise_cli.noise import parse, stored
from denoise_cli.shapes import LUMA

if TYPE_CHECKING:
    from denoise_cli.metrics import Metric

CIFAR, CBSD68, BSD68, SET12 = "cifar10-subset", "cbsd68", "bsd68-gray", "set12"
STRUCTURED = "structured"  # those of the bundled samples that repeat themselves, in gray
TINY_IMAGENET = "tiny-imagenet-subset.tar"
_PARTS = {CIFAR: "test/", TINY_IMAGENET: "val/"}  # of a set with parts only this one is scored
_REPEATING = ("brick", "chart", "gravel", "text")
_BATCH_PIXELS = 1 << 18  # small images of one size are denoised together, up to so many pixels
_EXACT = 99.0  # dB, of an image that is met exactly


@dataclass(frozen=True)
class Trial:
    """One line of a table. ``str`` is what the line is called."""

    images: str  # name of the set, a folder below the data folder
    noise: str  # a word that noise.parse reads
    eight_bit: bool  # the noisy image is clipped and rounded, as a file is; else it stays in float, as papers score
    seed: int = 0
    only: str = ""  # images of this class, or group of classes, such as animals; empty: all
    gray: bool = False  # colour images as their luma
    limit: int | None = None  # so many images, drawn by their names; None: all
    worst: bool = False  # the score of the worst image, instead of the mean

    def __str__(self) -> str:
        of = "/".join(part for part in (self.images.removesuffix(".tar"), self.only) if part)
        of += " in gray" * self.gray + (f" ({self.limit} images)" if self.limit else "")
        kind = "8 bit" if self.eight_bit else "float"
        return f"{of} {self.noise} {kind}" + ", worst image" * self.worst


Denoise = Callable[[Tensor], list[Tensor]]  # noisy images (N, C, H, W) to one or more estimates of that shape


def run_trial(trial: Trial, data: Path, denoise: Denoise, device: torch.device, metric: "Metric" = psnr) -> list[float]:
    """The mean of ``metric`` (PSNR is in dB) for each of the estimates that ``denoise`` makes of a noisy image, or the
    least one where the trial asks for the worst image.

    Estimates are clipped to [0, 1]. Every image's noise comes from a generator of its own: it depends neither on
    the others nor on their order.
    """
    scores = [
        torch.stack([metric(estimate.float(), clean) for estimate in denoise(noisy)], dim=1)  # (N, estimates)
        for clean, noisy in _batches(trial, data, device)
    ]
    each = torch.cat(scores).clamp(max=_EXACT)  # (images, estimates)
    return [float(score) for score in (each.amin(dim=0) if trial.worst else each.mean(dim=0))]


def _batches(trial: Trial, data: Path, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    noise = parse(trial.noise)
    clean_images = images(trial.images, data, only=trial.only, limit=trial.limit)
    taken = ((name, luma(clean)) for name, clean in clean_images) if trial.gray else clean_images
    for shape, items in groupby(taken, key=lambda item: item[1].shape):
        batch: list[tuple[Tensor, Tensor]] = []
        for name, clean in items:
            pair = noise(clean[None], seeds.generator(trial.seed, "bench", trial.noise, name))
            batch.append((pair.clean[0], stored(pair.noisy[0]) if trial.eight_bit else pair.noisy[0]))
            if len(batch) * shape[-1] * shape[-2] >= _BATCH_PIXELS:
                yield _stack(batch, device)
                batch = []
        if batch:
            yield _stack(batch, device)


def images(name: str, data: Path, only: str = "", limit: int | None = None) -> Iterator[tuple[str, Tensor]]:
    """The names and the clean pixels (C, H, W) of the set ``name``, a folder or archive below ``data``.

    ``only`` names a class of them, ``limit`` keeps so many, drawn by their names. Raises ``InputError``.
    """
    if name == STRUCTURED:
        for image in _REPEATING:
            clean = torch.from_numpy(read(samples() / "clean" / f"{image}.png").pixels)
            yield image, clean if len(clean) == 1 else torch.tensordot(torch.tensor(LUMA), clean, 1)[None]
        return
    for image, pixels in _scored(name, data, only).limited(limit, seed=0):
        yield image, torch.from_numpy(pixels).float().div(255)


def shown(name: str, data: Path) -> dict[str, str]:
    """The class of each image of the set ``name`` that has one; raises ``InputError``."""
    source = _scored(name, data, "")
    return {image: source.classes[image] for image in source.names if source.classes.get(image)}


def _scored(name: str, data: Path, only: str) -> Source:
    """The part of a set that is scored."""
    folder = data / name
    if not folder.exists():
        raise InputError(
            f"There is no set {name!r} in {str(data)!r}.",
            f"They are measured on {CIFAR}, {CBSD68}, {BSD68}, {SET12} and {TINY_IMAGENET}: name their folder.",
        )
    source = open_source(folder, only=(only,) if only else ())
    return replace(source, names=tuple(image for image in source.names if image.startswith(_PARTS.get(name, ""))))


def luma(clean: Tensor) -> Tensor:
    """Gray pixels (1, H, W), rounded to 8 bit, of an image (C, H, W)."""
    return clean if len(clean) == 1 else stored(torch.tensordot(torch.tensor(LUMA), clean, 1)[None])


def _stack(batch: list[tuple[Tensor, Tensor]], device: torch.device) -> tuple[Tensor, Tensor]:
    clean, noisy = zip(*batch, strict=True)
    return torch.stack(clean).to(device), torch.stack(noisy).to(device)
