"""Sizes and channels, there and back."""

from typing import Any

import numpy as np
import pytest
import torch

from denoise_cli.shapes import from_channels, pad_to_multiple, stacked, surround, to_channels


@pytest.mark.parametrize("size", [(37, 53), (1, 1), (1, 5000), (8, 16)])
def test_padding_repeats_the_last_row_and_column(size: tuple[int, int]) -> None:
    image = torch.rand((1, 2, *size), generator=torch.Generator().manual_seed(0))
    padded = pad_to_multiple(image, 8)
    assert padded.shape[-2] % 8 == padded.shape[-1] % 8 == 0
    assert padded.shape[-2] - size[0] < 8 and padded.shape[-1] - size[1] < 8
    assert torch.equal(padded[..., : size[0], : size[1]], image)
    assert (padded[..., -1, -1] == image[..., -1, -1]).all()


@pytest.mark.parametrize("size", [(5, 6), (1, 1), (2, 1), (1, 3), (3, 20)])
@pytest.mark.parametrize(("kind", "numpy_mode"), [("zero", "constant"), ("edge", "edge"), ("reflect", "reflect")])
def test_surrounding_is_that_of_numpy_also_where_the_border_is_wider_than_the_image(
    size: tuple[int, int], kind: str, numpy_mode: Any
) -> None:
    image = torch.rand((2, 3, *size), generator=torch.Generator().manual_seed(0))
    wanted = np.pad(image.numpy(), ((0, 0), (0, 0), (9, 1), (4, 7)), mode=numpy_mode)
    assert np.array_equal(surround(image, kind, left=4, right=7, top=9, bottom=1).numpy(), wanted)


@pytest.mark.parametrize(
    ("present", "wanted", "shape"),
    [(1, 3, (2, 3)), (3, 1, (6, 1)), (2, 1, (4, 1)), (4, 1, (8, 1)), (3, None, (2, 3)), (1, 1, (2, 1))],
)
def test_channels_there_and_back(present: int, wanted: int | None, shape: tuple[int, int]) -> None:
    image = torch.rand((2, present, 5, 7), generator=torch.Generator().manual_seed(0))
    taken = to_channels(image, wanted)
    assert taken.shape == (*shape, 5, 7)
    torch.testing.assert_close(from_channels(taken, image), image)


def test_no_way() -> None:
    with pytest.raises(ValueError, match="no way from 2 channels to 3"):
        to_channels(torch.zeros((1, 2, 4, 4)), 3)


def test_channels_one_below_the_other() -> None:
    image = torch.arange(2 * 3 * 2 * 5).view(2, 3, 2, 5)
    found = stacked(image)
    assert found.shape == (2, 1, 6, 5)
    assert all(torch.equal(found[:, 0, 2 * index : 2 * index + 2], image[:, index]) for index in range(3))
