"""Pairs of images to rows of scores, one at a time."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from denoise_cli import image, metrics
from denoise_cli.errors import DenoiseError, InputError
from denoise_cli.scoring.pairs import Match, Pairs
from denoise_cli.scoring.region import Region


@dataclass(frozen=True)
class Row:
    """The scores of one image; a metric that is not defined for its size is ``nan`` and has a note."""

    name: str  # the output's path below its folder, with /
    scores: Mapping[str, float] = field(default_factory=dict)  # metric to score; empty: could not be scored
    noisy_scores: Mapping[str, float] = field(default_factory=dict)  # the same of the noisy image
    problem: str | None = None  # why something is missing
    failure: type[DenoiseError] = InputError  # what the problem is a case of
    notes: tuple[str, ...] = ()  # what is not defined for this image, what reading left out

    @property
    def gains(self) -> dict[str, float]:
        """How much better than the noisy image, for each metric; ``nan`` where it cannot be said."""
        return {name: self.scores[name] - noisy for name, noisy in self.noisy_scores.items()}


def rows(
    pairs: Pairs,
    names: Sequence[str],
    region: Region | None = None,
    noisy_pairs: Pairs | None = None,
    max_pixels: int = image.MAX_PIXELS,
) -> Iterator[Row]:
    """Yield a row for each pair, then one for each image without a partner.

    ``names`` are metrics; ``noisy_pairs`` pairs the noisy images with the same clean ones. Never raises for one bad
    image, such as one of more than ``max_pixels``: its row has a problem.
    """
    functions = {name: metrics.find(name) for name in names}
    noisy_of = {match.clean: match.output for match in noisy_pairs.matched} if noisy_pairs else None
    for match in pairs.matched:
        yield _row(match, functions, region, noisy_of, max_pixels)
    for path in pairs.only_outputs:
        yield Row(str(path), problem="has no clean image")
    for path in pairs.only_clean:
        yield Row(str(path), problem="has no output")
    for path in noisy_pairs.only_outputs if noisy_pairs else ():
        yield Row(str(path), problem="is a noisy image without a clean one")


def mean(scores: Sequence[float]) -> float:
    """The mean of the finite scores; ``inf`` if all are that (identical images), ``nan`` if there are none."""
    defined = [score for score in scores if not math.isnan(score)]
    finite = [score for score in defined if math.isfinite(score)]
    if finite:
        return math.fsum(finite) / len(finite)
    return defined[0] if defined else math.nan


def scores_of(
    output: image.Image,
    clean: image.Image,
    functions: Mapping[str, Callable[[Tensor, Tensor], Tensor]],
    region: Region | None = None,
) -> tuple[dict[str, float], tuple[str, ...]]:
    """The scores of ``output`` by each metric, and notes; a score that is not defined for its size is ``nan``.

    Raises ``InputError`` where it cannot be compared.
    """
    estimate, target = in_unit_of(clean, output), clean.pixels
    if estimate.shape[1:] != target.shape[1:]:
        raise InputError(f"has {_size(estimate)} pixels, its clean image {_size(target)}")
    if len(estimate) != len(target):
        raise InputError(f"has {_channels(estimate)}, its clean image {_channels(target)}")
    if region:
        estimate, target = region.crop(estimate), region.crop(target)
    # Twice the precision: single loses the fourth digit of SSIM where an image is flat.
    first, second = (torch.from_numpy(pixels.astype(np.float64))[None] for pixels in (estimate, target))
    scores: dict[str, float] = {}
    notes: list[str] = []
    with torch.inference_mode():
        for name, metric in functions.items():
            try:
                scores[name] = float(metric(first, second))
            except InputError as error:
                scores[name] = math.nan
                notes.append(error.what)
    return scores, (*notes, *output.source.warnings)


def _row(
    match: Match,
    functions: Mapping[str, Callable[[Tensor, Tensor], Tensor]],
    region: Region | None,
    noisy_of: Mapping[Path, Path] | None,
    max_pixels: int,
) -> Row:
    try:
        clean = image.read(match.clean, max_pixels)
        scores, notes = scores_of(image.read(match.output, max_pixels), clean, functions, region)
    except DenoiseError as error:
        return Row(match.name, problem=error.what, failure=type(error))
    notes += clean.source.warnings
    if noisy_of is None:
        return Row(match.name, scores, notes=notes)
    if match.clean not in noisy_of:
        return Row(match.name, scores, problem="has no noisy image", notes=notes)
    try:
        noisy_scores, _ = scores_of(image.read(noisy_of[match.clean], max_pixels), clean, functions, region)
    except DenoiseError as error:
        return Row(match.name, scores, problem=f"noisy image: {error.what}", notes=notes)
    return Row(match.name, scores, noisy_scores, notes=notes)


def in_unit_of(clean: image.Image, output: image.Image) -> NDArray[np.float32]:
    """The pixels of ``output`` on the scale of ``clean``: floating-point files beyond [0, 1] are read on their own."""
    own, other = output.source, clean.source
    if (own.scale, own.offset) == (other.scale, other.offset):
        return output.pixels
    values = output.pixels.astype(np.float64) * own.scale + own.offset
    return ((values - other.offset) / other.scale).astype(np.float32)


def _size(pixels: NDArray[np.float32]) -> str:
    return f"{pixels.shape[2]}x{pixels.shape[1]}"


def _channels(pixels: NDArray[np.float32]) -> str:
    return "1 channel" if len(pixels) == 1 else f"{len(pixels)} channels"
