"""A stand-in for a method that fits: it goes from gray through the clean image to the noisy one."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from denoise_cli.fitting.follow import answer, answers
from denoise_cli.method import Step


@dataclass(frozen=True)
class Options:
    """What every fitter has."""

    iters: int = 400
    stop: str = "auto"
    seed: int = 0
    rate: float = 0.02


@dataclass(frozen=True)
class Holding(Options):
    """What a fitter has that can hold pixels out."""

    held_out: float = 0.05


class Passing:
    """Its step k is half gray, then ever more of the noisy image; the held-out misfit is least at ``turn``."""

    stride, channels = 1, None

    def __init__(self, turn: int = 40, diverges_above: float = 1.0) -> None:
        self.turn, self.diverges_above = turn, diverges_above

    def settle(self, noisy: Tensor, options: Options) -> Options:
        return options

    def reach(self, options: Options) -> None:
        return None

    def denoise(self, noisy: Tensor, options: Options) -> Tensor:
        return answer(self, noisy, options)

    def estimates(self, noisy: Tensor, options: Options, counts: tuple[int, ...]) -> list[Tensor]:
        return answers(self, noisy, options, counts)

    def fit(self, noisy: Tensor, options: Options) -> Iterator[Step]:
        share = torch.zeros(len(noisy), 1, 1, 1, requires_grad=True)
        for number in range(1, options.iters + 1):
            output = 0.5 + share * (noisy - 0.5)
            loss = (output - noisy).square().mean(dim=(1, 2, 3))
            (slope,) = torch.autograd.grad(loss.sum(), share)
            with torch.no_grad():
                share -= options.rate * slope.sign()
            if options.rate > self.diverges_above and number > 3:
                output = output * torch.nan
            shown = output.detach()
            held_out = torch.full_like(loss, abs(number - self.turn)).detach()
            if isinstance(options, Holding):
                shown = shown + options.held_out
            whole = isinstance(options, Holding) and not options.held_out
            yield Step(number, loss.detach(), shown, shown.clamp(0, 1), None if whole else held_out)


@pytest.fixture
def noisy() -> Tensor:
    """Two images of noise."""
    return torch.rand((2, 3, 9, 7), generator=torch.Generator().manual_seed(0))
