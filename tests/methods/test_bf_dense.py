"""The bias-free simplified DenseNet: its weights, its homogeneity, its reach, and that it learns."""

from collections.abc import Callable

import pytest
import torch

from denoise_cli.methods.bf_dense import METHOD, BiasFreeDense, Config


@pytest.mark.parametrize(("bias", "weights"), [(False, 757_440), (True, 758_991)])
def test_as_many_weights_as_published(bias: bool, weights: int) -> None:
    assert sum(weight.numel() for weight in BiasFreeDense(Config(bias=bias)).parameters()) == weights


@pytest.mark.parametrize("factor", [0.1, 3.0, 50.0])
def test_only_the_net_without_biases_is_homogeneous(factor: float) -> None:
    noisy = torch.rand((2, 1, 20, 20), generator=torch.Generator().manual_seed(0))
    for bias in (False, True):
        torch.manual_seed(0)
        net = BiasFreeDense(Config(features=8, bias=bias))
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.add_(0.01)
            error = (net(factor * noisy) - factor * net(noisy)).abs().max() / (factor * net(noisy)).abs().max()
        assert (error < 1e-5) == (not bias)


def test_every_stage_but_the_first_sees_the_noisy_image_and_what_is_passed_on() -> None:
    inputs = [stage[0].in_channels for stage in BiasFreeDense(Config()).stages]
    outputs = [stage[-1].out_channels for stage in BiasFreeDense(Config()).stages]
    assert inputs == [1, 6, 6, 6] and outputs == [5, 5, 5, 1]


def test_the_reach_is_exact(measured_reach: Callable[..., int]) -> None:
    net = BiasFreeDense(Config(features=4))
    assert measured_reach(net, METHOD.options, net.__call__) == net.reach(METHOD.options) == 28


def test_a_few_steps_beat_the_noisy_images(gain: Callable[..., float]) -> None:
    assert gain(METHOD, "gaussian:50", steps=60, features=8, depth=3) > 3
