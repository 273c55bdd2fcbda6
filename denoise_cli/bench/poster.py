"""The poster's table of the tangent link: which net, which optimiser and which input, and the kernel's filter beside.

Tachella, Tang, Davies, "The Neural Tangent Link Between CNN Denoisers and Non-Local Filters", CVPR 2021: poster.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from denoise_cli import methods, seeds
from denoise_cli.data.sources import open_source
from denoise_cli.errors import InputError
from denoise_cli.fitting.follow import follow
from denoise_cli.method import Fitter
from denoise_cli.methods import dip, ntk
from denoise_cli.metrics.psnr import psnr
from denoise_cli.noise import parse

PIECE, CORNER, EXTENT = "astronaut.png", (0, 96), 64  # of a sample: its corner and its side, pixels
NOISE = "gaussian:25"
NETS = {"autoencoder": dip.Config(dip.AUTOENCODER), "plain net": dip.Config(dip.PLAIN, width=128)}
WAYS = {"gradient descent": (dip.DESCENT, 1.0, 1000), "Adam": (dip.ADAM, 0.001, 500)}  # rate and steps
INPUTS = {"the noisy image": dip.IMAGE, "noise": dip.NOISE}
FILTER = "Nystrom, plain net"
THEIRS = {  # the poster's, dB, on House
    "the noisy image": {
        "gradient descent, autoencoder": 24.7, "gradient descent, plain net": 28.0, FILTER: 28.9,
        "Adam, autoencoder": 31.1, "Adam, plain net": 28.3,
    },
    "noise": {
        "gradient descent, autoencoder": 16.4, "gradient descent, plain net": 21.6, FILTER: 15.3,
        "Adam, autoencoder": 31.0, "Adam, plain net": 21.6,
    },
}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """The best estimate of one way with one input."""

    way: str
    input: str
    best: float  # dB
    best_at: int  # its step


def measure() -> Iterator[Cell]:
    """Every cell of the table; noise and weights are drawn by seed 0."""
    clean = piece(PIECE, CORNER, EXTENT)
    noisy = parse(NOISE)(clean, seeds.generator(0, "poster", "noise")).noisy
    for label, source in INPUTS.items():
        seen = noisy if source == dip.IMAGE else torch.rand(noisy.shape, generator=seeds.generator(0, "poster"))
        yield Cell(FILTER, label, *_best(_filtered(seen, noisy), clean))
        for way, (optimiser, rate, steps) in WAYS.items():
            for net, config in NETS.items():
                fitter = methods.find("dip").make(config)
                assert isinstance(fitter, Fitter)
                options = dip.Options(
                    iters=steps, stop="none", optimiser=optimiser, rate=rate, input=source, jitter=0.0, average=0.0,
                    held_out=0.0, impulses=0.0,
                )  # fmt: skip
                fits = follow(fitter, noisy, fitter.settle(noisy, options))
                found = ((standing.step.number, standing.step.estimate) for standing in fits)
                yield Cell(f"{way}, {net}", label, *_best(found, clean))


def table(cells: Sequence[Cell]) -> Iterator[str]:
    """A column for each input, the poster's figure in brackets."""
    yield f"| way | {' | '.join(f'input: {label}' for label in INPUTS)} |"
    yield "| --- |" + " ---: |" * len(INPUTS)
    for way in dict.fromkeys(cell.way for cell in cells):
        row = [cell for cell in cells if cell.way == way]
        figures = (f"{cell.best:.2f} at {cell.best_at} ({THEIRS[cell.input][way]})" for cell in row)
        yield f"| {way} | {' | '.join(figures)} |"


def _filtered(seen: Tensor, noisy: Tensor) -> Iterator[tuple[int, Tensor]]:
    """The noisy image, filtered by the kernel of what is seen, after ever more steps."""
    spectrum = ntk.decompose(seen, replace(ntk.Options(), sigma=0.0))
    spectrum = replace(spectrum, pixels=noisy[0].flatten(1).T)
    for steps in sorted({round(10 ** (index / 10)) for index in range(71)}):
        yield steps, spectrum.apply(steps).T.reshape(noisy.shape).clamp(0, 1)


def _best(estimates: Iterator[tuple[int, Tensor]], clean: Tensor) -> tuple[float, int]:
    return max((psnr(estimate, clean).item(), number) for number, estimate in estimates)


def piece(sample: str, corner: tuple[int, int], side: int) -> Tensor:
    """A square (1, C, side, side) of a bundled sample, from its ``corner`` (row, column) on. Raises ``InputError``."""
    for name, pixels in open_source():
        if name == sample:
            top, left = corner
            whole = torch.from_numpy(pixels.copy())[None].float().div(255)
            return whole[..., top : top + side, left : left + side]
    raise InputError(f"The sample {sample} is missing.", "Install denoise again.")
