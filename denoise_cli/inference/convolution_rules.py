"""Convolutions row by row."""

from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from denoise_cli.inference.nodes import Node, Rule, Unwalkable


def convolution(
    dtype: torch.dtype,
    image: Node,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Node:
    steps, borders, gaps = pair(stride), pair(padding), pair(dilation)
    seen = [gap * (side - 1) for gap, side in zip(gaps, weight.shape[2:], strict=True)]
    height, width = (
        (size + 2 * border - window - 1) // step + 1
        for size, border, window, step in zip(image.shape[-2:], borders, seen, steps, strict=True)
    )
    shape = (image.shape[0], weight.shape[0], height, width)
    windows = _Windows(
        dtype, weight.to(dtype), None if bias is None else bias.to(dtype), steps, borders, gaps, groups, seen[0]
    )
    macs = image.shape[0] * width * weight.numel()
    room = steps[0] == 1 and image.shape[0] == 1
    # sums are made in channels last, of one group: a kernel of more than a pixel and a channel tells that layout
    alike = steps[0] == 1 and shape[-2:] == image.shape[-2:] and groups == 1 and min(weight.shape[1:]) > 1

    def sum_rule(rectify: bool) -> Rule:
        add = partial(windows.add, rectify=rectify)
        after = None if rectify else sum_rule(True)
        return Rule(windows.span, add, fresh=True, roomy=add if room else None, rectified=after, adds=True, macs=macs)

    def rule(rectify: bool) -> Rule:
        return Rule(
            windows.span,
            partial(windows.make, rectify=rectify),
            fresh=True,
            roomy=partial(windows.roomy, rectify=rectify) if room else None,
            rectified=None if rectify else rule(True),
            added=sum_rule(False) if alike and not rectify else None,
            macs=macs,
        )

    return Node(shape, dtype, rule(False), (image,))


@dataclass(frozen=True)
class _Windows:
    """A convolution of rows, with its settings for height and width."""

    dtype: torch.dtype
    weight: Tensor
    bias: Tensor | None
    steps: tuple[int, ...]
    borders: tuple[int, ...]
    gaps: tuple[int, ...]
    groups: int
    seen: int  # rows that a window looks at besides its own

    def span(self, first: int, end: int) -> tuple[int, int]:
        return first * self.steps[0] - self.borders[0], (end - 1) * self.steps[0] - self.borders[0] + self.seen + 1

    def make(self, images: list[Tensor], there: int, first: int, end: int, *, rectify: bool) -> Tensor:
        return self._convolved(*self._even(images[0], there, first, end), rectify)

    def roomy(self, images: list[Tensor], there: int, first: int, end: int, room: int, *, rectify: bool) -> Tensor:
        """The free rows are those that a wider border of zeros adds, where it is not wider than a window looks: oneDNN
        takes seven times as long for such."""
        rows, above, below = self._overhanging(images[0], there, first, end)
        if above or below > room or room > self.seen:
            made = self.make(images, there, first, end, rectify=rectify)
            return functional.pad(made, (0, 0, room, 0))
        return self._convolved(rows, room, rectify)[..., : room + end - first, :]

    def add(self, images: list[Tensor], there: int, first: int, end: int, room: int = 0, *, rectify: bool) -> Tensor:
        """Added to the other image's rows, below so many free ones."""
        (rows, above), other = self._even(images[0], there, first, end), images[1]
        if rows.device.type != "cpu" or not _fuses(self.dtype):
            made = self._convolved(rows, above, rectify=False).add_(other)
            made = made.relu_() if rectify else made
            return functional.pad(made, (0, 0, room, 0)) if room else made
        wanted = (*other.shape[:2], room + other.shape[2], other.shape[3])
        made = torch.empty(wanted, dtype=self.dtype, memory_format=torch.channels_last)
        weight = self.weight.contiguous(memory_format=torch.channels_last)
        layout = (above, self.borders[1]), self.steps, self.gaps, self.groups
        after = "add", 1, "relu" if rectify else None, (), ""
        sums = made[..., room:, :].copy_(other)
        torch.ops.mkldnn._convolution_pointwise_.binary(sums, rows, weight, self.bias, *layout, *after)
        return made

    def _overhanging(self, image: Tensor, there: int, first: int, end: int) -> tuple[Tensor, int, int]:
        """The rows, of which the number ``there`` is the first, and by how many windows overhang them on both sides."""
        rows = image.to(self.dtype)
        low, high = self.span(first, end)
        return rows, there - low, high - there - rows.shape[-2]

    def _even(self, image: Tensor, there: int, first: int, end: int) -> tuple[Tensor, int]:
        """The rows, of which the number ``there`` is the first, and how many of zeros are missing on both sides."""
        rows, above, below = self._overhanging(image, there, first, end)
        return (rows, above) if above == below else (functional.pad(rows, (0, 0, above, below)), 0)

    def _convolved(self, rows: Tensor, above: int, rectify: bool) -> Tensor:
        """Rows of zeros, as many as ``above``, are added on both sides."""
        zeros = above, self.borders[1]
        if rectify and rows.device.type == "cpu" and _fuses(self.dtype):
            layout = zeros, self.steps, self.gaps, self.groups
            return torch.ops.mkldnn._convolution_pointwise(rows, self.weight, self.bias, *layout, "relu", (), "")  # type: ignore[no-any-return]
        made = functional.conv2d(rows, self.weight, self.bias, self.steps, zeros, self.gaps, self.groups)
        return made.relu_() if rectify else made


def transposed(
    dtype: torch.dtype,
    image: Node,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Node:
    steps, borders, extra, gaps = pair(stride), pair(padding), pair(output_padding), pair(dilation)
    seen = [gap * (side - 1) for gap, side in zip(gaps, weight.shape[2:], strict=True)]
    if extra[0] > borders[0] or seen[0] + 1 < steps[0]:
        raise Unwalkable("rows that come from nowhere")
    height, width = (
        (size - 1) * step - 2 * border + window + more + 1
        for size, step, border, window, more in zip(image.shape[-2:], steps, borders, seen, extra, strict=True)
    )
    weight, bias = weight.to(dtype), None if bias is None else bias.to(dtype)

    def span(first: int, end: int) -> tuple[int, int]:
        return -((seen[0] - first - borders[0]) // steps[0]), (end - 1 + borders[0]) // steps[0] + 1

    def make(images: list[Tensor], there: int, first: int, end: int) -> Tensor:
        rows = images[0].to(dtype)
        made = functional.conv_transpose2d(
            rows, weight, bias, steps, (0, borders[1]), (0, extra[1]), groups, gaps
        )  # row j of it is row j + there * step - border of the result
        begin = first + borders[0] - there * steps[0]
        return made[..., begin : begin + end - first, :]

    shape = (image.shape[0], weight.shape[1] * groups, height, width)
    macs = image.shape[0] * image.shape[-1] * weight.numel() // steps[0]
    return Node(shape, dtype, Rule(span, make, fresh=True, macs=macs), (image,))


@cache
def _fuses(dtype: torch.dtype) -> bool:
    """Whether oneDNN's convolutions, as this PyTorch has them, make ReLU and sum on the way, without another pass."""
    available = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not available or not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def pair(value: Any) -> tuple[int, ...]:
    if isinstance(value, str):
        raise Unwalkable(f"padding {value!r}")
    return (value, value) if isinstance(value, int) else tuple(value) * (2 // max(1, len(value)))
