"""Batch normalisation without a mean and without a bias."""

import pytest
import torch

from denoise_cli.layers.bias_free import BiasFreeBatchNorm, stage


def test_training_divides_by_the_deviation_of_the_batch_and_keeps_the_mean() -> None:
    norm = BiasFreeBatchNorm(1).train()
    features = torch.tensor([1.0, 3.0, 5.0, 7.0]).reshape(1, 1, 2, 2)  # unbiased variance 20 / 3
    with torch.no_grad():
        norm.weight.fill_(2.0)
        normalised = norm(features)
    assert normalised.flatten().tolist() == pytest.approx([2 * x / ((20 / 3) ** 0.5 + 1e-5) for x in (1, 3, 5, 7)])
    assert norm.running_var.item() == pytest.approx(0.9 + 0.1 * 20 / 3)


def test_afterwards_it_divides_by_the_running_deviation() -> None:
    norm = BiasFreeBatchNorm(2).eval()
    norm.running_var.copy_(torch.tensor([4.0, 9.0]))
    features = torch.full((1, 2, 3, 3), 6.0)
    assert norm(features)[0, :, 0, 0].tolist() == pytest.approx([3.0, 2.0], rel=1e-5)
    assert norm.running_var.tolist() == [4.0, 9.0]


def test_a_dead_channel_has_a_finite_gradient() -> None:
    features = torch.zeros((2, 1, 4, 4), requires_grad=True)
    norm = BiasFreeBatchNorm(1).train()
    norm(features).sum().backward()
    assert features.grad is not None and features.grad.isfinite().all()


def test_a_stage_without_biases_is_homogeneous() -> None:
    torch.manual_seed(0)
    net = stage(1, 2, 8, 4, bias=False, last_bias=False)
    noisy = torch.rand((1, 1, 9, 9), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(net(7 * noisy), 7 * net(noisy), atol=1e-4)


def test_its_gradient_is_that_of_the_deviation_of_the_batch() -> None:
    torch.manual_seed(0)
    norm = BiasFreeBatchNorm(3).double()
    features = (torch.randn(2, 3, 4, 5, dtype=torch.float64) + 0.7).requires_grad_()

    def plain(features: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        deviation = features.var(dim=(0, 2, 3)).sqrt() + norm.eps
        return features * (weight / deviation)[:, None, None]

    against = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    found = torch.autograd.grad((norm(features) * against).sum(), (features, norm.weight))
    expected = torch.autograd.grad((plain(features, norm.weight) * against).sum(), (features, norm.weight))
    assert all(torch.allclose(one, other) for one, other in zip(found, expected, strict=True))
    assert torch.allclose(norm.running_var, 1 + norm.momentum * (features.var(dim=(0, 2, 3)) - 1))
