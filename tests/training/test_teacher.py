"""What a teacher puts in place of the clean images."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from denoise_cli.data.patches import Patches
from denoise_cli.errors import DeviceError
from denoise_cli.method import Recipe
from denoise_cli.noise import Pair, parse
from denoise_cli.training.batches import Batches
from denoise_cli.training.teacher import Teacher

RECIPE = Recipe(noise="gaussian:5", patch=8, batch=200, steps=1, eight_bit=0.5, gray=0.2, taught=0.25)


class Half:
    """Says that the clean image is half of the noisy one."""

    channels, stride = 3, 1

    def settle(self, noisy: Tensor, options: Any) -> Any:
        return options

    def denoise(self, noisy: Tensor, options: Any) -> Tensor:
        return noisy.clamp(0, 1) / 2

    def reach(self, options: Any) -> int:
        return 0


class Told(Half):
    """Says that the clean image is as bright as the noise is strong."""

    def levels(self, noisy: Tensor, options: Any) -> Tensor:
        raise AssertionError("the level is known")

    def denoise_mapped(self, noisy: Tensor, sigma: Tensor, options: Any) -> Tensor:
        return sigma.expand_as(noisy).clone()


class Large(Half):
    """Has memory for so many images."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.sizes: list[int] = []

    def denoise(self, noisy: Tensor, options: Any) -> Tensor:
        self.sizes.append(len(noisy))
        if len(noisy) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return super().denoise(noisy, options)


def _batch(recipe: Recipe, net: Half | None, part: range | None = None) -> Pair:
    images = [torch.randint(256, (3, 20, 20), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)]
    patches = Patches([images], recipe.patch, torch.device("cpu"))
    teacher = None if net is None else Teacher(net, None, parse("gaussian:50"), torch.float32)
    return Batches(patches, parse(recipe.noise), part or range(recipe.batch), teacher).at(recipe, 0, 0)


def test_a_share_of_the_patches_has_the_noise_and_the_estimates_of_the_teacher() -> None:
    pair = _batch(RECIPE, Half())
    taught = (pair.sigma * 255 > 25).flatten()
    assert 30 <= int(taught.sum()) <= 70
    assert torch.equal(pair.clean[taught], pair.noisy[taught].clamp(0, 1) / 2)
    errors = (pair.noisy - pair.clean)[~taught].flatten(1).std(dim=1) * 255
    assert errors.max() < 10, "the others keep the clean image and the noise of the recipe"


def test_the_others_are_as_without_a_teacher() -> None:
    pair, alone = _batch(RECIPE, Half()), _batch(RECIPE, None)
    others = (pair.sigma * 255 < 25).flatten() & _colour(pair.clean)
    assert others.any() and torch.equal(pair.clean[others], alone.clean[others])


def _colour(images: Tensor) -> Tensor:
    return (images != images[:, :1]).flatten(1).any(dim=1)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_all_or_none(share: float) -> None:
    pair = _batch(replace(RECIPE, taught=share), Half())
    assert bool((pair.sigma * 255 > 25).all()) == (share == 1.0)
    assert bool((pair.sigma * 255 > 25).any()) == (share == 1.0)


def test_a_teacher_that_is_told_the_level_is_told_it() -> None:
    pair = _batch(replace(RECIPE, taught=1.0), Told())
    torch.testing.assert_close(pair.clean, pair.sigma.expand_as(pair.clean))


@pytest.mark.parametrize("cuts", [(0, 32, 64, 70), (0, 17, 50, 70), (0, 1, 69, 70)])
def test_its_parts_are_those_of_the_whole(cuts: tuple[int, ...]) -> None:
    recipe = replace(RECIPE, batch=70)
    parts = [_batch(recipe, Half(), range(*ends)) for ends in pairwise(cuts)]
    for whole, pieces in zip(_batch(recipe, Half())[:3], zip(*(part[:3] for part in parts), strict=True), strict=True):
        assert torch.equal(torch.cat(pieces), whole)


def test_a_teacher_that_is_too_large_for_all_takes_a_few_at_a_time() -> None:
    recipe, net = replace(RECIPE, batch=70, taught=1.0), Large(20)
    found, expected = _batch(recipe, net), _batch(recipe, Half())
    assert net.sizes == [70, 35, 18, 18, 18, 16]
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(found[:3], expected[:3], strict=True))
    with pytest.raises(DeviceError, match="Out of memory on cpu, for the noise of one patch of 8 pixels"):
        _batch(recipe, Large(0))
