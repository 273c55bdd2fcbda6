"""The conv-deconv net with direct symmetric connections: its weights, its gates, its reach, and that it learns."""

from collections.abc import Callable

import pytest
import torch

from denoise_cli.errors import UsageError
from denoise_cli.methods.dsc import METHOD, Config, DirectSymmetric


@pytest.mark.parametrize(
    ("kernel", "width", "weights"), [(5, 518, 8_894_345), (5, 512, 8_817_539), (3, 518, 3_202_953), (3, 512, 3_175_299)]
)
def test_as_many_weights_as_computed(kernel: int, width: int, weights: int) -> None:
    net = DirectSymmetric(Config(kernel=kernel, width=width))
    assert sum(weight.numel() for weight in net.parameters()) == weights


@pytest.mark.parametrize(("gates", "whole", "beside"), [("formula", 1, 0.9), ("prose", 1, 0.1), ("none", 1, 0)])
def test_gates_by_hand(gates: str, whole: float, beside: float) -> None:
    """Every layer hands on its first channel: what is split at a gate comes together again, where strides meet."""
    net = DirectSymmetric(Config(channels=1, width=2, features=2, gates=gates))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        for layer in (*net.convs, *net.deconvs):
            layer[0].weight[0, 0, 2, 2] = 1
        estimate = net(torch.full((1, 1, 32, 32), 0.6))
    assert estimate[0, 0, 16, 16].item() == pytest.approx(0.6 * whole)
    # a deconvolution by a stride of 2 leaves gaps at odd places, where only the connection around all of them arrives
    assert estimate[0, 0, 17, 17].item() == pytest.approx(0.6 * beside)


@pytest.mark.parametrize("gates", ["formula", "prose"])
def test_a_gate_at_quarter_size_by_hand(gates: str) -> None:
    """At multiples of 4 that are none of 8 all arrives but what went on after the third convolution."""
    net = DirectSymmetric(Config(channels=1, width=2, features=2, gates=gates))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        for layer in (*net.convs, *net.deconvs):
            layer[0].weight[0, 0, 2, 2] = 1
        estimate = net(torch.ones((1, 1, 32, 32)))
    on = (0.1, 0.2, 0.3) if gates == "formula" else (0.9, 0.8, 0.7)
    assert estimate[0, 0, 20, 20].item() == pytest.approx(1 - on[0] * on[1] * on[2])


def test_unknown_gates_are_an_error() -> None:
    with pytest.raises(UsageError, match="no gates 'fromula'"):
        DirectSymmetric(Config(gates="fromula"))


def test_the_last_relu_is_optional() -> None:
    noisy = torch.rand((1, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    for final_relu in (True, False):
        net = DirectSymmetric(Config(width=4, features=2, final_relu=final_relu))
        with torch.no_grad():
            net.deconvs[-1][0].bias.fill_(-100.0)
            assert (net(noisy).max().item() < 0) == (not final_relu)


@pytest.mark.parametrize(("kernel", "gates", "reach"), [(5, "formula", 64), (5, "none", 64), (3, "prose", 32)])
def test_the_reach_is_exact(kernel: int, gates: str, reach: int, measured_reach: Callable[..., int]) -> None:
    net = DirectSymmetric(Config(channels=1, width=2, features=2, kernel=kernel, gates=gates))
    assert measured_reach(net, METHOD.options, net.__call__) == net.reach(METHOD.options) == reach


@pytest.mark.parametrize("gates", ["formula", "prose"])
def test_a_few_steps_beat_the_noisy_images(gates: str, gain: Callable[..., float]) -> None:
    small = {"width": 16, "features": 8, "kernel": 3, "gates": gates}
    assert gain(METHOD, "mixed:50+0.05", steps=100, rate=1e-2, **small) > 1


def test_an_even_kernel_has_no_middle() -> None:
    with pytest.raises(UsageError, match=r"kernel cannot be 4.\nIt is odd"):
        DirectSymmetric(Config(kernel=4))
