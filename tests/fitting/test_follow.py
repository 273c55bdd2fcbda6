"""Which step a fit answers with, when it ends, and what it does where it diverges."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from denoise_cli.errors import DenoiseError, UsageError
from denoise_cli.fitting.follow import answer, answers, follow
from denoise_cli.method import Fitter, Step

from .conftest import Holding, Options, Passing


def test_the_stand_in_is_a_fitter() -> None:
    assert isinstance(Passing(), Fitter)


def test_it_answers_with_the_best_step_not_the_last(noisy: Tensor) -> None:
    standings = list(follow(Passing(turn=40), noisy, Options(stop="held-out", rate=0.001)))
    last = standings[-1]
    assert last.best_at.tolist() == [40, 40] and last.step.number == 240 and last.ended == "stopped by itself"
    torch.testing.assert_close(last.best, standings[39].step.estimate)
    assert all(not standing.ended for standing in standings[:-1])


def test_a_fit_that_held_pixels_out_is_followed_by_a_second_one_with_all_of_them(noisy: Tensor) -> None:
    standings = list(follow(Passing(turn=40), noisy, Holding(rate=0.001)))
    assert [standing.step.number for standing in standings] == list(range(1, 281))
    assert standings[-1].best_at.tolist() == [40, 40]
    assert [standing.ended for standing in standings if standing.ended] == ["stopped by itself"]
    assert [item.message for item in standings if item.message] == ["once more with every pixel, for 40 steps"]
    blind, last = standings[239], standings[-1]
    assert torch.equal(standings[-2].best, blind.best)
    whole = list(follow(Passing(), noisy, Holding(rate=0.001, seed=1, held_out=0.0, stop="none", iters=40)))[-1]
    assert torch.equal(last.best, (blind.best + whole.best) / 2)


def test_a_second_fit_that_comes_to_nothing_changes_nothing(noisy: Tensor) -> None:
    class Spoiled(Passing):
        def fit(self, noisy: Tensor, options: Options) -> Iterator[Step]:
            for step in super().fit(noisy, options):
                spoiled = isinstance(options, Holding) and not options.held_out and step.number > 1
                yield replace(step, estimate=step.estimate * torch.nan) if spoiled else step

    standings = list(follow(Spoiled(turn=40), noisy, Holding(rate=0.001)))
    assert len(standings) == 280 and torch.equal(standings[-1].best, standings[239].best)


@pytest.mark.parametrize("changes", [{"stop": "held-out"}, {"stop": "none", "iters": 9}, {"held_out": 0.0, "iters": 9}])
def test_no_other_fit_is_done_again(noisy: Tensor, changes: dict[str, Any]) -> None:
    numbers = [item.step.number for item in follow(Passing(turn=3), noisy, Holding(rate=0.001, **changes))]
    assert numbers == list(range(1, len(numbers) + 1))


def test_halting_the_second_fit_keeps_the_answer_of_the_first(noisy: Tensor) -> None:
    calls: list[float] = []

    def halt(seconds: float) -> str:
        calls.append(seconds)
        return "enough" if len(calls) == 250 else ""

    standings = list(follow(Passing(turn=40), noisy, Holding(rate=0.001), halt))
    assert standings[-1].ended == "enough" and standings[-1].step.number == 250
    assert torch.equal(standings[-1].best, standings[239].best) and calls == sorted(calls)


def test_it_answers_without_gradients_around_it(noisy: Tensor) -> None:
    options = Options(stop="held-out", rate=0.001)
    expected = list(follow(Passing(), noisy, options))[-1].best
    with torch.inference_mode():
        assert torch.equal(answer(Passing(), noisy, options), expected)


def test_the_consumer_keeps_its_gradient_mode(noisy: Tensor) -> None:
    with torch.no_grad():
        for _ in follow(Passing(), noisy, Options(iters=3)):
            assert not torch.is_grad_enabled()


def test_halting_keeps_the_best_so_far(noisy: Tensor) -> None:
    calls: list[float] = []

    def halt(seconds: float) -> str:
        calls.append(seconds)
        return "enough" if len(calls) == 7 else ""

    standings = list(follow(Passing(turn=5), noisy, Options(), halt))
    assert len(standings) == 7 and standings[-1].ended == "enough"
    assert standings[-1].best_at.tolist() == [5, 5] and calls == sorted(calls)


def test_the_estimates_on_the_way_are_those_of_one_fit(noisy: Tensor) -> None:
    found = answers(Passing(turn=2), noisy, Options(rate=0.001), (3, 7))
    steps = [standing.step for standing in follow(Passing(), noisy, Options(iters=7, stop="none", rate=0.001))]
    assert torch.equal(found[0], steps[2].estimate) and torch.equal(found[1], steps[6].estimate)


def test_without_a_rule_the_last_step_is_the_answer(noisy: Tensor) -> None:
    last = list(follow(Passing(turn=2), noisy, Options(iters=9, stop="none")))[-1]
    assert last.ended == "all 9 steps are done" and torch.equal(last.best, last.step.estimate)


def test_a_fit_that_diverges_begins_again_more_slowly(noisy: Tensor) -> None:
    standings = list(follow(Passing(diverges_above=0.01), noisy, Options(iters=30, rate=0.03)))
    told = [standing.message for standing in standings if standing.message]
    assert told == ["the fit diverged; it begins again with a rate of 0.0075 instead of 0.03"]
    assert standings[-1].step.number == 30 and standings[-1].best.isfinite().all()


class Broken(Passing):
    """Its estimate is not finite in some steps."""

    def __init__(self, *numbers: int, rate: float = 0.0) -> None:
        super().__init__()
        self.numbers, self.least = numbers, rate

    def fit(self, noisy: Tensor, options: Options) -> Iterator[Step]:
        for step in super().fit(noisy, options):
            broken = step.number in self.numbers and options.rate > self.least
            yield replace(step, estimate=step.estimate * torch.nan) if broken else step


@pytest.mark.parametrize("number", [30, 31, 40])
def test_what_is_not_finite_is_no_answer_at_whichever_step(noisy: Tensor, number: int) -> None:
    standings = list(follow(Broken(number, rate=0.005), noisy, Options(iters=40, stop="none", rate=0.01)))
    assert all(standing.step.estimate.isfinite().all() for standing in standings)
    assert [standing.message for standing in standings if standing.message], "it began again"
    assert standings[-1].step.number == 40 and standings[-1].ended == "all 40 steps are done"


def test_halted_where_it_is_not_finite_it_answers_with_the_step_before(noisy: Tensor) -> None:
    calls: list[float] = []

    def halt(seconds: float) -> str:
        calls.append(seconds)
        return "enough" if len(calls) == 30 else ""

    *_, before, last = follow(Broken(30), noisy, Options(iters=40, stop="none", rate=0.001), halt)
    assert last.ended == "enough" and last.step.number == 29
    assert torch.equal(last.best, before.best) and last.best.isfinite().all()


def test_the_second_fit_ends_for_the_reason_of_the_first(noisy: Tensor) -> None:
    *_, last = follow(Passing(turn=40), noisy, Holding(rate=0.001, iters=50))
    assert last.ended == "all 50 steps are done" and last.step.number == 90


def test_coarse_steps_are_never_the_best(noisy: Tensor) -> None:
    class Coarse(Passing):
        def fit(self, noisy: Tensor, options: Options) -> Iterator[Step]:
            for step in super().fit(noisy, options):
                yield replace(step, coarse=step.number <= 5, loss=torch.full_like(step.loss, 0.001 * step.number))

    *_, last = follow(Coarse(), noisy, Options(stop="sigma:1", iters=9))
    assert last.ended == "down to the noise" and last.best_at.tolist() == [6, 6]
    *_, last = follow(Coarse(turn=3), noisy, Options(stop="held-out", iters=9))
    assert last.best_at.tolist() == [6, 6]


def test_each_image_is_answered_as_if_it_came_alone(noisy: Tensor) -> None:
    class Picky(Passing):
        def fit(self, noisy: Tensor, options: Options) -> Iterator[Step]:
            self.diverges_above = 0.005 if noisy.mean() < 0.4 else 1.0
            return super().fit(noisy, options)

    images = torch.cat((noisy[:1], 0.5 * noisy[:1]))
    options = Options(iters=9, stop="none", rate=0.01)
    found = answer(Picky(), images, options)
    assert torch.equal(found, torch.cat([answer(Picky(), image[None], options) for image in images]))
    (after,) = answers(Picky(), images, options, (7,))
    assert torch.equal(after[1:], answers(Picky(), images[1:], options, (7,))[0])


def test_a_fit_that_always_diverges_is_an_error(noisy: Tensor) -> None:
    with pytest.raises(DenoiseError, match="diverged 5 times"):
        list(follow(Passing(diverges_above=0.0), noisy, Options()))


def test_values_that_are_not_finite_are_an_error(noisy: Tensor) -> None:
    noisy[0, 0, 0, 0] = torch.nan
    with pytest.raises(DenoiseError, match="not finite"):
        next(follow(Passing(), noisy, Options()))


@pytest.mark.parametrize("wrong", [{"iters": 0}, {"stop": "soon"}, {"stop": "sigma:10..20"}, {"stop": "sigma:"}])
def test_options_that_cannot_be(noisy: Tensor, wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        next(follow(Passing(), noisy, replace(Options(), **wrong)))  # type: ignore[arg-type]


def test_who_has_stopped_is_wanted_no_more(noisy: Tensor) -> None:
    """The second image turns 30 steps after the first; once more each takes the steps that were best for it."""
    heard: list[list[bool]] = []

    class Staggered(Passing):
        def fit(self, noisy: Tensor, options: Options) -> Iterator[Step]:
            for step in super().fit(noisy, options):
                turns = torch.tensor([0.0, 30.0]) + self.turn
                held_out = None if step.held_out is None else (step.number - turns).abs()
                wanted = yield replace(step, held_out=held_out)
                heard.append(wanted.tolist())

    standings = list(follow(Staggered(turn=10), noisy, Holding(rate=0.001)))
    last = standings[-1]
    assert last.best_at.tolist() == [10, 40] and last.steps.tolist() == [210 + 10, 240 + 40]
    assert last.step.number == 240 + 40 and last.of(0).steps.tolist() == [220] and len(last.of(1).best) == 1
    first, second = heard[:239], heard[239:]
    assert first[208] == [True, True] and first[209] == first[-1] == [False, True]
    assert second[8] == [True, True] and second[9] == second[-1] == [False, True] and len(second) == 39
