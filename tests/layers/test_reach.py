"""The reach of layers, against cases worked by hand."""

import pytest
from torch import nn

from denoise_cli.layers.reach import reach_of


@pytest.mark.parametrize(
    ("layers", "stride", "reach"),
    [
        ([nn.Conv2d(1, 1, 3, padding=1)], 1, 1),
        ([nn.Conv2d(1, 1, 3, padding=1), nn.ReLU(), nn.Conv2d(1, 1, 5, padding=2)], 1, 3),
        ([nn.Conv2d(1, 1, 3, dilation=4, padding=4)], 1, 4),
        ([nn.Conv2d(1, 1, 1)], 1, 0),
        # folded by 2, the last pixel of a cell sees the first of the cell before: 3 away
        ([nn.PixelUnshuffle(2), nn.Conv2d(4, 4, 3, padding=1), nn.PixelShuffle(2)], 2, 3),
        # a cell of four holds only itself, but its first pixel sees its last
        ([nn.AvgPool2d(4), nn.ConvTranspose2d(1, 1, 4, stride=4)], 4, 3),
        # pixel 2 j sees halves j - 1 and j, which see pixels 2 j - 3 to 2 j + 1
        ([nn.Conv2d(1, 1, 3, stride=2, padding=1), nn.ConvTranspose2d(1, 1, 4, stride=2, padding=1)], 2, 3),
    ],
)
def test_by_hand(layers: list[nn.Module], stride: int, reach: int) -> None:
    assert reach_of(*layers, stride=stride) == reach
    assert reach_of(nn.Sequential(*layers), stride=stride) == reach
