"""Non-local filtering in groups: blocks that look alike are stacked, shrunk together, and put back where they were.

The scheme of Kostadin Dabov, Alessandro Foi, Vladimir Katkovnik, Karen Egiazarian, "Image Denoising by Sparse 3-D
Transform-Domain Collaborative Filtering", IEEE Transactions on Image Processing, 2007, sections II and III. Letters:
D pixels of a block or numbers of its spectrum, L positions in a band of rows, K blocks of a group, R groups.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt

import torch
from torch import Tensor
from torch.nn import functional

from denoise_cli.layers.matching import Grid, Search, bands, match, whole

_NUMBERS_AT_ONCE = {"cpu": 1 << 18, "cuda": 1 << 26}  # of a stack; on a CPU it stays in the cache

Shrink = Callable[[Sequence[Tensor]], tuple[Tensor, Tensor]]
"""From the spectra of R groups, (K, R, C, D) of each image, those of the estimate, and the groups' weights (R, C)."""


@dataclass(frozen=True)
class Transform:
    """The transform of a block, and how its pixels count where blocks overlap."""

    analysis: Tensor  # (D, D): the spectrum of a row of D pixels is that row times it
    synthesis: Tensor  # (D, D): the way back
    window: Tensor  # (D,): weights of the pixels


def filter_groups(
    images: Sequence[Tensor],
    guide: Tensor,
    search: Search,
    transform: Transform,
    shrink: Shrink,
) -> Tensor:
    """The estimate (N, C, H, W) from ``images`` of that shape, whose groups are those of ``guide`` (N, 1, H, W).

    Equations 8 to 12 of the paper, where overlapping blocks are added up as spectra, and transformed back once for each
    place.
    """
    with torch.autocast(guide.device.type, enabled=False):
        return _filter([image.float() for image in images], whole(guide.float()), search, transform, shrink)


def _filter(
    images: Sequence[Tensor],
    guide: Tensor,
    search: Search,
    transform: Transform,
    shrink: Shrink,
) -> Tensor:
    count, channels, height, width = images[0].shape
    numbers = search.side**2
    grid = Grid(search, height, width)
    framed, framed_guide = [grid.frame(image) for image in images], grid.frame(guide)
    allowed = grid.corners(framed_guide)
    line = framed_guide.shape[-1]
    total, weight = torch.zeros_like(framed[0]), torch.zeros_like(framed[0])
    for band in bands(grid, framed_guide):
        rows = slice(band.top, band.top + band.rows + search.side)
        features = _blocks(framed_guide[..., rows, :], search.side).flatten(0, -2)  # (N * L, D)
        places, counts = match(features, allowed[band.top : band.top + band.rows], grid, band)
        spectra = [_blocks(image[..., rows, :], search.side) @ transform.analysis for image in framed]
        spectra = [spectrum.flatten(0, 1).flatten(1) for spectrum in spectra]  # (N * L, C * D)
        sums = torch.zeros_like(spectra[0])
        weights = sums.new_zeros((len(sums), channels))
        for size, chosen in _alike(places, counts, _NUMBERS_AT_ONCE.get(guide.device.type, 1 << 20) // numbers):
            stacked = chosen.t().flatten()  # (K * R)
            haar = _haar(size).to(guide.device)
            stacks = [haar @ spectrum.index_select(0, stacked).view(size, -1) for spectrum in spectra]
            shape = (size, len(chosen), channels, numbers)
            shrunk, share = shrink([stack.view(shape) for stack in stacks])
            shrunk = shrunk * share[..., None]
            _add(sums, stacked, (haar.t() @ shrunk.view(size, -1)).view(-1, channels * numbers))
            _add(weights, stacked, share.expand(size, -1, -1).flatten(0, 1))
        sums = sums.view(count, -1, channels, numbers).permute(0, 2, 3, 1)  # (N, C, D, L)
        planes = (transform.synthesis * transform.window).t() @ sums
        weights = weights.view(count, -1, channels).transpose(1, 2).contiguous()
        band_total, band_weight = (torch.zeros_like(total[..., rows, :]).flatten(2) for _ in range(2))
        for pixel in range(numbers):
            start = pixel // search.side * line + pixel % search.side
            here = slice(start, start + band.rows * line)
            band_total[..., here] += planes[:, :, pixel]
            band_weight[..., here].add_(weights, alpha=float(transform.window[pixel]))
        total[..., rows, :] += band_total.view_as(total[..., rows, :])
        weight[..., rows, :] += band_weight.view_as(total[..., rows, :])
    inside = (..., slice(search.radius, search.radius + height), slice(search.radius, search.radius + width))
    return total[inside] / weight[inside]


def wiener(spectra: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Shrinks the first of two spectra by the second, an estimate of the clean one; the noise has unit variance.

    Equations 8 and 11 of the paper. Given one spectrum, it is its own estimate.
    """
    power = spectra[-1].square()
    factors = power / (power + 1)
    return factors * spectra[0], 1 / factors.square().sum(dim=(0, 3)).clamp_min(1e-6)


def hard_threshold(spectra: Sequence[Tensor], limit: float) -> tuple[Tensor, Tensor]:
    """Drops what is below ``limit``; a group weighs the less, the more is left of it. Equations 5 and 10."""
    kept = functional.hardshrink(spectra[0], limit)
    return kept, 1 / (kept != 0).sum(dim=(0, 3)).clamp_min(1).to(kept.dtype)


def _blocks(image: Tensor, side: int) -> Tensor:
    """The blocks at all corners of ``image`` (N, C, H, W) but for the last ``side`` rows: (N, L, C, D) or (N, L, D)."""
    image = image.contiguous()
    count, channels, height, width = image.shape
    plane = height * width
    blocks = image.as_strided(
        (count, (height - side) * width, channels, side, side), (channels * plane, 1, plane, width, 1)
    )
    return blocks.flatten(3)


def _alike(places: Tensor, counts: Tensor, blocks: int) -> list[tuple[int, Tensor]]:
    """The groups (R, K) parted by size, a power of two, in portions of about so many blocks."""
    portions = []
    size = 1
    while size <= places.shape[1]:
        enough = (counts >= size) & ((counts < 2 * size) | (2 * size > places.shape[1]))
        chosen = places[enough][:, :size]
        portions += [(size, portion) for portion in torch.split(chosen, max(1, blocks // size)) if len(portion)]
        size *= 2
    return portions


def _add(total: Tensor, places: Tensor, values: Tensor) -> None:
    """Adds rows to those rows of ``total``; on a GPU too in an order that is always the same."""
    if total.is_cuda:
        total.index_put_((places,), values, accumulate=True)
    else:
        total.index_add_(0, places, values)


@lru_cache
def _haar(size: int) -> Tensor:
    """The orthonormal Haar transform of ``size`` numbers, a power of two, as a matrix."""
    with torch.inference_mode(False):
        matrix = torch.ones((1, 1))
        while len(matrix) < size:
            coarse = torch.kron(matrix, torch.tensor([[1.0, 1.0]]))
            fine = torch.kron(torch.eye(len(matrix)), torch.tensor([[1.0, -1.0]]))
            matrix = torch.cat((coarse, fine)) / sqrt(2)
        return matrix
