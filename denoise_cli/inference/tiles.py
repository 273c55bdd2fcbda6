"""Large images by parts, so that the joined result is that of the whole.

What can be walked row by row is (``inference.walk``): no margins. The rest is cut into tiles with a margin as wide as
the denoiser's reach, and so is what could be walked, where tiles are asked for.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import product
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
_UNTRACED = 1 << 14  # pixels up to which, on one core, 20 iterations of dt take as long or less than their trace
_ROW_BYTES = 1 << 17  # of a row of features: three of them and their results fit into the cache of a core
_EVEN = 16  # pixels: convolutions are slower on rows that are no multiple, up to half
_MOST_IN_VAIN = 0.08  # of the width of an image: what strips compute beyond it


@dataclass(frozen=True)
class Work:
    """What is to be done to an image, wherever it is cut."""

    denoiser: Denoiser = field(hash=False)
    options: Any = field(hash=False)
    counts: tuple[int, ...] | None = None  # iterations to save, ascending; None: one estimate by the options
    dtype: torch.dtype = torch.float32  # of the convolutions
    own: bool = False  # the options were measured on this image: what is traced for it serves no other

    def at_once(self, height: int, width: int) -> bool:
        """Whether an image of ``height`` x ``width`` is so small that to trace it takes longer than it saves."""
        return self.own and height * width <= _UNTRACED

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
    """How an image is cut: tiles of ``side``, or strips as high as the image, with ``margin`` on each side, or not."""

    side: int | None
    margin: int
    strip: int | None = None  # width of the strips, where there is no side

    def cut(self, height: int, width: int) -> tuple[int, int]:
        """The height and width of the tiles of an image of ``height`` x ``width``, without their margins."""
        return self.side or height, self.side or self.strip or width


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
        side = max(tiling.cut(height, width)) // 2
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
    stride = work.denoiser.stride
    most = (side + 2 * tiling.margin for side in tiling.cut(height, width))
    tall, wide = (_up(min(whole, side), stride) for whole, side in zip((height, width), most, strict=True))
    return _way(work, (1, work.denoiser.channels or 3, tall, wide), device)


def _tiling(height: int, width: int, work: Work, side: int | None, device: torch.device) -> Tiling:
    reach, stride = work.reach, work.denoiser.stride
    if side is None and work.at_once(height, width):
        return Tiling(None, 0)
    if side is None and walks(work, device):
        return _strips(height, width, work, device)
    if reach is None or (side is None and height * width <= WHOLE):
        return Tiling(None, 0)
    chosen = _up(max(_SIDE, 2 * reach) if side is None else side, stride)
    return Tiling(None, 0) if chosen >= max(height, width) else Tiling(chosen, _up(reach, stride))


def _strips(height: int, width: int, work: Work, device: torch.device) -> Tiling:
    """Strips so narrow that the rows a convolution looks at are in the cache, where their margins cost less than that.

    Measured for 64 features on one core: rows of 2048 and of 6000 pixels take 1.2 and 1.5 times as long as of 1024.
    """
    whole, reach, stride = Tiling(None, 0), work.reach, work.denoiser.stride
    way = _largest(height, width, work, whole, device)
    if way is None or reach is None or device.type != "cpu":
        return whole
    rows = max((node.row_bytes for node in way.nodes if node.rule.macs), default=0)
    margin, count = _up(reach, stride), max(1, round(rows / _ROW_BYTES))
    strip = _up(-(-width // count) + 2 * margin, _EVEN * stride) - 2 * margin
    in_vain = count * (strip + 2 * margin) - width
    return whole if in_vain > _MOST_IN_VAIN * width or count == 1 else Tiling(None, margin, strip)


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
    (tall, wide), margin = tiling.cut(height, width), tiling.margin
    stride, least = work.denoiser.stride, wide + 2 * margin if tiling.strip else 0
    last = max(0, width - least) // stride * stride
    for top, left in product(range(0, height, tall), range(0, width, wide)):
        bottom, right = min(top + tall, height), min(left + wide, width)
        above, before = max(0, top - margin), max(0, min(left - margin, last))
        after = max(right + margin, before + least)
        for first, parts in _bands(work, noisy[..., above : bottom + margin, before:after]):
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
    way = _way(work, (*tile.shape[:2], height, width), tile.device)
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


def _way(work: Work, shape: tuple[int, ...], device: torch.device) -> Trace | None:
    """What ``work`` does to images of ``shape``; None where they are done at once."""
    return None if work.at_once(*shape[-2:]) else traced(work, shape, device)


@lru_cache(maxsize=16)
def traced(work: Work, shape: tuple[int, ...], device: torch.device) -> Trace | None:
    """What ``work`` does to images of ``shape``, multiples of the stride; None where they cannot be walked."""
    if work.reach is None:
        return None
    try:
        return trace(work.estimates, shape, device, work.dtype)
    except Unwalkable:
        return None


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
