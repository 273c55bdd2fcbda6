"""The net with median layers: its weights, that its medians filter, its reach, and that it learns."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from denoise_cli.errors import UsageError
from denoise_cli.layers.folding import fold_batch_norm
from denoise_cli.layers.impulses import FILL_RADIUS, FIND_RADIUS, fill
from denoise_cli.layers.median import MedianLayer
from denoise_cli.methods.median_cnn import METHOD, Config, MedianCNN, Options


@pytest.mark.parametrize("median", [True, False])
def test_as_many_weights_as_published(median: bool) -> None:
    assert sum(weight.numel() for weight in MedianCNN(Config(median=median)).parameters()) == 3_563_011


def test_two_medians_come_first_and_one_after_each_stage_of_the_first_half() -> None:
    net = MedianCNN(Config())
    places = [place for place, layer in enumerate(net.layers) if isinstance(layer, MedianLayer)]
    assert len(net.medians) == 2 and places == [*range(3, 3 + 16 * 2, 2)]
    without = MedianCNN(Config(median=False))
    assert not any(isinstance(layer, MedianLayer) for layer in without.modules())


def test_the_medians_filter() -> None:
    torch.manual_seed(0)
    image = torch.full((1, 3, 11, 11), 0.5)
    speckled = image.clone()
    speckled[..., 3, 4], speckled[..., 7, 7] = 1, 0
    for median in (True, False):
        net = MedianCNN(Config(features=4, stages=2, median=median)).eval()
        with torch.no_grad():
            assert torch.equal(net(speckled), net(image)) == median


def _small(seed: int) -> MedianCNN:
    """A net with switching medians that adds something."""
    torch.manual_seed(seed)
    net = MedianCNN(Config(features=4, stages=2, window=3, switching=True)).eval()
    nn.init.normal_(net.layers[-1].weight, std=0.3)
    return net


def test_switching_medians_leave_alone_what_was_no_impulse(gain: Callable[..., float]) -> None:
    draw = torch.Generator().manual_seed(0)
    clean = torch.rand((2, 3, 20, 24), generator=draw) * 0.8 + 0.1
    struck = torch.rand((2, 1, 20, 24), generator=draw)
    noisy = torch.where(struck < 0.1, 0.0, torch.where(struck < 0.2, 1.0, clean))
    net = _small(1)
    with torch.no_grad():
        estimate = net(noisy)
        at_first = MedianCNN(Config(features=4, stages=2, window=3, switching=True)).eval()(noisy)
    apart = (estimate != noisy).any(dim=1, keepdim=True)
    assert torch.equal(apart, struck < 0.2)
    filled = fill(noisy, struck >= 0.2)
    for _ in range(2):
        filled = torch.where(struck < 0.2, MedianLayer(3)(filled), filled)
    assert torch.allclose(at_first, filled)
    assert gain(METHOD, "sp:0.3", steps=60, rate=1e-2, features=8, stages=2, window=3, switching=True) > 15


def test_what_is_settled_is_the_share_of_impulses_on_the_whole_image() -> None:
    net, noisy = _small(2), torch.rand((1, 3, 40, 40))
    noisy[..., ::5, ::2], noisy[..., 1::5, ::2] = 0, 1
    settled = net.settle(noisy, METHOD.options)
    assert settled.share == pytest.approx(0.2)
    assert net.settle(noisy, Options(0.5)) == Options(0.5)
    with pytest.raises(UsageError, match=r"median-cnn: share cannot be 5"):
        net.settle(noisy, Options(5))
    with torch.no_grad():
        assert torch.equal(net.denoise(noisy, settled), net.denoise(noisy, METHOD.options))
        assert not torch.equal(net.denoise(noisy, Options(0.0)), net.denoise(noisy, METHOD.options))


def test_it_starts_with_the_image() -> None:
    """Through a hundred layers; what comes out shows what went in."""
    torch.manual_seed(0)
    image = torch.rand((2, 3, 24, 24))
    with torch.no_grad():
        estimate = MedianCNN(Config(features=16, median=False)).train()(image)
    alike = torch.corrcoef(torch.stack((image.flatten(), estimate.flatten())))[0, 1]
    assert alike > 0.9 and (estimate - image).square().mean() < 0.03


def test_batch_norm_can_be_folded() -> None:
    net = MedianCNN(Config(features=4, stages=2)).train()
    noisy = torch.rand((2, 3, 12, 12), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        net(noisy)
        estimate = net.eval()(noisy)
        folded = fold_batch_norm(net)
        assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in folded.modules())
        assert torch.allclose(folded(noisy), estimate, atol=1e-5)
    assert net.reach(METHOD.options) == 2 * 2 + 2 + 1 + 2 * 3 + 1


def test_the_reach_is_exact_without_medians(measured_reach: Callable[..., int]) -> None:
    net = MedianCNN(Config(features=3, stages=2, median=False))
    assert measured_reach(net, METHOD.options, net.__call__) == net.reach(METHOD.options) == 8
    assert MedianCNN(Config()).reach(METHOD.options) == 2 * 2 + 1 + 32 * 3 + 16 * 2 + 1
    switching = MedianCNN(Config(switching=True)).reach(METHOD.options)
    assert switching == MedianCNN(Config()).reach(METHOD.options) + FILL_RADIUS + FIND_RADIUS


def test_nothing_beyond_the_reach_matters_with_medians() -> None:
    net = MedianCNN(Config(features=3, stages=2)).eval()
    reach = net.reach(METHOD.options)
    noisy = torch.rand((1, 3, 9, reach + 20), generator=torch.Generator().manual_seed(0))
    other = noisy.clone()
    other[..., :10] = 1 - other[..., :10]
    with torch.no_grad():
        change = (net(other) - net(noisy)).abs().amax(dim=(0, 1, 2))
    assert change[:10].min() > 0 and change[10 + reach :].max() == 0


def test_a_few_steps_beat_the_noisy_images(gain: Callable[..., float]) -> None:
    assert gain(METHOD, "sp:0.3", steps=60, rate=1e-2, features=8, stages=2) > 5


def test_an_even_window_has_no_middle() -> None:
    with pytest.raises(UsageError, match=r"window cannot be 4.\nIt is odd"):
        MedianCNN(Config(window=4))
