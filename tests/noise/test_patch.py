"""Patch noise stays inside one to three rectangles of a quarter to a half of the side."""

import torch

from denoise_cli import noise
from denoise_cli.noise.patch import rectangles


def test_outside_of_the_rectangles_nothing_changes() -> None:
    clean = torch.full((16, 3, 64, 96), 0.5)
    noisy = noise.parse("patch:sp:1")(clean, torch.Generator().manual_seed(3)).noisy
    inside = rectangles(16, 64, 96, torch.Generator().manual_seed(3))
    assert torch.equal((noisy != clean).any(1, keepdim=True), inside)


def test_rectangles_have_their_size_and_vary_in_number() -> None:
    masks = rectangles(300, 64, 96, torch.Generator().manual_seed(0))[:, 0]
    share = masks.float().mean((1, 2))
    assert share.min() >= 1 / 16 - 1e-3 and share.max() <= 3 / 4
    assert share.max() > 1 / 4  # more than one rectangle can cover
    rows, columns = masks.any(2).sum(1), masks.any(1).sum(1)
    assert rows.min() >= 16 and columns.min() >= 24
    single = masks.sum((1, 2)) == rows * columns  # solid boxes: most with one rectangle, few with more
    assert 60 < single.sum() < 180
    assert rows[single].max() <= 64 and columns[single].max() <= 96


def test_a_single_pixel_is_hit() -> None:
    assert rectangles(5, 1, 1, torch.Generator()).all()
