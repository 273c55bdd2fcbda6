"""Which step a fit answers with, when it ends, and what it does where it diverges."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from denoise_cli.errors import DenoiseError, UsageError
from denoise_cli.fitting.follow import answer, answers, follow
from denoise_cli.method import Fitter

from .conftest import Options, Passing


def test_the_stand_in_is_a_fitter() -> None:
    assert isinstance(Passing(), Fitter)


def test_it_answers_with_the_best_step_not_the_last(noisy: Tensor) -> None:
    standings = list(follow(Passing(turn=40), noisy, Options(stop="held-out", rate=0.001)))
    last = standings[-1]
    assert last.best_at.tolist() == [40, 40] and last.step.number == 240 and last.ended == "stopped by itself"
    torch.testing.assert_close(last.best, standings[39].step.estimate)
    assert all(not standing.ended for standing in standings[:-1])


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
