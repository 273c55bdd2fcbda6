"""The bias-free DnCNN: its weights, its homogeneity, its reach, and that it learns."""

from collections.abc import Callable

import pytest
import torch

from denoise_cli.layers.bias_free import BiasFreeBatchNorm
from denoise_cli.methods.bf_cnn import METHOD, BiasFreeCNN, Config


@pytest.mark.parametrize(("bias", "weights"), [(False, 665_856), (True, 668_225)])
def test_as_many_weights_as_published(bias: bool, weights: int) -> None:
    assert sum(weight.numel() for weight in BiasFreeCNN(Config(bias=bias)).parameters()) == weights


@pytest.mark.parametrize("factor", [0.1, 3.0, 50.0])
def test_only_the_net_without_biases_is_homogeneous(factor: float) -> None:
    noisy = torch.rand((2, 1, 20, 20), generator=torch.Generator().manual_seed(0))
    for bias in (False, True):
        torch.manual_seed(0)
        net = BiasFreeCNN(Config(depth=6, features=16, bias=bias))
        with torch.no_grad():
            for _ in range(30):
                net.train()(noisy)  # so that the running statistics are not those of a fresh net
            for parameter in net.parameters():
                parameter.add_(0.01)
            net.eval()
            error = (net(factor * noisy) - factor * net(noisy)).abs().max() / (factor * net(noisy)).abs().max()
        assert (error < 1e-5) == (not bias)


def test_the_twin_has_the_usual_norm() -> None:
    norms = [type(layer) for layer in BiasFreeCNN(Config(depth=4, bias=True)).layers]
    assert torch.nn.BatchNorm2d in norms and BiasFreeBatchNorm not in norms


def test_the_reach_is_exact(measured_reach: Callable[..., int]) -> None:
    net = BiasFreeCNN(Config(depth=7, features=4))
    assert measured_reach(net, METHOD.options, net.__call__) == net.reach(METHOD.options) == 7


def test_a_few_steps_beat_the_noisy_images(gain: Callable[..., float]) -> None:
    assert gain(METHOD, "gaussian:50", steps=50, depth=4, features=16) > 3
