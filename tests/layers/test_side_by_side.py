"""Several nets as one in groups: each answers, and learns, as it does alone."""

import pytest
import torch
from torch import nn

from denoise_cli import seeds
from denoise_cli.layers.side_by_side import carry_moments, carry_weights, chosen_of, joined_by_net
from denoise_cli.muon import Muon


def test_channels_are_joined_net_by_net() -> None:
    few, many = torch.arange(2.0).view(1, 2, 1, 1), torch.arange(10.0, 16.0).view(1, 6, 1, 1)
    assert joined_by_net((few, many), 2).flatten().tolist() == [0, 10, 11, 12, 1, 13, 14, 15]
    assert torch.equal(joined_by_net((few, many), 1), torch.cat((few, many), dim=1))


def test_some_of_the_nets() -> None:
    assert chosen_of(torch.arange(6), 3, [2, 0, 2]).tolist() == [4, 5, 0, 1, 4, 5]


def test_each_net_begins_with_the_weights_of_one() -> None:
    narrow, wide = nn.Conv2d(2, 3, 3), nn.Conv2d(8, 12, 3, groups=4)
    carry_weights(narrow, 1, [0] * 4, wide)
    image = torch.rand((1, 2, 7, 6), generator=seeds.generator(0))
    answers = wide(image.repeat(1, 4, 1, 1)).chunk(4, dim=1)
    for answer in answers:
        torch.testing.assert_close(answer, narrow(image))


@pytest.mark.parametrize("kind", ["muon", "adam"])
def test_the_nets_that_are_left_learn_on(kind: str) -> None:
    """Two of three go on as they would have done."""

    def optimiser(weight: nn.Parameter, nets: int) -> torch.optim.Optimizer:
        return Muon([weight], 0.1, nets=nets) if kind == "muon" else torch.optim.Adam([weight], 0.1)

    generator = seeds.generator(0)
    three = nn.Parameter(torch.randn((24, 5, 3, 3), generator=generator).contiguous(memory_format=torch.channels_last))
    gradients = torch.randn((4, *three.shape), generator=generator)
    all_of_them = optimiser(three, 3)
    for gradient in gradients[:2]:
        three.grad = gradient
        all_of_them.step()
    two = nn.Parameter(chosen_of(three.detach(), 3, [0, 2]))
    left = optimiser(two, 2)
    carry_moments(all_of_them, 3, [0, 2], left)
    for gradient in gradients[2:]:
        three.grad, two.grad = gradient, chosen_of(gradient, 3, [0, 2])
        all_of_them.step()
        left.step()
    torch.testing.assert_close(two.detach(), chosen_of(three.detach(), 3, [0, 2]))
