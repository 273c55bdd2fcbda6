"""The rules on small sequences worked by hand."""

import pytest
import torch

from denoise_cli.fitting.discrepancy import Discrepancy
from denoise_cli.fitting.stopping import rule
from denoise_cli.fitting.variance import RunningVariance
from denoise_cli.method import Step


def step(number: int, loss: float = 0.0, level: float = 0.0, held_out: float | None = None) -> Step:
    images = torch.full((1, 1, 2, 2), level)
    return Step(number, torch.tensor([loss]), images, images, None if held_out is None else torch.tensor([held_out]))


@pytest.mark.parametrize(("word", "sigma"), [("sigma:25", 25 / 255), ("sigma:0.1", 0.1), ("sigma:1", 1.0)])
def test_the_discrepancy_reads_levels_like_noise(word: str, sigma: float) -> None:
    assert rule(word) == Discrepancy(pytest.approx(sigma))


def test_the_discrepancy_stops_at_the_noise() -> None:
    found = rule("sigma:0.1")
    assert found.score(step(1, loss=0.02)).item() == pytest.approx(0.02)
    assert found.score(step(2, loss=0.0099)).item() == float("-inf")


def test_automatic_takes_held_out_pixels_where_there_are_any() -> None:
    assert rule("auto").score(step(1, held_out=0.3)).item() == pytest.approx(0.3)
    assert rule("auto").score(step(1)).item() == float("inf")  # the variance is not known yet


def test_where_no_pixel_is_held_out_the_variance_tells() -> None:
    found = rule("held-out")
    assert found.score(step(1)).item() == float("inf") and found.patience == RunningVariance().patience


def test_the_running_variance_by_hand() -> None:
    """ES-EMV with a share of 0.1: mean 0, 0.1, 0.19; variance 0, 0.9 * 0.1 * 1, 0.9 * (0.09 + 0.1 * 0.81)."""
    found = RunningVariance(warm_up=1)
    scores = [found.score(step(number, level=level)).item() for number, level in ((1, 0.0), (2, 1.0), (3, 1.0))]
    assert scores == [float("inf"), pytest.approx(0.09), pytest.approx(0.1539)]


def test_none_prefers_the_last() -> None:
    found = rule("none")
    assert found.patience is None and found.score(step(2)) < found.score(step(1))
