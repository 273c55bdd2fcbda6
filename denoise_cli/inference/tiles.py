"""Large images in tiles: cut with a margin as wide as the denoiser's reach, so that the joined result is the same."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from denoise_cli.method import Denoiser, Iterative
from denoise_cli.shapes import pad_to_multiple

WHOLE = 1 << 21  # pixels up to which an image is not cut at all
_SIDE = 1024  # of a tile without its margins, pixels


@dataclass(frozen=True)
class Tiling:
    """How an image is cut: tiles of ``side`` with ``margin`` on each side; no ``side`` is the whole image."""

    side: int | None
    margin: int


def plan(height: int, width: int, denoiser: Denoiser, options: Any, side: int | None = None) -> Tiling:
    """Tiles for an image of ``height`` x ``width``: ``side`` as asked for, or by the image's size and the reach."""
    reach = denoiser.reach(options)
    if reach is None or (side is None and height * width <= WHOLE):
        return Tiling(None, 0)
    margin = _up(reach, denoiser.stride)
    chosen = _up(max(_SIDE, 2 * reach) if side is None else side, denoiser.stride)
    if chosen >= max(height, width):
        return Tiling(None, 0)
    return Tiling(chosen, margin)


def denoise(
    denoiser: Denoiser, noisy: Tensor, options: Any, counts: tuple[int, ...] | None, tiling: Tiling
) -> list[Tensor]:
    """The estimates (1, C, H, W) of an image of that shape: one, or one for each of ``counts`` iterations."""
    height, width = noisy.shape[-2:]
    padded = pad_to_multiple(noisy, denoiser.stride)
    if tiling.side is None:
        estimates = _estimates(denoiser, padded, options, counts)
        return [estimate[..., :height, :width] for estimate in estimates]
    joined = [torch.empty_like(noisy) for _ in counts or (0,)]
    for top, left in _corners(height, width, tiling.side):
        bottom, right = min(top + tiling.side, height), min(left + tiling.side, width)
        above, before = max(0, top - tiling.margin), max(0, left - tiling.margin)
        tile = padded[..., above : bottom + tiling.margin, before : right + tiling.margin]
        tile = pad_to_multiple(tile, denoiser.stride)
        for whole, estimate in zip(joined, _estimates(denoiser, tile, options, counts), strict=True):
            whole[..., top:bottom, left:right] = estimate[
                ..., top - above : bottom - above, left - before : right - before
            ]
    return joined


def _estimates(denoiser: Denoiser, noisy: Tensor, options: Any, counts: tuple[int, ...] | None) -> list[Tensor]:
    if counts is None:
        return [denoiser.denoise(noisy, options)]
    assert isinstance(denoiser, Iterative)
    return denoiser.estimates(noisy, options, counts)


def _corners(height: int, width: int, side: int) -> Iterator[tuple[int, int]]:
    return ((top, left) for top in range(0, height, side) for left in range(0, width, side))


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
