import math

import pytest
import torch

from denoise_cli.losses.pixel import charbonnier, log_mse

CLEAN = torch.zeros((2, 1, 1, 2))
ESTIMATE = torch.tensor([[[[0.0, 0.004]]], [[[0.3, -0.4]]]])


def test_charbonnier_by_hand() -> None:
    expected = (1e-3 + math.sqrt(16e-6 + 1e-6) + math.sqrt(0.09 + 1e-6) + math.sqrt(0.16 + 1e-6)) / 4
    assert charbonnier(ESTIMATE, CLEAN).item() == pytest.approx(expected, rel=1e-6)


def test_charbonnier_has_a_gradient_of_zero_where_nothing_is_wrong() -> None:
    estimate = torch.zeros((1, 1, 2, 2), requires_grad=True)
    charbonnier(estimate, torch.zeros((1, 1, 2, 2))).backward()
    assert torch.equal(estimate.grad, torch.zeros((1, 1, 2, 2)))


def test_log_mse_by_hand() -> None:
    # mean squared errors of the two images: (0 + 16e-6) / 2 and (0.09 + 0.16) / 2
    expected = (math.log(1 + 8e-6 / 1e-6) + math.log(1 + 0.125 / 1e-6)) / 2
    assert log_mse(ESTIMATE, CLEAN).item() == pytest.approx(expected, rel=1e-6)


def test_log_mse_falls_as_the_mean_psnr_rises() -> None:
    clean = torch.zeros((3, 1, 4, 4))
    levels = torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1, 1)
    difference = log_mse(clean + levels, clean) - log_mse(clean + levels / 2, clean)
    assert difference.item() == pytest.approx(math.log(4), abs=1e-3)  # 6.02 dB, in nepers of energy


def test_a_perfect_estimate_costs_nothing_and_pulls_nowhere() -> None:
    clean = torch.rand((1, 3, 4, 4), generator=torch.Generator().manual_seed(0))
    estimate = clean.clone().requires_grad_()
    loss = log_mse(estimate, clean)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(estimate.grad, torch.zeros_like(clean))
