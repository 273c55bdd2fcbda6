"""The block and the head of the deep-thinking nets."""

import torch

from denoise_cli.layers.residual import ResidualBlock, head


def test_the_block() -> None:
    block = ResidualBlock(4).requires_grad_(False)
    state = torch.randn((1, 4, 6, 6), generator=torch.Generator().manual_seed(0))
    before = state.clone()
    expected = (block.second(block.first(state).relu()) + state).relu()
    assert torch.equal(block(state), expected) and torch.equal(state, before)


def test_the_head_begins_small() -> None:
    torch.manual_seed(0)
    answer = head(20, 3)(torch.rand((1, 20, 16, 16)))
    assert answer.shape == (1, 3, 16, 16) and answer.abs().max() < 0.05
