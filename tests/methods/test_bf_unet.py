"""The bias-free U-Net: its weights, its homogeneity, its reach, and that it learns."""

from collections.abc import Callable

import pytest
import torch

from denoise_cli.methods.bf_unet import METHOD, BiasFreeUNet, Config


@pytest.mark.parametrize(("bias", "weights"), [(False, 233_024), (True, 233_440)])
def test_as_many_weights_as_published(bias: bool, weights: int) -> None:
    assert sum(weight.numel() for weight in BiasFreeUNet(Config(bias=bias)).parameters()) == weights


@pytest.mark.parametrize("factor", [0.1, 3.0, 50.0])
def test_only_the_net_without_biases_is_homogeneous(factor: float) -> None:
    noisy = torch.rand((2, 1, 20, 20), generator=torch.Generator().manual_seed(0))
    for bias in (False, True):
        torch.manual_seed(0)
        net = BiasFreeUNet(Config(features=8, bias=bias))
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.add_(0.01)
            error = (net(factor * noisy) - factor * net(noisy)).abs().max() / (factor * net(noisy)).abs().max()
        assert (error < 1e-5) == (not bias)


def test_the_reach_is_exact(measured_reach: Callable[..., int]) -> None:
    net = BiasFreeUNet(Config(features=4))
    assert measured_reach(net, METHOD.options, net.__call__) == net.reach(METHOD.options) == 23


def test_a_few_steps_beat_the_noisy_images(gain: Callable[..., float]) -> None:
    assert gain(METHOD, "gaussian:50", steps=60, features=8) > 3
