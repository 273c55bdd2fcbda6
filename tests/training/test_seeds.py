"""Deep-thinking nets collapse for some seeds as they were published; these must not."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from denoise_cli import methods
from denoise_cli.training import loop
from denoise_cli.training.run import Run


@pytest.mark.parametrize("seed", range(10))
def test_ten_seeds_of_ten_beat_the_noisy_images(seed: int, sets, tmp_path: Path) -> None:
    card = methods.find("dt")
    config = replace(card.config, channels=1, width=8)
    recipe = replace(
        card.recipe, noise="gaussian:50", patch=16, batch=8, steps=60, warmup=10, seed=seed, max_iters=3, free_iters=3
    )
    run = Run("dt", config, replace(card.options, iters=4), recipe, ("pictures",), torch.float32)
    patches, validation = sets(1, recipe)
    make = loop.maker(card, config, torch.device("cpu"), compiled=False)
    *_, report = loop.train(run, make, patches, validation, tmp_path, lambda seconds: False)
    assert report.attempt == 0
    assert report.best > validation.floor() + 1
