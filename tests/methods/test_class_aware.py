"""The net of the class-aware paper: its weights, its parts, its borders, its reach, and that it learns."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from denoise_cli.errors import UsageError
from denoise_cli.methods.class_aware import METHOD, ClassAware, Config, Options
from denoise_cli.noise import Pair


def test_as_many_weights_as_published() -> None:
    assert sum(weight.numel() for weight in ClassAware(Config()).parameters()) == 655_544


def _chain(depth: int, last_but_one: float) -> ClassAware:
    """Two outputs a layer: a part that copies what comes in, and the same passed on (negated in one layer)."""
    net = ClassAware(Config(depth=depth, features=2))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        for number, layer in enumerate(net.layers, 1):
            layer.weight[:, 0, 1, 1] = 1
            if number == depth - 1:
                layer.weight[1, 0, 1, 1] = last_but_one
    return net


def test_parts_by_hand() -> None:
    """The input is shifted by -0.5; parts have no ReLU, what is passed on has one, but not after the last but one."""
    noisy = torch.tensor([0.9, 0.1]).reshape(2, 1, 1, 1)
    with torch.no_grad():
        parts = torch.stack(_chain(4, -1.0).parts(noisy)).squeeze()  # (4 layers, 2 images)
    assert parts[:, 0].tolist() == pytest.approx([0.04, 0.04, 0.04, -0.04])
    assert parts[:, 1].tolist() == pytest.approx([-0.04, 0, 0, 0])


def test_the_estimate_is_the_image_and_all_parts() -> None:
    noisy = torch.rand((2, 1, 9, 7), generator=torch.Generator().manual_seed(0))
    net = ClassAware(Config(depth=5, features=6))
    with torch.no_grad():
        assert torch.allclose(net(noisy), noisy + sum(net.parts(noisy)))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 5), (30, 17)])
def test_borders_are_mirrored(height: int, width: int) -> None:
    """A copy of the image beside itself, mirrored, changes nothing."""
    torch.manual_seed(0)
    net = ClassAware(Config(depth=4, features=6)).eval()
    noisy = torch.rand((1, 1, height, width), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        alone = net.denoise(noisy, Options())
        beside = net.denoise(torch.cat((noisy, noisy.flip(3)), dim=3), Options())
    assert torch.allclose(beside[..., :width], alone, atol=1e-6)


def test_the_loss_leaves_the_borders_out() -> None:
    net, recipe = ClassAware(Config(depth=4, features=6)), replace(METHOD.recipe, border=3)
    clean = torch.rand((1, 1, 10, 10), generator=torch.Generator().manual_seed(0))
    spoiled = clean.clone()
    spoiled[..., :3, :] = spoiled[..., -3:] = 9
    losses = [net.loss(Pair(target, clean, torch.zeros(1)), recipe, torch.Generator()) for target in (clean, spoiled)]
    assert losses[0] == losses[1] and losses[0] > 0
    assert net.loss(Pair(clean, clean, torch.zeros(1)), METHOD.recipe, torch.Generator()).isfinite()


def test_the_reach_is_exact(measured_reach: Callable[..., int]) -> None:
    net = ClassAware(Config(depth=6, features=3))
    assert measured_reach(net, METHOD.options, net.__call__) == net.reach(METHOD.options) == 6


def test_a_few_steps_beat_the_noisy_images(gain: Callable[..., float]) -> None:
    assert gain(METHOD, "gaussian:50", steps=60, depth=6, features=16) > 4


@pytest.mark.parametrize(("channels", "features"), [(1, 1), (3, 3)])
def test_a_layer_has_more_outputs_than_its_part_of_the_noise(channels: int, features: int) -> None:
    with pytest.raises(UsageError, match=rf"features cannot be {features}.\nIt is above {channels}"):
        ClassAware(Config(channels=channels, features=features))
