"""Enlarged photographs are soft, as a camera's own are; sharp ones, stripes and what is too small are not."""

import pytest
import torch
from torch.nn import functional

from denoise_cli.data.sources import open_source
from denoise_cli.noise import parse
from denoise_cli.noise.sharpness import sharpness


def _samples() -> dict[str, torch.Tensor]:
    names = ("astronaut.png", "coffee.png", "chelsea.png", "hubble.png")
    return {name: torch.from_numpy(pixels.copy()).float().div(255) for name, pixels in open_source() if name in names}


def test_enlarged_photographs_are_soft_also_once_they_are_jpeg() -> None:
    assert len(_samples()) > 2
    for photo in _samples().values():
        large = functional.interpolate(photo[None], scale_factor=2, mode="bicubic").clamp(0, 1)
        file = parse("jpeg:80")(large, torch.Generator()).noisy
        assert sharpness(large[0]) < 0.65 and sharpness(file[0]) < 0.65
        assert sharpness(photo) > 0.65


def test_by_hand() -> None:
    fine = torch.tensor([0.4, 0.6]).repeat(8, 4)[None]  # stripes of one pixel
    wide = torch.tensor([0.4, 0.4, 0.6, 0.6]).repeat(8, 2)[None]
    assert sharpness(wide) == 0 and sharpness(fine) == 1  # all of the detail is coarse; there is none that is
    assert sharpness(fine + 2 * wide) == pytest.approx(0.5)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 3), (2, 50)])
def test_what_is_too_small_says_nothing(size: tuple[int, int]) -> None:
    assert sharpness(torch.rand((3, *size), generator=torch.Generator().manual_seed(0))) == 1
