"""Table II of the padding paper: the recurrent autoencoder on 15 images of CIFAR-10, with and without a border.

Alex Ho, Jacqueline Alvarez, Roummel F. Marcia, "Convolution Padding in Recurrent Neural Networks for Image Denoising
with Limited Data". A single run proves little: this one has several seeds, for weights and noise alike.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from itertools import islice
from math import log10
from statistics import mean, stdev
from typing import Any

import torch
from torch import Tensor

from denoise_cli import methods, seeds
from denoise_cli.bench.protocol import CIFAR, images
from denoise_cli.bench.zero_shot import Place
from denoise_cli.fitting.target import PADDINGS
from denoise_cli.method import Fitter
from denoise_cli.metrics.ssim import ssim
from denoise_cli.noise import parse
from denoise_cli.scoring.region import Region

NOISE = "gaussian:0.1"
CENTRE = Region(16, 16)
FRAME = 4  # outermost pixels
THEIRS = {"none": (0.863, 0.900), "edge": (0.877, 0.876), "reflect": (0.878, 0.871)}  # the means of Table II
WIDTH = 4  # of the paper's borders, pixels
WAYS: dict[str, dict[str, Any]] = {
    "160 steps": {"iters": 160, "stop": "none"},
    "280 steps, borders of 8": {"iters": 280, "stop": "none", "pad_size": 8},
    "the default": {},
    "plain gradient descent, T = 2000": {
        "optimiser": "descent", "rate": 1e-4, "iters": 2000, "average": 0.0, "smooth": 0.0,
    },
}  # fmt: skip
OURS = 2  # so many ways, the first ones, have enough steps for 32 x 32 and no more


@dataclass(frozen=True)
class Score:
    """One fit: the SSIM of the whole image and of its centre, and the PSNR of its outermost pixels, dB."""

    way: str
    padding: str
    seed: int
    whole: float
    centre: float
    frame: float


def measure(place: Place, ways: list[str], count: int, runs: int, dtype: torch.dtype) -> Iterator[Score]:
    """Fit the first ``count`` test images with every padding and ``runs`` seeds; ``dtype`` is the arithmetic's."""
    card = methods.find("rnn")
    for seed in range(runs):
        for image, pixels in islice(images(CIFAR, place.data), count):
            clean = pixels[None].to(place.device)
            for way in ways:
                for padding in PADDINGS:
                    bordered = {"pad_size": WIDTH, "padding": padding, "seed": seed}
                    options = replace(card.options, **(bordered | WAYS[way]))
                    made = json.dumps([asdict(card.config), asdict(options), str(dtype)])
                    name = f"padding-{image}-{sha256(made.encode()).hexdigest()[:12]}"
                    found = place.recall(name, lambda: _fit(image, clean, options, dtype))  # noqa: B023, called at once
                    if found is not None:
                        yield Score(way, padding, seed, *found)


def _fit(image: str, clean: Tensor, options: Any, dtype: torch.dtype) -> list[float]:
    card = methods.find("rnn")
    fitter = card.make(card.config)
    assert isinstance(fitter, Fitter)
    noisy = parse(NOISE)(clean, seeds.generator(options.seed, "bench", image, device=clean.device)).noisy
    with torch.autocast(clean.device.type, dtype, enabled=dtype != torch.float32):
        estimate = fitter.denoise(noisy, fitter.settle(noisy, options))
    return [_ssim(estimate, clean), _ssim(_centre(estimate), _centre(clean)), _frame(estimate, clean)]


def table(scores: list[Score]) -> Iterator[str]:
    """A row for each way and padding: the mean over images and seeds, and how far the means of the seeds spread."""
    yield (
        "| fit | padding | images x seeds | whole image | centre 16 x 16 | the paper: whole, centre | above it by "
        f"| outermost {FRAME} pixels, dB |"
    )
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for way in WAYS:
        for padding in PADDINGS:
            rows = [score for score in scores if (score.way, score.padding) == (way, padding)]
            if rows:
                runs = sorted({row.seed for row in rows})
                parts = [[[getattr(row, part) for row in rows if row.seed == seed] for seed in runs]
                         for part in ("whole", "centre")]  # fmt: skip
                theirs = THEIRS.get(padding, ())
                cells = [way, padding, f"{len(rows) // len(runs)} x {len(runs)}", *map(_spread, parts)]
                cells.append(", ".join(f"{figure:.3f}" for figure in theirs))
                pairs = zip(parts, theirs, strict=False)  # the paper has none of zeros
                cells.append(", ".join(f"{_mean(part) - figure:+.3f}" for part, figure in pairs))
                cells.append(f"{mean(row.frame for row in rows):.2f}")
                yield f"| {' | '.join(cells)} |"


def best(scores: list[Score]) -> Iterator[str]:
    """A sentence for each way: with which padding it scores highest."""
    for way in dict.fromkeys(score.way for score in scores):
        rows = [score for score in scores if score.way == way]
        paddings = dict.fromkeys(row.padding for row in rows)
        whole, centre, frame = (
            max(paddings, key=lambda padding: mean(getattr(row, part) for row in rows if row.padding == padding))
            for part in ("whole", "centre", "frame")
        )
        yield (
            f"With {way}, the padding {whole} scores highest on the whole image, {centre} at its centre, "
            f"{frame} at its borders."
        )


def page(scores: list[Score], words: str) -> str:
    """The table with what has to be said about it; ``words`` are the options of the command."""
    lines = [
        "# The padding of a recurrent autoencoder",
        "",
        f"Written by `denoise bench padding {words}`. SSIM (Gaussian window of 11 x 11, sigma 1.5) of the first test "
        f"images of CIFAR-10 under {NOISE}, not clipped; borders of {WIDTH} pixels unless said. Behind +- is the "
        "standard deviation of the means of the seeds. Which images the paper (Ho, Alvarez, Marcia) took, and the "
        "window of its SSIM, it does not say, so that being above or below it tells little by itself; the rows can be "
        "held against each other. No window of the SSIM is centred on the outermost 5 pixels, so that it hardly sees "
        "what a border is for: the last column, a PSNR, does.",
        "",
        *table(scores),
        "",
        *best(scores),
        "",
    ]
    return "\n".join(lines)


def _centre(image: Tensor) -> Tensor:
    return torch.from_numpy(CENTRE.crop(image[0].cpu().numpy()))[None]


def _frame(estimate: Tensor, clean: Tensor) -> float:
    away = (estimate.float() - clean).square()
    inner = away[..., FRAME:-FRAME, FRAME:-FRAME]
    return -10 * log10((float(away.sum()) - float(inner.sum())) / (away.numel() - inner.numel()))


def _ssim(estimate: Tensor, clean: Tensor) -> float:
    return float(ssim(estimate.float(), clean))


def _spread(runs: list[list[float]]) -> str:
    means = [mean(run) for run in runs]
    return f"{_mean(runs):.3f}" + (f" +- {stdev(means):.3f}" if len(means) > 1 else "")


def _mean(runs: list[list[float]]) -> float:
    return mean(mean(run) for run in runs)
