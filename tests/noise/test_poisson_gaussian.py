"""Sensor noise: its variance is a line over the brightness."""

import pytest
import torch

from denoise_cli import noise


@pytest.mark.parametrize("light", [0.0, 0.2, 0.9])
def test_the_variance_grows_with_the_light(light: float) -> None:
    clean = torch.full((1, 1, 400, 400), light)
    pair = noise.parse("poisson-gaussian:0.1+0.02")(clean, torch.Generator().manual_seed(0))
    variance = 0.01 * light + 0.0004
    assert pair.noisy.var().item() == pytest.approx(variance, rel=0.02)
    assert pair.noisy.mean().item() == pytest.approx(light, abs=0.001)


def test_sigma_is_the_deviation_of_each_value() -> None:
    clean = torch.tensor([0.0, 1.0]).reshape(1, 1, 1, 2)
    pair = noise.parse("poisson-gaussian:0.3+0.4")(clean, torch.Generator().manual_seed(0))
    assert pair.sigma.flatten().tolist() == pytest.approx([0.4, 0.5])


def test_levels_above_1_are_of_255() -> None:
    clean = torch.ones(1, 1, 2, 2)
    pair = noise.parse("poisson-gaussian:25.5+0")(clean, torch.Generator().manual_seed(0))
    assert torch.allclose(pair.sigma, torch.tensor(0.1))
