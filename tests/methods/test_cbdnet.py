"""CBDNet: its weights, its losses, that the level reaches the second net, its reach, and that it learns."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from denoise_cli import noise
from denoise_cli.errors import UsageError
from denoise_cli.method import PAIRS
from denoise_cli.methods.cbdnet import METHOD, CBDNet, Config, Options, asymmetric, total_variation
from denoise_cli.noise import Pair


def test_as_many_weights_as_published() -> None:
    net = CBDNet(Config())
    assert sum(weight.numel() for weight in net.estimator.parameters()) == 29_507
    assert sum(weight.numel() for weight in net.parameters()) == 4_365_382


def test_levels_too_low_weigh_more() -> None:
    sigma = torch.tensor([0.3, 0.3])
    assert asymmetric(torch.tensor([0.1, 0.3]), sigma, 0.3).item() == pytest.approx(0.7 * 0.04 / 2)
    assert asymmetric(torch.tensor([0.5, 0.3]), sigma, 0.3).item() == pytest.approx(0.3 * 0.04 / 2)


def test_total_variation_by_hand() -> None:
    level = torch.tensor([[0.0, 1.0], [3.0, 6.0]])[None, None]
    assert total_variation(level).item() == (9 + 25) / 2 + (1 + 9) / 2
    assert total_variation(torch.full((2, 3, 4, 5), 0.7)).item() == 0


def test_the_loss_is_the_sum_of_three() -> None:
    torch.manual_seed(0)
    net = CBDNet(Config(estimator=4, features=4))
    pair = Pair(torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8), torch.tensor([0.1, 0.3]).reshape(2, 1, 1, 1))
    with torch.no_grad():
        estimate, level = net(pair.noisy)
        recipe = replace(METHOD.recipe, asymmetric=2.0, variation=3.0)
        expected = functional.mse_loss(estimate, pair.clean) + 3 * total_variation(level)
        expected = expected + 2 * asymmetric(net.level(pair.noisy), pair.sigma.expand(2, 3, 8, 8), 0.3)
        assert net.loss(pair, recipe, torch.Generator()).item() == pytest.approx(expected.item())
        plain = functional.mse_loss(estimate, pair.clean) + 3 * total_variation(level)
        real = net.loss(pair, replace(recipe, noise=PAIRS), torch.Generator())
        assert real.item() == pytest.approx(plain.item()), "the level of pairs is not known"


def test_the_level_is_never_negative_and_reaches_the_estimate() -> None:
    torch.manual_seed(0)
    net = CBDNet(Config(estimator=4, features=4)).eval()
    noisy = torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        estimate, level = net(noisy)
        net.estimator[-2].bias.add_(1.0)
        other, higher = net(noisy)
    assert level.min() >= 0 and higher.mean() > level.mean() and not torch.equal(estimate, other)


def test_gamma_multiplies_the_level_that_the_u_net_is_given() -> None:
    torch.manual_seed(0)
    net = CBDNet(Config(estimator=4, features=4)).eval()
    noisy = torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        net.estimator[-2].bias.add_(0.5)
        level = net(noisy)[1]
        expected = net.remove(noisy, 2 * level).clamp(0, 1)
        assert torch.equal(net.denoise(noisy, Options(gamma=2)), expected)
        assert not torch.equal(net.denoise(noisy, Options()), expected)
    with pytest.raises(UsageError, match="by -1"):
        net.settle(noisy, Options(gamma=-1))


def test_an_estimator_that_says_nothing_learns_again() -> None:
    torch.manual_seed(0)
    net = CBDNet(Config(estimator=4, features=4))
    with torch.no_grad():
        net.estimator[-2].bias.fill_(-5)
    clean = torch.full((2, 3, 16, 16), 0.5)
    pair = Pair(clean, clean + 0.2 * torch.randn(clean.shape), torch.full((2, 1, 1, 1), 0.2))
    assert METHOD.recipe is not None and net(pair.noisy)[1].max() == 0
    net.loss(pair, METHOD.recipe, torch.Generator()).backward()
    assert (net.estimator[-2].bias.grad < 0).all(), "a step raises the level"


def test_the_u_net_can_be_told_the_true_level() -> None:
    torch.manual_seed(0)
    net = CBDNet(Config(estimator=4, features=4))
    noisy = torch.rand(2, 3, 8, 8)
    pair = Pair(torch.rand(2, 3, 8, 8), noisy, torch.full((2, 1, 1, 1), 0.3))
    assert METHOD.recipe is not None
    told = replace(METHOD.recipe, told=1.0, asymmetric=0.0, variation=0.0, loss="mse")
    with torch.no_grad():
        expected = functional.mse_loss(net.remove(noisy, pair.sigma.expand_as(noisy)), pair.clean)
        assert net.loss(pair, told, torch.Generator()).item() == pytest.approx(expected.item())
        assert net.loss(pair, replace(told, told=0.0), torch.Generator()).item() != pytest.approx(expected.item())


def test_the_reach_is_exact(measured_reach: Callable[..., int]) -> None:
    net = CBDNet(Config(channels=1, estimator=2, features=2))
    assert measured_reach(net, METHOD.options, lambda noisy: net(noisy)[0]) == net.reach(METHOD.options) == 48


def test_the_true_level_of_every_pixel_is_what_it_estimates() -> None:
    assert METHOD.recipe is not None
    clean = torch.rand((2, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    pair = noise.parse(METHOD.recipe.noise)(clean, torch.Generator().manual_seed(0))
    assert pair.sigma.shape == clean.shape and (pair.sigma.flatten(1).std(dim=1) > 0).all()

    class Knowing(CBDNet):
        def level(self, noisy: Tensor) -> Tensor:
            return pair.sigma

        def remove(self, noisy: Tensor, level: Tensor) -> Tensor:
            return pair.clean

    recipe = replace(METHOD.recipe, variation=0.0)
    assert Knowing(Config(estimator=2, features=2)).loss(pair, recipe, torch.Generator()).item() == 0


def test_a_few_steps_beat_the_noisy_images(gain: Callable[..., float]) -> None:
    assert gain(METHOD, "gaussian:50", steps=100, channels=1, estimator=4, features=8) > 3
