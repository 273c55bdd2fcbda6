"""The tangent link, tried: a wide net that gradient descent fits to an image follows the kernel's filter.

Tachella, Tang, Davies, "The Neural Tangent Link Between CNN Denoisers and Non-Local Filters", CVPR 2021: with more
channels c the weights move less under gradient descent (about c^-1/2), but not under Adam.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from denoise_cli import seeds
from denoise_cli.bench import poster
from denoise_cli.files import write_atomically
from denoise_cli.methods import ntk
from denoise_cli.metrics.psnr import psnr
from denoise_cli.noise import parse

IMAGE, CORNER, EXTENT = "camera.png", (96, 208), 40  # a piece of a sample: its corner and its side, pixels
NOISE, SIDE = "gaussian:25", 5
WIDTHS = (64, 256, 1024, 4096)
STEPS = 200
DESCENT, ADAM = "gradient descent", "adam"
RATES = {DESCENT: 1.0, ADAM: 1e-3}  # of gradient descent: in units of 1 / the largest eigenvalue


@dataclass(frozen=True)
class Fit:
    """One net after its last step."""

    optimiser: str
    width: int
    moved: float  # norm of the change of all weights over their first norm
    largest: float  # largest change of one hidden unit's weights over their first norm
    apart: float  # root mean square distance from the filter's estimate, on 0..255
    psnr: float  # of the estimate, dB


def measure() -> Iterator[Fit]:
    """Each optimiser at each width; the first weights and the noise are drawn by seed 0."""
    clean = poster.piece(IMAGE, CORNER, EXTENT)
    noisy = parse(NOISE)(clean, seeds.generator(0, "tangent", "noise")).noisy
    patches = ntk.patches_of(noisy, SIDE)
    options = replace(ntk.Options(), side=SIDE, points=len(patches), sigma=25 / 255)
    filtered = ntk.decompose(noisy, options).apply(STEPS).T.reshape(noisy.shape)
    rate = 1 / torch.linalg.eigvalsh(ntk.kernel(patches.double(), patches.double()))[-1].item()
    for optimiser in (DESCENT, ADAM):
        for width in WIDTHS:
            yield _fit(optimiser, width, patches, noisy, clean, filtered, rate)


def figure(fits: list[Fit], path: Path) -> None:
    """Write a PNG of how far weights move by how many channels there are, both on logarithmic scales."""
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(6, 4), layout="constrained")
    axes = drawing.subplots()
    for optimiser in (DESCENT, ADAM):
        chosen = [fit for fit in fits if fit.optimiser == optimiser]
        axes.loglog([fit.width for fit in chosen], [fit.moved for fit in chosen], marker="o", label=optimiser)
    first = next(fit for fit in fits if fit.optimiser == DESCENT)
    line = [first.moved * (width / first.width) ** -0.5 for width in WIDTHS]
    axes.loglog(WIDTHS, line, color="gray", linestyle="--", label="$c^{-1/2}$")
    axes.set(xlabel="channels c", ylabel="change of the weights, relative")
    axes.legend()
    data = BytesIO()
    drawing.savefig(data, format="png", dpi=120)
    write_atomically(path, data.getvalue(), force=True)


def page(fits: list[Fit], cells: list[poster.Cell], picture: str | None) -> str:
    """The page ``docs/tangent.md``; ``picture`` is the name of the figure beside it."""
    lines = [
        "# The tangent link, tried",
        "",
        f"A net of one layer of {SIDE}x{SIDE} windows, c channels, ReLU and a linear output, fitted to a noisy piece "
        f"of {EXTENT}x{EXTENT} pixels of the sample `{IMAGE}` (`{NOISE}`, seed 0), the piece itself being the input, "
        f"for {STEPS} steps. The filter is twicing with the kernel of the infinitely wide net, all columns, as many "
        "steps. "
        f"Gradient descent has the rate 1 / largest eigenvalue, as the filter has; Adam has {RATES[ADAM]:g}. The net's "
        "first output is subtracted. Made by `denoise bench tangent -o docs/tangent.md`.",
        "",
        "| optimiser | c | change of the weights | largest of a hidden unit | off the filter, 0..255 | PSNR, dB |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {fit.optimiser} | {fit.width} | {fit.moved:.4f} | {fit.largest:.4f} | {fit.apart:.2f} | {fit.psnr:.2f} |"
        for fit in fits
    ]
    lines += ["", "Changes are relative to the first weights. Slope of their logarithm over that of c:", ""]
    for optimiser in (DESCENT, ADAM):
        chosen = [fit for fit in fits if fit.optimiser == optimiser]
        slopes = ", ".join(
            f"{_slope(one, other):+.2f} ({one.width} to {other.width})" for one, other in pairwise(chosen)
        )
        lines.append(f"- {optimiser}: {slopes}")
    if picture:
        lines += ["", f"![The change of the weights by the number of channels]({picture})"]
    if cells:
        side = poster.EXTENT
        lines += [
            "",
            "## The table of the poster (Tachella, Tang, Davies)",
            "",
            f"PSNR of the best estimate on the way, dB, and its step, on a noisy piece of {side}x{side} pixels of the "
            f"sample `{poster.PIECE}` in colour (`{poster.NOISE}`, seed 0); in brackets the poster's figures, of "
            "another image, House, 256x256. The autoencoder has 32 channels, the plain net one layer of 128 windows "
            "of 11x11. Nothing stops a fit but its last step: 1000 of gradient descent, 500 of Adam.",
            "",
            *poster.table(cells),
        ]
    return "\n".join(lines) + "\n"


def _fit(
    optimiser: str, width: int, patches: Tensor, noisy: Tensor, clean: Tensor, filtered: Tensor, rate: float
) -> Fit:
    """In the kernel's parametrisation: weights of variance 1, outputs divided by the square root of c / 2."""
    generator = seeds.generator(0, "tangent", optimiser, width)
    first = torch.randn((patches.shape[1], width), generator=generator)
    last = torch.randn((width, 1), generator=generator)
    start = first.clone(), last.clone()
    scale = math.sqrt(2 / width)
    target = noisy.reshape(-1, 1)
    begun = scale * (patches @ first).relu() @ last
    with torch.inference_mode(False), torch.enable_grad():
        weights = [part.clone().requires_grad_() for part in start]
        solver: torch.optim.Optimizer = (
            torch.optim.SGD(weights, RATES[DESCENT] * rate)
            if optimiser == DESCENT
            else torch.optim.Adam(weights, RATES[ADAM])
        )
        for _ in range(STEPS):
            output = scale * (patches @ weights[0]).relu() @ weights[1] - begun
            loss = (target - output).square().sum() / 2
            solver.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            solver.step()
    ended = [part.detach() for part in weights]
    estimate = (scale * (patches @ ended[0]).relu() @ ended[1] - begun).reshape(noisy.shape)
    change = sum((now - then).square().sum() for now, then in zip(ended, start, strict=True))
    norm = sum(then.square().sum() for then in start)
    units = (ended[0] - start[0]).norm(dim=0) / start[0].norm(dim=0)
    return Fit(
        optimiser,
        width,
        math.sqrt(float(change) / float(norm)),
        units.max().item(),
        255 * (estimate - filtered).square().mean().sqrt().item(),
        psnr(estimate.clamp(0, 1), clean).item(),
    )


def _slope(one: Fit, other: Fit) -> float:
    return math.log(other.moved / one.moved) / math.log(other.width / one.width)
