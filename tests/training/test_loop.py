"""The pairs that the loop makes for each step."""

from dataclasses import replace

import torch

from denoise_cli.data.patches import Patches
from denoise_cli.method import Recipe
from denoise_cli.noise import Pair, parse
from denoise_cli.training.loop import batch

RECIPE = Recipe(noise="gaussian:25", patch=8, batch=200, steps=1, eight_bit=0.5, gray=0.25)


def _batch(recipe: Recipe, step: int = 0) -> Pair:
    images = [torch.randint(256, (3, 20, 20), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)]
    return batch(Patches([images], recipe.patch, torch.device("cpu")), parse(recipe.noise), recipe, 0, step)


def _is_gray(images: torch.Tensor) -> torch.Tensor:
    return (images == images[:, :1]).flatten(1).all(dim=1)


def test_a_share_of_the_patches_is_gray_with_gray_noise() -> None:
    pair = _batch(RECIPE)
    gray = _is_gray(pair.clean)
    assert 25 <= int(gray.sum()) <= 75
    assert torch.equal(gray, _is_gray(pair.noisy))
    noise = (pair.noisy - pair.clean)[100:]  # not clipped
    assert abs(float(noise[gray[100:]].std()) * 255 - 25) < 1.5


def test_no_patch_is_gray_where_none_is_wanted() -> None:
    assert not _is_gray(_batch(replace(RECIPE, gray=0.0)).clean).any()


def test_a_share_is_clipped_and_rounded() -> None:
    noisy = _batch(RECIPE).noisy
    assert torch.equal(noisy[:100], (noisy[:100] * 255).round() / 255)
    assert noisy[100:].min() < 0


def test_a_step_is_a_function_of_its_number() -> None:
    assert torch.equal(_batch(RECIPE, 3).noisy, _batch(RECIPE, 3).noisy)
    assert not torch.equal(_batch(RECIPE, 3).noisy, _batch(RECIPE, 4).noisy)
