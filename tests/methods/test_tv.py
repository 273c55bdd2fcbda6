"""Total variation."""

import numpy as np
import pytest
import torch
from skimage.restoration import denoise_tv_chambolle

from denoise_cli.errors import UsageError
from denoise_cli.methods.tv import Config, Options, TotalVariation, _divergence, _gradient
from denoise_cli.noise import parse


def steps(channels: int) -> torch.Tensor:
    columns = torch.arange(48)
    return (0.3 + 0.4 * (columns // 12 % 2)).expand(1, channels, 40, 48).float()


@pytest.mark.parametrize("channels", [1, 3])
def test_it_removes_most_of_the_noise(channels: int) -> None:
    clean = steps(channels)
    noisy = parse("gaussian:25")(clean, torch.Generator().manual_seed(0)).noisy
    net = TotalVariation(Config())
    estimate = net.denoise(noisy, net.settle(noisy, Options()))
    assert (estimate - clean).square().mean() < 0.2 * (noisy - clean).square().mean()


def test_the_limit_is_that_of_another_solver() -> None:
    noisy = parse("gaussian:25")(steps(1), torch.Generator().manual_seed(0)).noisy
    other = denoise_tv_chambolle(noisy[0, 0].numpy().astype(np.float64), weight=0.1, eps=1e-9, max_num_iter=3000)
    own = TotalVariation(Config()).denoise(noisy, Options(sigma=0.1, strength=1.0, iters=600))
    assert np.abs(own[0, 0].numpy() - np.clip(other, 0, 1)).max() < 2e-3


def test_a_constant_stays_and_the_mean_too() -> None:
    net = TotalVariation(Config())
    flat = torch.full((1, 1, 9, 7), 0.4)
    torch.testing.assert_close(net.denoise(flat, Options(sigma=0.2)), flat)
    noisy = steps(1) + 0.01 * torch.randn((1, 1, 40, 48), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(net.denoise(noisy, Options(sigma=0.1)).mean(), noisy.mean())
    torch.testing.assert_close(net.denoise(noisy, Options(sigma=0.0)), noisy)


def test_gradient_and_divergence_are_adjoint() -> None:
    generator = torch.Generator().manual_seed(0)
    image, field = torch.rand((1, 2, 6, 7), generator=generator), torch.rand((2, 1, 2, 6, 7), generator=generator)
    torch.testing.assert_close((_gradient(image) * field).sum(), (image * _divergence(field)).sum())


def test_estimates_on_the_way() -> None:
    noisy = steps(1) + 0.1 * torch.randn((1, 1, 40, 48), generator=torch.Generator().manual_seed(0))
    net, options = TotalVariation(Config()), Options(sigma=0.1)
    first, last = net.estimates(noisy, options, (3, 10))
    assert torch.equal(last, net.denoise(noisy, Options(sigma=0.1, iters=10)))
    assert torch.equal(first, net.denoise(noisy, Options(sigma=0.1, iters=3)))


@pytest.mark.parametrize("knobs", [Options(sigma=-1.0), Options(strength=-1.0), Options(iters=-1)])
def test_knobs_out_of_their_range(knobs: Options) -> None:
    with pytest.raises(UsageError, match=r"tv: .* cannot be -1"):
        TotalVariation(Config()).settle(steps(1), knobs)
