"""Which losses are those of a fit that diverges, on sequences made by hand."""

from collections.abc import Sequence

import torch

from denoise_cli.fitting.divergence import Course
from denoise_cli.method import Step


def step(number: int, *losses: float, coarse: bool = False, level: float = 0.5) -> Step:
    images = torch.full((len(losses), 1, 2, 2), level)
    return Step(number, torch.tensor(losses), images, images, coarse=coarse)


def taken(losses: Sequence[float], coarse: int = 0) -> Course:
    course = Course()
    for number, loss in enumerate(losses, 1):
        assert course.take(step(number, loss, coarse=number <= coarse)).all()
    return course


def test_what_cannot_be_an_answer() -> None:
    course = Course()
    assert course.take(step(1, 0.1, 0.1)).tolist() == [True, True]
    assert course.take(step(2, 2.1, 1.9)).tolist() == [False, True]
    assert course.take(step(3, torch.nan, 0.05)).tolist() == [False, True]
    assert course.take(step(4, 0.05, 0.05, level=torch.nan)).tolist() == [False, False]


def test_a_loss_clearly_above_the_first_is_looked_for_now_and_then() -> None:
    course = taken([0.08, 0.2])
    assert course.has_risen(25, last=False) and course.has_risen(2, last=True)
    assert not course.has_risen(2, last=False) and not course.has_risen(26, last=False)
    assert not taken([0.08, 0.1]).has_risen(25, last=False)


def test_a_first_loss_that_is_small_by_chance_counts_for_more() -> None:
    assert not taken([0.0001, 0.03]).has_risen(25, last=False)
    assert taken([0.0001, 0.2]).has_risen(25, last=False)


def test_of_all_pixels_the_loss_is_higher_than_of_their_means() -> None:
    assert not taken([0.02, 0.015, 0.25, 0.2], coarse=2).has_risen(25, last=False)
    assert taken([0.02, 0.25, 0.25, 0.25], coarse=2).has_risen(25, last=False), "it diverged before"
