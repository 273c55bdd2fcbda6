"""How far off the estimates of ``denoise inspect`` are: known noise on known images, as a page."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor

from denoise_cli import seeds
from denoise_cli.bench.protocol import BSD68, CBSD68, images
from denoise_cli.data.sources import open_source
from denoise_cli.image import Image, Source
from denoise_cli.inference.choose import Look, look
from denoise_cli.noise import Pair, parse, stored

SAMPLES = "samples"
SETS = (BSD68, CBSD68, SAMPLES)
CLEAN = "clean"
GAUSSIAN = ("gaussian:2", "gaussian:5", "gaussian:15", "gaussian:25", "gaussian:50", "gaussian:75")
LIGHT = ("poisson-gaussian:25+5", "poisson:30")
CORRELATED = ("camera:0.05+0.02", "camera:0.1+0.04", "camera:0.05+0.02+90", "camera:0.1+0.04+75")
IMPULSES = ("sp:0.01", "sp:0.05", "sp:0.1", "sp:0.3", "sp:0.5", "mixed:15+0.05", "mixed:25+0.1")
JPEG = ("jpeg:30", "jpeg:80")
NOISES = (CLEAN, *GAUSSIAN, *LIGHT, *CORRELATED, *IMPULSES, *JPEG)


@dataclass(frozen=True)
class Case:
    """What was measured on one image, and what is true: sigma on 0..255, ``None`` where it is not known."""

    name: str
    seen: Look
    sigma: float | None
    share: float

    @property
    def sigma_error(self) -> float:
        """Measured less true, on 0..255."""
        assert self.sigma is not None
        return 255 * self.seen.sigma - self.sigma

    @property
    def sigma_holds(self) -> bool:
        """Within 5 % or 0.5."""
        assert self.sigma is not None
        return abs(self.sigma_error) <= max(0.5, 0.05 * self.sigma)

    @property
    def share_error(self) -> float:
        """Measured less true."""
        return self.seen.impulse_share - self.share


@dataclass(frozen=True)
class Row:
    """One noise on one set."""

    images: str
    noise: str
    cases: list[Case]


def measure(data: Path, every: int = 1) -> Iterator[Row]:
    """Each noise on each set (of which only each ``every``-th image), in eight bits; the noise drawn by seed 0."""
    for name in SETS:
        kept = list(islice(_open(name, data), 0, None, 1 if name == SAMPLES else every))
        for noise in NOISES:
            yield Row(name, noise, [_case(image, clean, noise) for image, clean in kept])


def page(rows: list[Row], every: int) -> str:
    """The page ``docs/inspect.md``."""
    seen = {(row.images, row.noise): row.cases for row in rows}
    counts = ", ".join(f"{len(seen[name, CLEAN])} of {name}" for name in SETS)
    lines = [
        "# What `denoise inspect` measures, and how well",
        "",
        "Noise is added to clean images, clipped and rounded to 8 bits, and estimated again from the result. "
        f"Images: {counts}; noise seed 0. Made by `denoise bench inspect --every {every} -o docs/inspect.md`.",
        "",
        "## Sigma",
        "",
        "On 0..255: mean error, mean absolute error, the worst image, and on how many images the error is at most 5 % "
        "or 0.5. Where noise grows with the light, sigma is the root of the mean variance over the image.",
        "",
    ]
    lines += _table(seen, (*GAUSSIAN, *LIGHT), _sigma_cell)
    lines += [
        "",
        "The images of the sets are not free of noise, and a picture without any flat patch (grass, gravel) reads as "
        "noise, the more the less noise there is. This is what is read where none was added: mean, and largest.",
        "",
    ]
    lines += _table(seen, (CLEAN,), lambda cases: _spread([255 * case.seen.sigma for case in cases]))
    lines += [
        "",
        "## Noise that is not white",
        "",
        "Through a camera's mosaic and demosaicing noise is correlated from pixel to pixel. How often that is seen, "
        "and the mean ratio of the sigma that is read to the root mean square of the noise, which is the difference "
        "from the same photograph without noise. Of the white noises above it is seen in "
        f"{_not_white(seen)} images.",
        "",
    ]
    lines += _table(seen, CORRELATED, _correlated_cell)
    lines += [
        "",
        "## Salt and pepper",
        "",
        "The share of the pixels: mean absolute error, the worst image, and on how many images the error is at most "
        "0.01. The truth is the share that was drawn, which in the samples of 32x32 pixels is not the nominal one.",
        "",
    ]
    lines += _table(seen, IMPULSES, _share_cell)
    lines += [
        "",
        f"Where there is none, the largest share that is read in any image of any other row of this page is "
        f"{max(case.seen.impulse_share for row in rows if row.noise not in IMPULSES for case in row.cases):.4f}.",
        "",
        "Sigma beside salt and pepper (`mixed`), as above:",
        "",
    ]
    lines += _table(seen, tuple(noise for noise in IMPULSES if noise.startswith("mixed")), _sigma_cell)
    lines += ["", "## JPEG blocks", "", "Seen in so many images:", ""]
    blocks = (CLEAN, "gaussian:15", *JPEG)
    lines += _table(seen, blocks, lambda cases: f"{sum(case.seen.jpeg_blocks for case in cases)} of {len(cases)}")
    return "\n".join(lines) + "\n"


def _case(name: str, clean: Tensor, noise: str) -> Case:
    if noise == CLEAN:
        return Case(name, _look(clean), None, 0.0)
    pair = _drawn(clean, noise, name)
    sigma: float | None = 255 * (pair.noisy - pair.clean).square().mean().sqrt().item()
    share = 0.0
    if noise in IMPULSES:
        gray = _drawn(torch.full_like(clean, 0.5), noise, name).noisy  # the same draws, and every impulse can be seen
        share = ((gray == 0) | (gray == 1)).all(dim=1).float().mean().item()
        sigma = float(noise[6:].partition("+")[0]) if noise.startswith("mixed:") else None
    return Case(name, _look(stored(pair.noisy[0])), None if noise in JPEG else sigma, share)


def _drawn(clean: Tensor, noise: str, name: str) -> Pair:
    return parse(noise)(clean[None], seeds.generator(0, "bench", noise, name))


def _look(pixels: Tensor) -> Look:
    return look(Image(pixels.contiguous().numpy(), Source("image")))


def _open(name: str, data: Path) -> Iterator[tuple[str, Tensor]]:
    if name != SAMPLES:
        return images(name, data)
    return ((image, torch.from_numpy(pixels.copy()).float().div(255)) for image, pixels in open_source())


def _table(
    seen: dict[tuple[str, str], list[Case]], noises: Sequence[str], cell: Callable[[list[Case]], str]
) -> list[str]:
    """A line for each of ``noises``, a column for each set."""
    lines = [f"| noise | {' | '.join(SETS)} |", f"| --- |{' --- |' * len(SETS)}"]
    for noise in noises:
        lines.append(f"| `{noise}` | {' | '.join(cell(seen[name, noise]) for name in SETS)} |")
    return lines


def _sigma_cell(cases: list[Case]) -> str:
    errors = [case.sigma_error for case in cases]
    worst = max(cases, key=lambda case: abs(case.sigma_error))
    within = sum(case.sigma_holds for case in cases)
    sizes = fmean(map(abs, errors))
    return f"{fmean(errors):+.2f}, {sizes:.2f}, {worst.sigma_error:+.1f} ({worst.name}), {within} of {len(cases)}"


def _share_cell(cases: list[Case]) -> str:
    worst = max(cases, key=lambda case: abs(case.share_error))
    within = sum(abs(case.share_error) <= 0.01 for case in cases)
    mean = fmean(abs(case.share_error) for case in cases)
    return f"{mean:.4f}, {worst.share_error:+.3f} ({worst.name}), {within} of {len(cases)}"


def _correlated_cell(cases: list[Case]) -> str:
    ratios = [255 * case.seen.sigma / case.sigma for case in cases if case.sigma]
    return f"{sum(not case.seen.white for case in cases)} of {len(cases)}, {fmean(ratios):.2f}"


def _spread(values: list[float]) -> str:
    return f"{fmean(values):.1f}, {max(values):.1f}"


def _not_white(seen: dict[tuple[str, str], list[Case]]) -> str:
    cases = [case for name in SETS for noise in (*GAUSSIAN, *LIGHT) for case in seen[name, noise]]
    return f"{sum(not case.seen.white for case in cases)} of {len(cases)}"
