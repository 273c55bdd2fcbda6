"""Gaussian noise has its sigma, on either scale, and is not clipped."""

import pytest
import torch

from denoise_cli import noise


@pytest.mark.parametrize(("word", "sigma"), [("gaussian:25", 25 / 255), ("gaussian:0.1", 0.1), ("gaussian:1", 1.0)])
def test_the_deviation_is_sigma(word: str, sigma: float) -> None:
    pair = noise.parse(word)(torch.zeros(1, 1, 300, 300), torch.Generator().manual_seed(0))
    assert pair.sigma.item() == pytest.approx(sigma)
    assert pair.noisy.std().item() == pytest.approx(sigma, rel=0.01)
    assert pair.noisy.min() < 0


def test_a_range_draws_a_level_for_each_image() -> None:
    pair = noise.parse("gaussian:0..55")(torch.zeros(64, 1, 8, 8), torch.Generator().manual_seed(0))
    assert 0 <= pair.sigma.min() < 10 / 255 and 45 / 255 < pair.sigma.max() <= 55 / 255


def test_stored_clips_and_rounds() -> None:
    kept = noise.stored(torch.tensor([-0.2, 0.1, 0.5 / 255 + 1e-4, 1.3]))
    assert torch.allclose(kept * 255, torch.tensor([0.0, 26.0, 1.0, 255.0]))
