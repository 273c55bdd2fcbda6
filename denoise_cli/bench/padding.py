"""Table II of the padding paper: the recurrent autoencoder on 15 images of CIFAR-10, with and without a border.

Alex Ho, Jacqueline Alvarez, Roummel F. Marcia, "Convolution Padding in Recurrent Neural Networks for Image Denoising
with Limited Data". A single run proves little: this one has several seeds, for weights and noise alike.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from torch import Tensor

from denoise_cli import methods, seeds
from denoise_cli.bench.protocol import CIFAR, images
from denoise_cli.fitting.target import PADDINGS
from denoise_cli.method import Fitter
from denoise_cli.metrics.ssim import ssim
from denoise_cli.noise import parse
from denoise_cli.scoring.region import Region

NOISE = "gaussian:0.1"
CENTRE = Region(16, 16)
THEIRS = {"none": (0.863, 0.900), "edge": (0.877, 0.876), "reflect": (0.878, 0.871)}  # the means of Table II
WAYS: dict[str, dict[str, Any]] = {
    "the default": {},
    "plain gradient descent, T = 2000": {
        "optimiser": "descent", "rate": 1e-4, "iters": 2000, "average": 0.0, "held_out": 0.0, "stop": "none",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Score:
    """One fit: the SSIM of the whole image and of its centre."""

    way: str
    padding: str
    seed: int
    whole: float
    centre: float


def measure(data: Path, ways: list[str], count: int, runs: int, device: torch.device) -> Iterator[Score]:
    """Fit the first ``count`` test images with every padding, and with ``runs`` seeds."""
    card = methods.find("rnn")
    for seed in range(runs):
        for image, pixels in islice(images(CIFAR, data), count):
            clean = pixels[None].to(device)
            noisy = parse(NOISE)(clean, seeds.generator(seed, "bench", image, device=device)).noisy
            for way in ways:
                for padding in PADDINGS:
                    fitter = card.make(card.config)
                    assert isinstance(fitter, Fitter)
                    options = replace(card.options, **WAYS[way], padding=padding, pad_size=4, seed=seed)
                    estimate = fitter.denoise(noisy, fitter.settle(noisy, options))
                    yield Score(way, padding, seed, _ssim(estimate, clean), _ssim(_centre(estimate), _centre(clean)))


def table(scores: list[Score]) -> Iterator[str]:
    """A row for each way and padding: the mean over images and seeds, and how far the means of the seeds spread."""
    yield "| fit | padding | images x seeds | whole image | centre 16 x 16 | the paper: whole, centre |"
    yield "| --- | --- | ---: | ---: | ---: | ---: |"
    for way in WAYS:
        for padding in PADDINGS:
            rows = [score for score in scores if (score.way, score.padding) == (way, padding)]
            if rows:
                runs = sorted({row.seed for row in rows})
                theirs = ", ".join(f"{figure:.3f}" for figure in THEIRS.get(padding, ()))
                cells = [_spread([[getattr(row, part) for row in rows if row.seed == seed] for seed in runs])
                         for part in ("whole", "centre")]  # fmt: skip
                count = f"{len(rows) // len(runs)} x {len(runs)}"
                yield f"| {way} | {padding} | {count} | {cells[0]} | {cells[1]} | {theirs} |"


def page(scores: list[Score], words: str) -> str:
    """The table with what has to be said about it; ``words`` are the options of the command."""
    lines = [
        "# The padding of a recurrent autoencoder",
        "",
        f"Written by `denoise bench padding {words}`. SSIM (Gaussian window of 11 x 11, sigma 1.5) of the first test "
        f"images of CIFAR-10 under {NOISE}, not clipped; borders of 4 pixels. Behind +- is the standard deviation of "
        "the means of the seeds. Which images the paper took, and the window of its SSIM, it does not say.",
        "",
        *table(scores),
        "",
    ]
    return "\n".join(lines)


def _centre(image: Tensor) -> Tensor:
    return torch.from_numpy(CENTRE.crop(image[0].cpu().numpy()))[None]


def _ssim(estimate: Tensor, clean: Tensor) -> float:
    return float(ssim(estimate.float(), clean))


def _spread(runs: list[list[float]]) -> str:
    means = [mean(run) for run in runs]
    return f"{mean(means):.3f}" + (f" +- {stdev(means):.3f}" if len(means) > 1 else "")
