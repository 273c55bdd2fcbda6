"""The median of a square window as a layer: exact, with its gradient, and frugal with memory."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from denoise_cli.layers.local import locally

_AT_ONCE = {"cpu": 1 << 16, "cuda": 1 << 23}  # values in a band of rows; on a CPU its planes stay in the cache


class MedianLayer(nn.Module):
    """The median of ``side`` x ``side`` pixels (odd) around each, channel by channel; (N, C, H, W) to the same.

    Borders are mirrored; where an image is smaller than the window it is continued by its edge.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, features: Tensor) -> Tensor:
        return locally(_medians, self.side // 2, features, self.side)


def _medians(features: Tensor, side: int) -> Tensor:
    radius = side // 2
    mode = "reflect" if min(features.shape[-2:]) > radius else "replicate"
    padded = functional.pad(features, (radius,) * 4, mode=mode)
    return _Median.apply(padded, side)  # type: ignore[no-any-return, no-untyped-call]


class _Median(torch.autograd.Function):
    """The medians of all windows that lie within ``padded``; the gradient goes to the pixel that was chosen."""

    @staticmethod
    def forward(context: Any, padded: Tensor, side: int) -> Tensor:
        height, width = (size - side + 1 for size in padded.shape[-2:])
        at_once = _AT_ONCE.get(padded.device.type, 1 << 20)
        rows = max(1, at_once // (len(padded) * padded.shape[1] * width))
        bands = []
        for top in range(0, height, rows):
            bottom = min(top + rows, height)
            bands.append(
                _select([padded[..., top + i : bottom + i, j : j + width] for i in range(side) for j in range(side)])
            )
        medians = torch.cat(bands, dim=2)
        context.save_for_backward(padded, medians)
        context.side = side
        return medians

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        padded, medians = context.saved_tensors
        (gradient,) = gradients
        height, width = medians.shape[-2:]
        total = torch.zeros_like(padded)
        open_ = torch.ones_like(medians, dtype=torch.bool)  # the first of equal values gets it all
        for i in range(context.side):
            for j in range(context.side):
                window = (..., slice(i, i + height), slice(j, j + width))
                chosen = open_ & (padded[window] == medians)
                total[window] += gradient * chosen
                open_ &= ~chosen
        return total, None


def _select(values: list[Tensor]) -> Tensor:
    """The median, value by value, of an odd number of tensors of one shape.

    Of any ``count // 2 + 2`` of ``count`` values neither the least nor the greatest can be the median: both are
    dropped, the next value joins, and so on.
    """
    enough = len(values) // 2 + 2
    kept, waiting = values[:enough], values[enough:]
    while len(kept) > 1:
        kept = _without_extremes(kept) + waiting[:1]
        waiting = waiting[1:]
    return kept[0]


def _without_extremes(values: list[Tensor]) -> list[Tensor]:
    """``values`` without their least and greatest, which are found by exchanges of two."""
    values = list(values)
    last = len(values) - 1

    def order(first: int, second: int) -> None:
        lesser = torch.minimum(values[first], values[second])
        values[second] = torch.maximum(values[first], values[second])
        values[first] = lesser

    for index in range(len(values) // 2):
        order(index, last - index)
    for index in range(1, (len(values) + 1) // 2):
        order(0, index)
    for index in range(len(values) // 2, last):
        order(index, last)
    return values[1:-1]
