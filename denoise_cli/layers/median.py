"""The median of a square window as a layer: exact, with its gradient, and frugal with memory."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from denoise_cli.image import load_opencv
from denoise_cli.layers.local import locally

_AT_ONCE = {"cpu": 1 << 16, "cuda": 1 << 23}  # values in a band of rows; on a CPU its planes stay in the cache
_OPENCV = (3, 5)  # sides whose medians OpenCV finds in numbers of 32 bits, twenty times as fast as by exchanges
_BITS = 3  # of a row and of a column, which tell the places in a window apart; bfloat16 leaves 16 of 32 free


class MedianLayer(nn.Module):
    """The median of ``side`` x ``side`` pixels (odd) around each, channel by channel; (N, C, H, W) to the same.

    Borders are mirrored; where an image is smaller than the window it is continued by its edge. Under autocast the
    features are rounded first, as those of a convolution are: the median of rounded values is the rounded median.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side
        self._find: Callable[[Tensor, int], Tensor] = _medians

    def forward(self, features: Tensor) -> Tensor:
        kind = features.device.type
        if torch.is_autocast_enabled(kind):
            features = features.to(torch.get_autocast_dtype(kind))
        with torch.autocast(kind, enabled=False):  # which would have borders mirrored in float32
            return locally(self._find, self.side // 2, features, self.side)


def keep_uncompiled(net: nn.Module) -> None:
    """Have the medians in ``net`` left out where it is compiled: what OpenCV does cannot be."""
    for part in net.modules():
        if isinstance(part, MedianLayer):
            part._find = torch.compiler.disable(_medians)  # type: ignore[no-untyped-call]


def _medians(features: Tensor, side: int) -> Tensor:
    radius = side // 2
    mode = "reflect" if min(features.shape[-2:]) > radius else "replicate"
    padded = functional.pad(features, (radius,) * 4, mode=mode)
    if torch.compiler.is_exporting():  # any height and width, by operations that other programs have too
        height, width = features.shape[-2:]
        return _select([padded[..., i : i + height, j : j + width] for i in range(side) for j in range(side)])
    if side in _OPENCV and padded.device.type == "cpu" and bool(padded.isfinite().all()):
        if padded.dtype == torch.bfloat16:
            return _Placed.apply(padded, side)  # type: ignore[no-any-return, no-untyped-call]
        if padded.dtype == torch.float32 and not padded.requires_grad:
            return _by_opencv(padded, side)
    return _Median.apply(padded, side)  # type: ignore[no-any-return, no-untyped-call]


def _by_opencv(padded: Tensor, side: int) -> Tensor:
    """The medians of all windows that lie within ``padded``, of float32 on the CPU."""
    radius = side // 2
    planes = padded.detach().contiguous()
    tall = planes.view(-1, planes.shape[-1])  # plane below plane; what mixes two of them is cut away
    medians = torch.from_numpy(load_opencv().medianBlur(tall.numpy(), side)).view(planes.shape)
    return medians[..., radius : planes.shape[-2] - radius, radius : planes.shape[-1] - radius]


class _Placed(torch.autograd.Function):
    """The medians of bfloat16 by OpenCV, which carries along where each one stood: the gradient goes there."""

    @staticmethod
    def forward(context: Any, padded: Tensor, side: int) -> Tensor:
        rows, columns = (torch.arange(size, dtype=torch.int32) for size in padded.shape[-2:])
        places = (rows[:, None] % (1 << _BITS) << _BITS) + columns % (1 << _BITS)
        bits = padded.contiguous().view(torch.int16).to(torch.int32) << 16
        medians = _by_opencv((bits | places).view(torch.float32), side).contiguous().view(torch.int32)
        context.save_for_backward(medians & ((1 << 2 * _BITS) - 1))
        context.shape = padded.shape
        return (medians >> 16).to(torch.int16).view(torch.bfloat16)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (places,) = context.saved_tensors
        (gradient,) = gradients
        count, channels, height, width = context.shape
        rows, columns = (torch.arange(size, dtype=torch.int32) for size in places.shape[-2:])
        down = ((places >> _BITS) - rows[:, None]) & ((1 << _BITS) - 1)  # from the window's corner
        right = (places - columns) & ((1 << _BITS) - 1)
        chosen = (down + rows[:, None]) * width + right + columns
        total = torch.zeros((count, channels, height * width))
        total.scatter_add_(2, chosen.flatten(2).long(), gradient.float().flatten(2))
        return total.view(context.shape).to(gradient.dtype), None


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
