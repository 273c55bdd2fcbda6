"""Photon noise counts whole photons; mean and variance are those of a Poisson law."""

import pytest
import torch

from denoise_cli import noise


@pytest.mark.parametrize("peak", [1, 4, 30])
def test_mean_and_deviation(peak: int) -> None:
    pair = noise.parse(f"poisson:{peak}")(torch.full((1, 1, 400, 400), 0.5), torch.Generator().manual_seed(0))
    counts = pair.noisy * peak
    assert torch.allclose(counts, counts.round(), atol=1e-4)
    assert pair.noisy.mean().item() == pytest.approx(0.5, abs=0.01)
    assert pair.noisy.var().item() == pytest.approx(0.5 / peak, rel=0.02)
    assert torch.allclose(pair.sigma, torch.full_like(pair.clean, (0.5 / peak) ** 0.5))


def test_black_stays_black() -> None:
    assert not noise.parse("poisson:30")(torch.zeros(1, 3, 8, 8), torch.Generator()).noisy.any()
