"""When iterations stop."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
import torch
from torch import Tensor

from denoise_cli.inference.converge import MOST, converge, samples
from denoise_cli.method import Unending


class Halves:
    """Comes to nothing, by half of what is left in each iteration; ``rate`` above 1 moves away from it instead."""

    channels = None

    def __init__(self, rate: float = 0.5, stride: int = 1) -> None:
        self.rate, self.stride, self.iterations = rate, stride, 0

    def settle(self, noisy: Tensor, options: Any) -> Any:
        return options

    def reach(self, options: Any) -> int | None:
        return 0

    def refine(self, noisy: Tensor, options: Any) -> Iterator[Tensor]:
        assert noisy.shape[-1] % self.stride == 0
        for self.iterations in count(1):
            yield noisy * self.rate**self.iterations

    def estimates(self, noisy: Tensor, options: Any, counts: tuple[int, ...]) -> list[Tensor]:
        return [noisy * self.rate**number for number in counts]

    def denoise(self, noisy: Tensor, options: Any) -> Tensor:
        raise AssertionError("is not asked")


def test_it_stops_where_nothing_changes() -> None:
    denoiser = Halves(stride=8)
    assert isinstance(denoiser, Unending)
    stop, estimate = converge(denoiser, torch.ones(1, 3, 9, 7), None)
    assert denoiser.iterations == stop == 15  # the first where 2^(5 - n) - 2^-n is below 0.25 / 255
    assert torch.equal(estimate, torch.full((1, 3, 9, 7), 0.5**15))


def test_what_never_rests_ends_where_it_changed_least() -> None:
    denoiser = Halves(rate=1.01)
    stop, estimate = converge(denoiser, torch.ones(1, 1, 4, 4), None)
    assert denoiser.iterations == MOST and stop == 6
    assert estimate.mean().item() == pytest.approx(1.01**6)


def test_what_waits_for_more_iterations_has_not_come_to_rest() -> None:
    class Rounds(Halves):
        def refine(self, noisy: Tensor, options: Any) -> Iterator[Tensor]:
            for number in count(1):
                rounds = number // 5  # a small step within the first, a large one at the end of each, none between
                yield noisy * 0.5**rounds if rounds else 0.9 * noisy

    stop, estimate = converge(Rounds(), torch.ones(1, 1, 4, 4), None)
    assert stop == 50 and torch.equal(estimate, torch.full((1, 1, 4, 4), 0.5**10))


def test_what_never_changes_is_at_rest() -> None:
    assert converge(Halves(rate=1.0), torch.ones(1, 1, 4, 4), None)[0] == 6


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_what_is_not_finite_is_told_at_once(wrong: float) -> None:
    class Breaks(Halves):
        def refine(self, noisy: Tensor, options: Any) -> Iterator[Tensor]:
            for self.iterations in count(1):
                estimate = noisy.clone()
                estimate[..., 0, 0] = wrong if self.iterations > 3 else 0
                yield estimate

    denoiser = Breaks()
    with pytest.raises(ArithmeticError, match="not finite"):
        converge(denoiser, torch.ones(1, 1, 4, 4), None)
    assert denoiser.iterations == 4


def test_samples_are_spread_over_the_image() -> None:
    rows, columns = torch.meshgrid(torch.arange(1000), torch.arange(2000), indexing="ij")
    found = samples(torch.stack((rows, columns))[None], 8)
    assert found.shape == (9, 2, 192, 192)
    tops, lefts = found[:, 0, 0, 0].unique().tolist(), found[:, 1, 0, 0].unique().tolist()
    assert tops == [64, 400, 736] and lefts == [232, 904, 1568]
    assert samples(torch.zeros(2, 3, 100, 2000), 8).shape == (6, 3, 100, 192)
    assert samples(torch.zeros(1, 3, 10, 20), 8).shape == (1, 3, 10, 20)


@pytest.mark.parametrize("length", [193, 300, 384, 500, 575])
def test_samples_of_a_side_that_is_not_long_reach_both_ends(length: int) -> None:
    rows = torch.arange(length)[:, None].expand(length, 3000)
    seen = set(samples(rows[None, None], 8).flatten().tolist())
    assert seen == set(range(max(seen) + 1)) and max(seen) >= length - 8
