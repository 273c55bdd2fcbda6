"""The pairs that are made for each step."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from denoise_cli.data.patches import Patches
from denoise_cli.method import Recipe
from denoise_cli.noise import Pair, parse
from denoise_cli.training.batches import Batches

RECIPE = Recipe(noise="gaussian:25", patch=8, batch=200, steps=1, eight_bit=0.5, gray=0.25)


def _batch(recipe: Recipe, step: int = 0, part: range | None = None) -> Pair:
    images = [torch.randint(256, (3, 20, 20), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)]
    patches = Patches([images], recipe.patch, torch.device("cpu"))
    return Batches(patches, parse(recipe.noise), part or range(recipe.batch)).at(recipe, 0, step)


def _is_gray(images: torch.Tensor) -> torch.Tensor:
    return (images == images[:, :1]).flatten(1).all(dim=1)


def _is_stored(images: torch.Tensor) -> torch.Tensor:
    return (images == (images * 255).round() / 255).flatten(1).all(dim=1)


def test_a_share_of_the_patches_is_gray_with_gray_noise() -> None:
    pair = _batch(replace(RECIPE, eight_bit=0.0))
    gray = _is_gray(pair.clean)
    assert 25 <= int(gray.sum()) <= 75
    assert torch.equal(gray, _is_gray(pair.noisy))
    assert abs(float((pair.noisy - pair.clean)[gray].std()) * 255 - 25) < 1.5


def test_no_patch_is_gray_where_none_is_wanted() -> None:
    assert not _is_gray(_batch(replace(RECIPE, gray=0.0)).clean).any()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0])
def test_a_share_of_every_part_is_clipped_and_rounded(share: float) -> None:
    noisy = _batch(replace(RECIPE, eight_bit=share)).noisy
    stored = _is_stored(noisy)
    assert int(stored.sum()) == round(200 * share)
    assert all(abs(int(part.sum()) - 40 * share) <= 1 for part in stored.split(40))
    assert share == 1 or noisy[~stored].min() < 0 or noisy[~stored].max() > 1


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_small_batches_have_their_share_over_the_steps(batch: int) -> None:
    recipe = replace(RECIPE, batch=batch, eight_bit=0.3, gray=0.0, noise="gaussian:100")
    stored = torch.cat([_is_stored(_batch(recipe, step).noisy) for step in range(40)])
    assert abs(int(stored.sum()) - 0.3 * 40 * batch) <= 1


def test_a_step_is_a_function_of_its_number() -> None:
    assert torch.equal(_batch(RECIPE, 3).noisy, _batch(RECIPE, 3).noisy)
    assert not torch.equal(_batch(RECIPE, 3).noisy, _batch(RECIPE, 4).noisy)


@pytest.mark.parametrize("noise", ["sp:0.1", "gaussian:0..55", "0.5*gaussian:25 + 0.5*poisson:30"])
@pytest.mark.parametrize("cuts", [(0, 32, 64, 70), (0, 17, 50, 70), (0, 1, 69, 70)])
def test_its_parts_are_those_of_the_whole(noise: str, cuts: tuple[int, ...]) -> None:
    recipe = replace(RECIPE, noise=noise, batch=70)
    parts = [_batch(recipe, 0, range(*ends)) for ends in pairwise(cuts)]
    for whole, pieces in zip(_batch(recipe), zip(*parts, strict=True), strict=True):
        shape = whole.shape[1:]
        assert torch.equal(torch.cat([piece.expand(-1, *shape) for piece in pieces]), whole)
