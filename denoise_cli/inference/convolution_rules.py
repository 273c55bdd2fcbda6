"""Convolutions row by row."""

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
    weight, bias = weight.to(dtype), None if bias is None else bias.to(dtype)

    def span(first: int, end: int) -> tuple[int, int]:
        return first * steps[0] - borders[0], (end - 1) * steps[0] - borders[0] + seen[0] + 1

    def convolve(rows: Tensor, above: int, rectify: bool) -> Tensor:
        """Rows of zeros, as many as ``above``, are added on both sides."""
        if rectify and rows.device.type == "cpu" and _rectifies(dtype):
            settings = (above, borders[1]), steps, gaps, groups
            return torch.ops.mkldnn._convolution_pointwise(rows, weight, bias, *settings, "relu", (), "")  # type: ignore[no-any-return]
        made = functional.conv2d(rows, weight, bias, steps, (above, borders[1]), gaps, groups)
        return made.relu_() if rectify else made

    def make(images: list[Tensor], there: int, first: int, end: int, *, rectify: bool = False) -> Tensor:
        rows = images[0].to(dtype)
        low, high = span(first, end)
        above, below = there - low, high - there - rows.shape[-2]  # rows that overhang
        if above != below:
            rows, above = functional.pad(rows, (0, 0, above, below)), 0
        return convolve(rows, above, rectify)

    def roomy(images: list[Tensor], there: int, first: int, end: int, room: int, *, rectify: bool = False) -> Tensor:
        """The free rows are those that a wider border of zeros adds."""
        rows = images[0].to(dtype)
        low, high = span(first, end)
        above, below = there - low, high - there - rows.shape[-2]
        if above or below > room:
            made = make(images, there, first, end, rectify=rectify)
            return functional.pad(made, (0, 0, room, 0))
        return convolve(rows, room, rectify)[..., : room + end - first, :]

    def add(images: list[Tensor], there: int, first: int, end: int, room: int = 0, *, rectify: bool = False) -> Tensor:
        """The convolution is added to a copy of the other image's rows, below so many free ones."""
        rows, other = images[0].to(dtype), images[1]
        low, high = span(first, end)
        above, below = there - low, high - there - rows.shape[-2]
        if above != below:
            rows, above = functional.pad(rows, (0, 0, above, below)), 0
        wanted = (*other.shape[:2], room + other.shape[2], other.shape[3])
        made = torch.empty(wanted, dtype=dtype, device=rows.device, memory_format=torch.channels_last)
        sums = _rows_from(made, room).copy_(other)
        if rows.device.type == "cpu" and _rectifies(dtype):
            settings = (above, borders[1]), steps, gaps, groups
            after = "relu" if rectify else None
            torch.ops.mkldnn._convolution_pointwise_.binary(
                sums, rows, layered, bias, *settings, "add", 1, after, (), ""
            )
            return made
        sums += convolve(rows, above, rectify=False)
        if rectify:
            sums.relu_()
        return made

    shape = (image.shape[0], weight.shape[0], height, width)
    macs = image.shape[0] * width * weight.numel()
    # sums are made on the way in channels last, of one group: what tells that layout is a kernel with more than a pixel
    layered = weight.contiguous(memory_format=torch.channels_last)
    addable = steps[0] == 1 and shape[-2:] == image.shape[-2:] and groups == 1 and min(weight.shape[1:]) > 1

    def sum_rule(rectify: bool) -> Rule:
        return Rule(
            span,
            partial(add, rectify=rectify),
            fresh=True,
            roomy=partial(add, rectify=rectify) if image.shape[0] == 1 else None,
            rectified=None if rectify else sum_rule(True),
            adds=True,
            macs=macs,
        )

    def rule(rectify: bool) -> Rule:
        return Rule(
            span,
            partial(make, rectify=rectify),
            fresh=True,
            roomy=partial(roomy, rectify=rectify) if steps[0] == 1 and image.shape[0] == 1 else None,
            rectified=None if rectify else rule(True),
            added=sum_rule(False) if addable and not rectify else None,
            macs=macs,
        )

    return Node(shape, dtype, rule(False), (image,))


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


def _rows_from(image: Tensor, first: int) -> Tensor:
    """The rows of ``image`` (N, C, H, W) from ``first`` on, as an image that seems to be alone in its memory.

    With the stride that the whole has from one image to the next, where N is 1, oneDNN takes half as long again.
    """
    rows = image[..., first:, :]
    return rows.permute(0, 2, 3, 1).view(rows.shape[0], *rows.shape[2:], rows.shape[1]).permute(0, 3, 1, 2)


@cache
def _rectifies(dtype: torch.dtype) -> bool:
    """Whether oneDNN's convolutions, as this PyTorch has them, make the ReLU on the way, without another pass."""
    available = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not available or not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def pair(value: Any) -> tuple[int, ...]:
    if isinstance(value, str):
        raise Unwalkable(f"padding {value!r}")
    return (value, value) if isinstance(value, int) else tuple(value) * (2 // max(1, len(value)))
