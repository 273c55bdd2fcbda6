"""Sizes and channels: what a net needs of them, and the way back."""

import torch
from torch import Tensor
from torch.nn import functional

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue in gray: ITU-R BT.601


def luma(images: Tensor) -> Tensor:
    """The luma of colour images, (N, 1, H, W) of (N, 3, H, W)."""
    red, green, blue = (weight * channel for weight, channel in zip(LUMA, torch.split(images, 1, dim=1), strict=True))
    return red + green + blue


def pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """``image`` (N, C, H, W) with H and W grown to multiples by repeating the last row and column."""
    height, width = image.shape[-2:]
    bottom, right = -height % multiple, -width % multiple
    return functional.pad(image, (0, right, 0, bottom), mode="replicate") if bottom or right else image


def surround(image: Tensor, kind: str, left: int, right: int, top: int, bottom: int) -> Tensor:
    """``image`` (N, C, H, W) with so many pixels more on each side: ``zero``, ``edge`` or ``reflect``.

    The mirror does not repeat the outermost pixels, and is mirrored again where the image is smaller than the border.
    """
    if kind == "zero":
        return functional.pad(image, (left, right, top, bottom))
    assert kind in ("edge", "reflect"), kind
    height, width = image.shape[-2:]
    rows = _inside(torch.arange(-top, height + bottom, device=image.device), height, kind)
    columns = _inside(torch.arange(-left, width + right, device=image.device), width, kind)
    return image[..., rows, :][..., columns]


def _inside(places: Tensor, side: int, kind: str) -> Tensor:
    """For every place, also those outside, the one from 0 to ``side - 1`` whose pixel is shown there."""
    if kind == "edge":
        return places.clamp(0, side - 1)
    around = places % max(1, 2 * (side - 1))
    return torch.where(around < side, around, 2 * (side - 1) - around)


def to_unit(image: Tensor) -> Tensor:
    """``image`` in [0, 1], float32: that of 8 bits as shares of 255, any other as it is."""
    return image.float().div_(255) if image.dtype == torch.uint8 else image


def stacked(image: Tensor) -> Tensor:
    """The channels of ``image`` (N, C, H, W) one below the other, as a gray one: (N, 1, C H, W)."""
    return image.flatten(1, 2).unsqueeze(1)


def to_channels(image: Tensor, channels: int | None) -> Tensor:
    """``image`` (N, C, H, W) as a net with ``channels`` inputs takes it.

    Gray is repeated; for a gray net every channel becomes an image of its own, (N * C, 1, H, W).
    """
    count, present, height, width = image.shape
    if channels is None or present == channels:
        return image
    if channels == 1:
        return image.reshape(count * present, 1, height, width)
    if present == 1:
        return image.expand(count, channels, height, width)
    raise ValueError(f"no way from {present} channels to {channels}")


def from_channels(image: Tensor, like: Tensor) -> Tensor:
    """The way back from ``to_channels``: repeated gray is averaged, single channels are put together again."""
    if image.shape == like.shape:
        return image
    if len(image) != len(like):
        return image.reshape(like.shape)
    return torch.mean(image, dim=1, keepdim=True)
