from dataclasses import replace

import pytest

from denoise_cli.method import Recipe
from denoise_cli.training.schedule import rate_at

RECIPE = Recipe(noise="sp:0.1", patch=8, batch=2, steps=110, rate=2.0, warmup=10)


@pytest.mark.parametrize(("step", "rate"), [(0, 0.2), (4, 1.0), (9, 2.0), (10, 2.0), (60, 1.0), (110, 0.0)])
def test_warm_up_then_half_a_cosine(step: int, rate: float) -> None:
    assert rate_at(step, RECIPE) == pytest.approx(rate)


def test_a_run_that_is_shorter_than_its_warm_up_still_cools_down() -> None:
    recipe = replace(RECIPE, steps=22, warmup=22)
    assert [rate_at(step, recipe) for step in (0, 1, 2, 12, 22)] == pytest.approx([1.0, 2.0, 2.0, 1.0, 0.0])
    assert rate_at(0, replace(recipe, steps=1)) == 2.0
