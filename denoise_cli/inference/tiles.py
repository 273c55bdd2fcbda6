"""Large images by parts, so that the joined result is that of the whole.

What can be walked row by row is (``inference.walk``): no margins. The rest is cut into tiles with a margin as wide as
the denoiser's reach, and so is what could be walked, where tiles are asked for.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from denoise_cli.errors import DeviceError
from denoise_cli.inference.nodes import Unwalkable
from denoise_cli.inference.trace import Trace, trace
from denoise_cli.inference.walk import memory, walk
from denoise_cli.method import Denoiser, Iterative
from denoise_cli.shapes import pad_to_multiple, to_unit

SMALLEST = 64  # side of the tiles where memory is short
WHOLE = 1 << 21  # pixels up to which an image is not cut at all
_SIDE = 1024  # of a tile without its margins, pixels
_AT_ONCE = {"cpu": 1 << 16}  # pixels of a step of a walk: few enough for the cache, enough for the borders not to tell
_AT_ONCE_ELSEWHERE = 1 << 22


@dataclass(frozen=True)
class Work:
    """What is to be done to an image, wherever it is cut."""

    denoiser: Denoiser = field(hash=False)
    options: Any = field(hash=False)
    counts: tuple[int, ...] | None = None  # iterations to save, ascending; None: one estimate by the options
    dtype: torch.dtype = torch.float32  # of the convolutions

    def estimates(self, noisy: Any) -> list[Tensor]:
        """The estimates (N, C, H, W) of images of that shape, H and W multiples of the stride."""
        if self.counts is None:
            return [self.denoiser.denoise(noisy, self.options)]
        assert isinstance(self.denoiser, Iterative)
        return self.denoiser.estimates(noisy, self.options, self.counts)

    @property
    def reach(self) -> int | None:
        """How far away an input can still change an estimate."""
        options = self.options if self.counts is None else replace(self.options, iters=self.counts[-1])
        return self.denoiser.reach(options)


@dataclass(frozen=True)
class Tiling:
    """How an image is cut: tiles of ``side`` with ``margin`` on each side; no ``side`` is the whole image."""

    side: int | None
    margin: int


_CPU = torch.device("cpu")


def plan(
    height: int,
    width: int,
    work: Work,
    side: int | None = None,
    device: torch.device = _CPU,
    free: int | None = None,
) -> Tiling:
    """Tiles for an image of ``height`` x ``width``: of ``side`` as asked for, else only where it cannot be walked.

    A walk that takes more than ``free`` bytes is tiled too, as coarsely as fits; raises ``DeviceError`` if none does.
    """
    tiling = _tiling(height, width, work, side, device)
    need = working_memory(height, width, work, tiling, device)
    while free is not None and need is not None and need > free:
        side = (tiling.side or max(height, width)) // 2
        if side < SMALLEST:
            raise DeviceError(
                f"Of the memory allowed, {max(0, free) / 1e6:.0f} MB are left for the work, which takes at least"
                f" {need / 1e6:.0f} MB.",
                "Allow more with --max-mem, or take fewer --iters.",
            )
        tiling = _tiling(height, width, work, side, device)
        need = working_memory(height, width, work, tiling, device)
    return tiling


def working_memory(height: int, width: int, work: Work, tiling: Tiling, device: torch.device = _CPU) -> int | None:
    """Bytes that the largest tile takes beside the image and its estimates; None where it is not walked."""
    way = _largest(height, width, work, tiling, device)
    return None if way is None else memory(way, step_rows(way, device, work.denoiser.stride))


def rows_of(height: int, width: int, work: Work, tiling: Tiling, device: torch.device = _CPU) -> int | None:
    """How many rows of a tile are made at a time; None where it is done at once."""
    way = _largest(height, width, work, tiling, device)
    return None if way is None else min(way.nodes[0].height, step_rows(way, device, work.denoiser.stride))


def _largest(height: int, width: int, work: Work, tiling: Tiling, device: torch.device) -> Trace | None:
    stride, most = work.denoiser.stride, (tiling.side or max(height, width)) + 2 * tiling.margin
    shape = (1, work.denoiser.channels or 3, _up(min(height, most), stride), _up(min(width, most), stride))
    return traced(work, shape, device)


def _tiling(height: int, width: int, work: Work, side: int | None, device: torch.device) -> Tiling:
    reach, stride = work.reach, work.denoiser.stride
    if reach is None or (side is None and (height * width <= WHOLE or walks(work, device))):
        return Tiling(None, 0)
    chosen = _up(max(_SIDE, 2 * reach) if side is None else side, stride)
    return Tiling(None, 0) if chosen >= max(height, width) else Tiling(chosen, _up(reach, stride))


def walks(work: Work, device: torch.device = _CPU) -> bool:
    """Whether images can be walked row by row."""
    stride = work.denoiser.stride
    return traced(work, (1, work.denoiser.channels or 3, stride, stride), device) is not None


def denoise(work: Work, noisy: Tensor, tiling: Tiling) -> list[Tensor]:
    """The estimates (N, C, H, W), float32, of images of that shape: one, or one for each of the counts.

    The images are float32, or uint8, shares of 255. Raises ``ArithmeticError`` as soon as one is not finite.
    """
    height, width = noisy.shape[-2:]
    joined = [torch.empty(noisy.shape, device=noisy.device) for _ in work.counts or (0,)]
    side, margin = tiling.side or max(height, width), tiling.margin
    for top, left in _corners(height, width, side):
        bottom, right = min(top + side, height), min(left + side, width)
        above, before = max(0, top - margin), max(0, left - margin)
        for first, parts in _bands(work, noisy[..., above : bottom + margin, before : right + margin]):
            low, high = max(above + first, top), min(above + first + parts[0].shape[-2], bottom)
            for whole, part in zip(joined, parts, strict=True):
                if not part.sum().isfinite():
                    raise ArithmeticError("the result is not finite")
                if low < high:
                    inside = part[..., low - above - first : high - above - first, left - before : right - before]
                    whole[..., low:high, left:right] = inside
    return joined


def step_rows(way: Trace, device: torch.device, stride: int) -> int:
    """How many rows a walk makes at a time: so many that they fill the cache, and little is made in vain."""
    count, _, _, width = way.nodes[0].shape
    in_vain = max(node.rule.again for node in way.nodes)
    return _up(max(4 * in_vain, 2, _AT_ONCE.get(device.type, _AT_ONCE_ELSEWHERE) // (count * width)), stride)


def _bands(work: Work, tile: Tensor) -> Iterator[tuple[int, list[Tensor]]]:
    """The estimates of a tile (N, C, H, W) row by row as they come, each with the number of its first row."""
    stride = work.denoiser.stride
    height, width = (_up(side, stride) for side in tile.shape[-2:])
    way = traced(work, (*tile.shape[:2], height, width), tile.device)
    if way is None:
        with torch.autocast(tile.device.type, work.dtype, enabled=work.dtype != torch.float32):
            estimates = work.estimates(pad_to_multiple(to_unit(tile), stride))
        yield 0, estimates
        return

    def source(first: int, end: int) -> Tensor:
        rows = to_unit(tile[..., min(first, tile.shape[-2] - 1) : end, :])
        below, right = end - first - rows.shape[-2], width - tile.shape[-1]
        return functional.pad(rows, (0, right, 0, below), mode="replicate") if below or right else rows

    yield from walk(way, step_rows(way, tile.device, stride), source)


@lru_cache(maxsize=16)
def traced(work: Work, shape: tuple[int, ...], device: torch.device) -> Trace | None:
    """What ``work`` does to images of ``shape``, multiples of the stride; None where they cannot be walked."""
    if work.reach is None:
        return None
    try:
        return trace(work.estimates, shape, device, work.dtype)
    except Unwalkable:
        return None


def _corners(height: int, width: int, side: int) -> Iterator[tuple[int, int]]:
    return ((top, left) for top in range(0, height, side) for left in range(0, width, side))


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
