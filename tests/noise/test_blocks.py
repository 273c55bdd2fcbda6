"""JPEG's blocks."""

import pytest
import torch
from torch import Tensor

from denoise_cli.data.sources import open_source
from denoise_cli.noise import parse
from denoise_cli.noise.blocks import has_jpeg_blocks


def scene() -> Tensor:
    (pixels,) = (pixels for name, pixels in open_source() if name == "chelsea.png")
    return torch.from_numpy(pixels.copy())[None].float().div(255)


@pytest.mark.parametrize("crop", [0, 3])
def test_blocks_are_seen_wherever_the_grid_begins(crop: int) -> None:
    coded = parse("jpeg:20")(scene(), torch.Generator().manual_seed(0)).noisy
    assert has_jpeg_blocks(coded[0, :, crop:, crop:])


@pytest.mark.parametrize("noise", ["gaussian:1", "gaussian:25", "sp:0.1"])
def test_other_noise_has_none(noise: str) -> None:
    assert not has_jpeg_blocks(parse(noise)(scene(), torch.Generator().manual_seed(0)).noisy[0])


@pytest.mark.parametrize("size", [(1, 1), (5, 400), (64, 64)])
def test_small_and_flat_images_have_none(size: tuple[int, int]) -> None:
    assert not has_jpeg_blocks(torch.full((1, *size), 0.5))
