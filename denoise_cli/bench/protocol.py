"""How a denoiser is scored on a known set of images: which images, which noise, float or 8 bit, which iterations."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from denoise_cli import seeds
from denoise_cli.data.bundled import samples
from denoise_cli.data.sources import open_source
from denoise_cli.errors import InputError
from denoise_cli.image import read
from denoise_cli.metrics.psnr import psnr
from denoise_cli.noise import parse, stored

if TYPE_CHECKING:
    from denoise_cli.metrics import Metric
from denoise_cli.shapes import LUMA

CIFAR, CBSD68, BSD68, SET12 = "cifar10-subset", "cbsd68", "bsd68-gray", "set12"
STRUCTURED = "structured"  # those of the bundled samples that repeat themselves, in gray
TINY_IMAGENET = "tiny-imagenet-subset.tar"
_PARTS = {CIFAR: "test/", TINY_IMAGENET: "val/"}  # of a set with parts only this one is scored
_REPEATING = ("brick", "chart", "gravel", "text")
_BATCH_PIXELS = 1 << 18  # small images of one size are denoised together, up to so many pixels


@dataclass(frozen=True)
class Trial:
    """One line of a table. ``str`` is what the line is called."""

    images: str  # name of the set, a folder below the data folder
    noise: str  # a word that noise.parse reads
    eight_bit: bool  # the noisy image is clipped and rounded, as a file is; else it stays in float, as papers score
    seed: int = 0

    def __str__(self) -> str:
        kind = "8 bit" if self.eight_bit else "float"
        return f"{self.images} {self.noise} {kind}"


Denoise = Callable[[Tensor], list[Tensor]]  # noisy images (N, C, H, W) to one or more estimates of that shape


def run_trial(trial: Trial, data: Path, denoise: Denoise, device: torch.device, metric: "Metric" = psnr) -> list[float]:
    """The mean of ``metric`` (PSNR is in dB) for each of the estimates that ``denoise`` makes of a noisy image.

    Estimates are clipped to [0, 1]. Every image's noise comes from a generator of its own: it depends neither on
    the others nor on their order.
    """
    scores = [
        torch.stack([metric(estimate.float(), clean) for estimate in denoise(noisy)], dim=1)  # (N, estimates)
        for clean, noisy in _batches(trial, data, device)
    ]
    return [float(score) for score in torch.cat(scores).mean(dim=0)]


def _batches(trial: Trial, data: Path, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    noise = parse(trial.noise)
    for shape, items in groupby(images(trial.images, data), key=lambda item: item[1].shape):
        batch: list[tuple[Tensor, Tensor]] = []
        for name, clean in items:
            noisy = noise(clean[None], seeds.generator(trial.seed, "bench", trial.noise, name)).noisy[0]
            batch.append((clean, stored(noisy) if trial.eight_bit else noisy))
            if len(batch) * shape[-1] * shape[-2] >= _BATCH_PIXELS:
                yield _stack(batch, device)
                batch = []
        if batch:
            yield _stack(batch, device)


def images(name: str, data: Path) -> Iterator[tuple[str, Tensor]]:
    """The names and the clean pixels (C, H, W) of the set ``name``, a folder below ``data``; raises ``InputError``."""
    if name == STRUCTURED:
        for image in _REPEATING:
            clean = torch.from_numpy(read(samples() / "clean" / f"{image}.png").pixels)
            yield image, clean if len(clean) == 1 else torch.tensordot(torch.tensor(LUMA), clean, 1)[None]
        return
    folder = data / name
    if not folder.exists():
        raise InputError(
            f"There is no set {name!r} in {str(data)!r}.",
            f"They are measured on {CIFAR}, {CBSD68}, {BSD68}, {SET12} and {TINY_IMAGENET}: name their folder.",
        )
    for image, pixels in open_source(folder):
        if image.startswith(_PARTS.get(name, "")):
            yield image, torch.from_numpy(pixels).float().div(255)


def _stack(batch: list[tuple[Tensor, Tensor]], device: torch.device) -> tuple[Tensor, Tensor]:
    clean, noisy = zip(*batch, strict=True)
    return torch.stack(clean).to(device), torch.stack(noisy).to(device)
