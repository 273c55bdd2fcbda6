"""The bias-free recurrent net: its weights, its homogeneity, its iterations, its reach, and that it learns."""

from collections.abc import Callable
from itertools import islice

import pytest
import torch

from denoise_cli.errors import UsageError
from denoise_cli.methods.bf_rcnn import METHOD, BiasFreeRCNN, Config, Options


@pytest.mark.parametrize(("bias", "weights"), [(False, 186_048), (True, 186_432)])
def test_as_many_weights_as_published(bias: bool, weights: int) -> None:
    assert sum(weight.numel() for weight in BiasFreeRCNN(Config(bias=bias)).parameters()) == weights


@pytest.mark.parametrize("factor", [0.1, 3.0, 50.0])
def test_only_the_net_without_biases_is_homogeneous(factor: float) -> None:
    noisy = torch.rand((2, 1, 20, 20), generator=torch.Generator().manual_seed(0))
    for bias in (False, True):
        torch.manual_seed(0)
        net = BiasFreeRCNN(Config(features=8, bias=bias))
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.add_(0.01)
            *_, estimate = islice(net.unroll(noisy), 3)
            *_, of_scaled = islice(net.unroll(factor * noisy), 3)
        error = (of_scaled - factor * estimate).abs().max() / (factor * estimate).abs().max()
        assert (error < 1e-5) == (not bias)


def test_estimates_on_the_way_are_those_of_shorter_runs() -> None:
    net = BiasFreeRCNN(Config(features=8, depth=3)).eval()
    noisy = torch.rand((1, 1, 9, 9), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for iters, estimate in zip((1, 3), net.estimates(noisy, Options(), (1, 3)), strict=True):
            assert torch.equal(estimate, net.denoise(noisy, Options(iters=iters)))


def test_the_first_estimate_is_the_noisy_image() -> None:
    net = BiasFreeRCNN(Config(features=2, depth=2))
    first, last = net.stage[0].weight, net.stage[-1].weight
    with torch.no_grad():
        first.zero_()
        last.zero_()
        first[0, 0, 1, 1] = 0.5  # half the noisy image
        first[0, 1, 1, 1] = 0.25  # and a quarter of the estimate
        last[0, 0, 1, 1] = 1
        estimates = net.estimates(torch.full((1, 1, 3, 3), 0.8), Options(), (1, 2))
    assert [estimate[0, 0, 1, 1].item() for estimate in estimates] == pytest.approx([0.6, 0.55])


def test_no_iterations_are_an_error() -> None:
    with pytest.raises(UsageError, match="0 times"):
        BiasFreeRCNN(Config(features=2)).settle(torch.zeros(1, 1, 4, 4), Options(iters=0))


@pytest.mark.parametrize("iters", [1, 3])
def test_the_reach_is_exact(iters: int, measured_reach: Callable[..., int]) -> None:
    net, options = BiasFreeRCNN(Config(features=4)), Options(iters=iters)
    run = lambda noisy: next(islice(net.unroll(noisy), iters - 1, None))  # noqa: E731
    assert measured_reach(net, options, run) == net.reach(options) == 7 * iters


def test_a_few_steps_beat_the_noisy_images(gain: Callable[..., float]) -> None:
    assert gain(METHOD, "gaussian:50", steps=60, features=8, depth=4) > 3
