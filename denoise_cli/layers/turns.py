"""The eight ways to lay a square on a table: turned by quarters, and mirrored."""

import torch
from torch import Tensor

from denoise_cli.image import Box

TURNS = tuple(range(8))  # bit 4: rows become columns, first of all; bit 2: upside down; bit 1: left to right


def turn(image: Tensor, way: int) -> Tensor:
    """``image`` (N, C, H, W) in one of the eight ways; 0 leaves it as it is."""
    upright = image.transpose(-1, -2) if way & 4 else image
    return upright.flip(_mirrored(way)).contiguous() if way else image


def turn_back(image: Tensor, way: int) -> Tensor:
    """What ``turn`` was given."""
    upright = image.flip(_mirrored(way)) if way else image
    return upright.transpose(-1, -2) if way & 4 else upright


def turn_squares(folded: Tensor, way: int, dim: int, channels: int, side: int) -> Tensor:
    """``folded`` with its last entries along ``dim`` in another order: as squares of pixels lie once these are turned.

    They are ``channels`` times ``side`` x ``side``, in the order of ``PixelUnshuffle``.
    """
    squares = torch.arange(channels * side**2, device=folded.device).view(1, channels, side, side)
    first = folded.shape[dim] - squares.numel()
    kept = torch.arange(first, device=folded.device)
    return folded.index_select(dim, torch.cat((kept, first + turn(squares, way).flatten())))


def turn_box(box: Box, height: int, width: int, way: int) -> Box:
    """Where ``box`` of an image of ``height`` x ``width`` lies once that is turned."""
    left, top, across, down = box
    if way & 4:
        left, top, across, down, height, width = top, left, down, across, width, height
    return Box(width - left - across if way & 1 else left, height - top - down if way & 2 else top, across, down)


def _mirrored(way: int) -> list[int]:
    return [dim for bit, dim in ((2, -2), (1, -1)) if way & bit]
