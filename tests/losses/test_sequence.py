import pytest
import torch

from denoise_cli.losses.sequence import similarity


def test_each_estimate_weighs_less_than_the_one_before() -> None:
    noisy = torch.zeros((1, 1, 1, 2))
    estimates = [torch.full_like(noisy, value) for value in (1.0, 2.0)]
    assert similarity(estimates, noisy).item() == pytest.approx(0.8 * 1 + 0.64 * 4)
    assert similarity(estimates[:1], noisy, gamma=0.5).item() == pytest.approx(0.5)


def test_without_estimates_there_is_none() -> None:
    assert similarity([], torch.zeros((1, 1, 1, 2))).item() == 0
