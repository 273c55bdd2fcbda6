"""The deep-thinking net without weight sharing."""

import torch

from denoise_cli.methods import dt
from denoise_cli.methods.feedforward import METHOD, Config, FeedForward


def test_the_published_number_of_weights() -> None:
    assert sum(weights.numel() for weights in METHOD.make(METHOD.config).parameters()) == 84_960  # type: ignore[attr-defined]


def test_with_equal_stages_it_is_the_deep_thinking_net() -> None:
    torch.manual_seed(0)
    thinking = dt.DeepThinking(dt.Config(width=6, residual=False)).eval().requires_grad_(False)
    plain = FeedForward(Config(width=6)).eval().requires_grad_(False)
    plain.projection.load_state_dict(thinking.projection.state_dict())
    plain.recall.load_state_dict(thinking.recall.state_dict())
    plain.head.load_state_dict(thinking.head.state_dict())
    for stage in plain.stages:
        stage.load_state_dict(thinking.blocks.state_dict())
    noisy = torch.rand((1, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    *_, fifth = zip(range(5), thinking.think(noisy, dt.Options()), strict=False)
    torch.testing.assert_close(plain(noisy), fifth[1].estimate)
