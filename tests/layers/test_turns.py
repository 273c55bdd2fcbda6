"""The eight ways to turn an image, and the boxes in it."""

import pytest
import torch

from denoise_cli.image import Box
from denoise_cli.layers.turns import TURNS, turn, turn_back, turn_box


def test_the_eight_are_different_and_undone() -> None:
    image = torch.arange(12.0).reshape(1, 1, 3, 4)
    assert torch.equal(turn(image, 0), image)
    assert len({tuple(turn(image, way).flatten().tolist()) for way in TURNS}) == 8
    for way in TURNS:
        assert torch.equal(turn_back(turn(image, way), way), image)


@pytest.mark.parametrize("way", TURNS)
def test_a_box_turns_with_its_image(way: int) -> None:
    image = torch.arange(5 * 7).reshape(1, 1, 5, 7)
    left, top, width, height = Box(1, 2, 4, 2)
    moved = turn_box(Box(left, top, width, height), 5, 7, way)
    part = turn(image, way)[..., moved.top : moved.top + moved.height, moved.left : moved.left + moved.width]
    assert torch.equal(turn_back(part, way), image[..., top : top + height, left : left + width])
