"""The deep-thinking net without weight sharing."""

import pytest
import torch

from denoise_cli.methods import dt
from denoise_cli.methods.feedforward import METHOD, Config, FeedForward, Progressive
from denoise_cli.noise import Pair


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


def _pair() -> Pair:
    clean, noisy = torch.rand((2, 2, 3, 12, 12), generator=torch.Generator().manual_seed(0))
    return Pair(clean, noisy, torch.zeros((2, 1, 1, 1)))


def _loss(net: FeedForward, seed: int = 3, **changes: object) -> float:
    recipe = Progressive(noise="sp:0.1", patch=12, batch=2, steps=1, **{"loss": "mse", **changes})  # type: ignore[arg-type]
    return net.loss(_pair(), recipe, torch.Generator().manual_seed(seed)).item()


def test_the_similarity_is_of_every_stage_but_the_last() -> None:
    net, pair = FeedForward(Config(width=6, stages=3)), _pair()
    first, second, _ = (net.head(thought) for thought in net.thoughts(pair.noisy))
    distances = [(estimate - pair.noisy).square().mean().item() for estimate in (first, second)]
    summed = _loss(net, loss="mse + 0.08*similarity")
    assert summed == pytest.approx(_loss(net) + 0.08 * (0.8 * distances[0] + 0.64 * distances[1]), rel=1e-5)


def test_the_progressive_loss_stops_at_a_stage_by_chance() -> None:
    net, pair = FeedForward(Config(width=6, stages=3)), _pair()
    possible = [(net.head(thought) - pair.clean).square().mean().item() for thought in net.thoughts(pair.noisy)]
    drawn = {_loss(net, seed, alpha=1.0) for seed in range(20)}
    assert all(min(abs(value - one) for one in possible) < 1e-6 for value in drawn)
    assert len({round(value, 6) for value in drawn}) == 3
    assert _loss(net, alpha=0.25) == pytest.approx(0.75 * possible[-1] + 0.25 * _loss(net, alpha=1.0), rel=1e-5)
