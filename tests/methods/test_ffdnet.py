"""FFDNet: its weights, its noise map, its level in either unit, its reach, and that it learns."""

from collections.abc import Callable

import pytest
import torch

from denoise_cli import noise
from denoise_cli.errors import UsageError
from denoise_cli.methods.ffdnet import METHOD, Config, FFDNet, Options

GENERATOR = torch.Generator()


@pytest.mark.parametrize(("channels", "weights"), [(1, 485_316), (3, 852_108)])
def test_as_many_weights_as_published(channels: int, weights: int) -> None:
    assert sum(weight.numel() for weight in FFDNet(Config(channels=channels)).parameters()) == weights


def _subtracting(channels: int) -> FFDNet:
    """A net of two layers that subtracts the level from the image, by hand: the map is the last input channel."""
    folded = 4 * channels
    net = FFDNet(Config(channels=channels, depth=2, features=folded))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        for index in range(folded):
            net.layers[0].weight[index, index, 1, 1] = 1
            net.layers[0].weight[index, folded, 1, 1] = -1
            net.layers[2].weight[index, index, 1, 1] = 1
    return net


@pytest.mark.parametrize("channels", [1, 3])
def test_folding_is_undone_and_the_level_is_the_last_channel(channels: int) -> None:
    noisy = 0.4 + 0.6 * torch.rand((2, channels, 6, 8), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        estimate = _subtracting(channels)(noisy, torch.tensor([0.1, 0.3]).reshape(2, 1, 1, 1))
    assert torch.allclose(estimate[0], noisy[0] - 0.1) and torch.allclose(estimate[1], noisy[1] - 0.3)


def test_a_map_is_averaged_over_each_folded_pixel() -> None:
    noisy, levels = torch.full((1, 1, 2, 4), 0.9), torch.tensor([[0.1, 0.2, 0.5, 0.5], [0.3, 0.4, 0.5, 0.5]])
    with torch.no_grad():
        estimate = _subtracting(1)(noisy, levels[None, None])
    assert estimate[0, 0].flatten().tolist() == pytest.approx(2 * [0.65, 0.65, 0.4, 0.4])


def test_a_map_tells_the_level_of_every_pixel_whatever_the_options_say() -> None:
    net, levels = FFDNet(Config(channels=1, depth=2, features=2)).eval(), torch.full((1, 1, 4, 6), 0.2)
    noisy = torch.rand((2, 1, 4, 6), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(net.denoise_mapped(noisy, levels, Options()), net.denoise(noisy, Options(0.2)))
        levels[..., 4:] = 0.7
        changed = net.denoise_mapped(noisy, levels, Options(0.2)) != net.denoise(noisy, Options(0.2))
    assert changed.any() and METHOD.takes_map


def test_a_level_is_read_in_either_unit_and_measured_where_it_is_not_given() -> None:
    net = _subtracting(1)
    clean = torch.full((1, 1, 64, 64), 0.5)
    noisy = noise.parse("gaussian:25")(clean, torch.Generator().manual_seed(0)).noisy
    with torch.no_grad():
        for options in (Options(51.0), Options(0.2)):
            assert net.settle(noisy, options).sigma == pytest.approx(0.2)
            assert torch.allclose(net.denoise(noisy, options), (noisy - 0.2).clamp(0, 1), atol=1e-6)
        settled = net.settle(noisy, Options())
        assert settled.sigma == pytest.approx(25 / 255, rel=0.05)
        assert torch.equal(net.denoise(noisy, Options()), net.denoise(noisy, settled))


def test_noise_that_grows_with_the_light_is_measured_and_told_as_a_map() -> None:
    net, clean = _subtracting(1), torch.linspace(0.1, 0.9, 128).expand(1, 1, 128, 128)
    noisy = noise.parse("poisson-gaussian:0.1+0.02")(clean, torch.Generator().manual_seed(0)).noisy
    settled = net.settle(noisy, Options())
    assert settled.shot == pytest.approx(0.1, rel=0.1) and settled.sigma == pytest.approx(0.02, abs=0.015)
    with torch.no_grad():
        taken = clean - net.denoise(clean, Options(0.02, 0.1))
        assert torch.allclose(taken, (0.1**2 * clean + 0.02**2).sqrt(), atol=2e-3)
        assert torch.equal(net.denoise(noisy, Options()), net.denoise(noisy, settled))
        one = net.denoise(clean, Options(0.1, 0.05))
        assert torch.equal(net.denoise(torch.cat((clean, clean)), Options(0.1, 0.05))[1:], one)


def test_a_level_that_is_given_is_all_the_noise() -> None:
    clean = torch.linspace(0.1, 0.9, 128).expand(1, 1, 128, 128)
    noisy = noise.parse("poisson-gaussian:0.1+0.02")(clean, torch.Generator().manual_seed(0)).noisy
    assert _subtracting(1).settle(noisy, Options(25.5)) == Options(pytest.approx(0.1), 0.0)


@pytest.mark.parametrize("level", [-1.0, float("nan"), float("inf"), "much"])
def test_what_is_no_level_is_an_error(level: float) -> None:
    net = FFDNet(Config(depth=2, features=2))
    with pytest.raises(UsageError, match="sigma cannot be"):
        net.settle(torch.zeros(1, 3, 4, 4), Options(level))
    with pytest.raises(UsageError, match="shot cannot be"):
        net.settle(torch.zeros(1, 3, 4, 4), Options(0.1, level))


@pytest.mark.parametrize(("channels", "reach"), [(1, 31), (3, 25)])
def test_the_reach_is_exact(channels: int, reach: int, measured_reach: Callable[..., int]) -> None:
    net, options = FFDNet(Config(channels=channels, features=4)), Options(0.1)
    level = torch.full((1, 1, 1, 1), 0.1, dtype=torch.float64)
    assert measured_reach(net, options, lambda noisy: net(noisy, level)) == net.reach(options) == reach


def test_the_loss_tells_the_level_of_every_pixel() -> None:
    clean = torch.full((1, 3, 4, 4), 0.8)
    sigma = torch.tensor([0.1, 0.2, 0.3]).reshape(1, 3, 1, 1) * torch.tensor([1.0, 1, 2, 2])
    told = sigma.mean(dim=1, keepdim=True).expand(1, 3, 4, 4)
    loss = _subtracting(3).loss(noise.Pair(clean, clean + told, sigma.expand(1, 3, 4, 4)), METHOD.recipe, GENERATOR)
    assert loss.item() < 1e-7


def test_a_few_steps_beat_the_noisy_images(gain: Callable[..., float]) -> None:
    assert gain(METHOD, "gaussian:20..75", steps=60, channels=1, depth=4, features=16) > 4


@pytest.mark.parametrize("channels", [1, 3])
def test_an_untrained_net_hands_on_about_what_it_sees(channels: int) -> None:
    torch.manual_seed(0)
    net, noisy = FFDNet(Config(channels=channels)), torch.rand((1, channels, 32, 32))
    with torch.no_grad():
        seen = torch.stack((net(noisy, torch.full((1, 1, 1, 1), 0.1)).flatten(), noisy.flatten()))
    assert torch.corrcoef(seen)[0, 1] > 0.4
