"""Several nets as one in groups: each answers as it does alone."""

import torch
from torch import nn

from denoise_cli import seeds
from denoise_cli.layers.side_by_side import joined_by_net, spread


def test_channels_are_joined_net_by_net() -> None:
    few, many = torch.arange(2.0).view(1, 2, 1, 1), torch.arange(10.0, 16.0).view(1, 6, 1, 1)
    assert joined_by_net((few, many), 2).flatten().tolist() == [0, 10, 11, 12, 1, 13, 14, 15]
    assert torch.equal(joined_by_net((few, many), 1), torch.cat((few, many), dim=1))


def test_each_net_begins_with_the_weights_of_one() -> None:
    narrow, wide = nn.Conv2d(2, 3, 3), nn.Conv2d(8, 12, 3, groups=4)
    spread(narrow, wide)
    image = torch.rand((1, 2, 7, 6), generator=seeds.generator(0))
    answers = wide(image.repeat(1, 4, 1, 1)).chunk(4, dim=1)
    for answer in answers:
        torch.testing.assert_close(answer, narrow(image))
