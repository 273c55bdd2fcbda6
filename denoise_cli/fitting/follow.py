"""Drive a fit: keep the best step of each image, stop in time, start again more slowly where it diverges."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from denoise_cli import seeds
from denoise_cli.errors import DenoiseError, UsageError
from denoise_cli.fitting import stopping
from denoise_cli.fitting.divergence import Course
from denoise_cli.method import Fitter, Step

_SLOWER = 4.0  # by so much the rate is divided after a fit that diverged
ATTEMPTS = 5  # fits, each more slowly than the one before


@dataclass(frozen=True)
class Standing:
    """Where a fit stands, and what it would answer now."""

    step: Step
    best: Tensor  # (N, C, H, W), the estimate of the best step of each image
    best_at: Tensor  # (N,) the number of that step
    steps: Tensor  # (N,) steps that each image took: the fit of several goes on until the last of them is done
    seconds: float  # since the fit began
    message: str = ""  # something to tell: the fit was begun again
    ended: str = ""  # why this is the last standing; empty while the fit goes on

    def of(self, index: int) -> "Standing":
        """That of one of the images alone."""
        one, step = slice(index, index + 1), self.step
        held_out = None if step.held_out is None else step.held_out[one]
        alone = replace(
            step, loss=step.loss[one], output=step.output[one], estimate=step.estimate[one], held_out=held_out
        )
        return replace(self, step=alone, best=self.best[one], best_at=self.best_at[one], steps=self.steps[one])


def follow(
    fitter: Fitter,
    noisy: Tensor,
    options: Any,
    halt: Callable[[float], str] = lambda seconds: "",
    attempts: int = ATTEMPTS,
) -> Iterator[Standing]:
    """The standings of a fit of noisy images (N, C, H, W), up to where ``options.stop`` ends it for all of them.

    ``halt`` is told the seconds since the start after each step; what it answers, if anything, is why the fit ends.

    A fit that stops by pixels it held out, with ``auto``, is followed by a second one, of another seed and with every
    pixel, each image for the steps that were best; the answer is the mean of the two. A fit that diverges begins again
    with a lower rate, ``attempts`` fits in all. What is not finite is no answer: a fit that is halted there ends with
    the step before. Raises ``UsageError`` for options that cannot be, and ``DenoiseError`` where it diverges still, or
    an image has values that are not finite.
    """
    _check(noisy, options)
    began, message = time.monotonic(), ""
    for _ in range(attempts):
        kept, course = Kept(stopping.rule(options.stop)), Course()
        standing: Standing | None = None
        steps = _Steps(fitter, noisy, options)
        for step in steps:
            sound = bool(course.take(step).all())
            seconds = time.monotonic() - began
            halted = halt(seconds)
            if not sound:
                if not halted or standing is None:
                    break
                yield replace(standing, seconds=seconds, message="", ended=halted)
                return
            kept.take(step)
            steps.wanted = ~kept.over()
            ended = kept.ended()
            if not ended and step.number >= options.iters:
                ended = f"all {options.iters} steps are done"
            if not halted and course.has_risen(step.number, last=bool(ended)):
                break
            assert kept.best is not None and kept.best_at is not None and kept.steps is not None
            blind = bool(ended) and not halted and held_pixels_out(options, step)
            why = "" if blind else ended or halted
            standing = Standing(step, kept.best, kept.best_at, kept.steps, seconds, message, why)
            yield standing
            message = ""
            if blind:
                yield from once_more(fitter, noisy, options, standing, ended, lambda: halt(time.monotonic() - began))
            if ended or halted:
                return
        if not hasattr(options, "rate"):
            raise DenoiseError("The fit diverged.", "The image does not suit this method: choose another.")
        was, options = options.rate, replace(options, rate=options.rate / _SLOWER)
        message = f"the fit diverged; it begins again with a rate of {options.rate:.3g} instead of {was:.3g}"
    raise DenoiseError(
        f"The fit diverged {attempts} times, at last with a rate of {was:.3g}.", "Choose a still lower --rate."
    )


def held_pixels_out(options: Any, step: Step) -> bool:
    """Whether the fit is to be done once more, because ``step`` tells of pixels that it never saw."""
    return options.stop == "auto" and step.held_out is not None and hasattr(options, "held_out")


def once_more(
    fitter: Fitter, noisy: Tensor, options: Any, blind: Standing, why: str, halt: Callable[[], str] = lambda: ""
) -> Iterator[Standing]:
    """The fit that follows a ``blind`` one, which ended for the reason ``why``: another seed, nothing held out, and as
    many steps as were best.

    Steps are counted on. Until an image's steps are done its answer stays the blind one's; then it is the mean of both.
    """
    began = time.monotonic()
    most = int(blind.best_at.max())
    again = replace(options, seed=seeds.derive(options.seed, "once more"), held_out=0.0, stop="none", iters=most)
    best, message = blind.best, f"once more with every pixel, for {again.iters} steps"
    course, steps = Course(), _Steps(fitter, noisy, again)
    for step in steps:
        steps.wanted = step.number < blind.best_at
        learned = course.take(step) & ~course.risen()
        due = (blind.best_at == step.number) & learned
        best = torch.where(due[:, None, None, None], (blind.best + step.estimate) / 2, best)
        ended = halt() or (why if step.number == again.iters else "")
        counted = replace(step, number=blind.step.number + step.number)
        steps_taken = blind.steps + blind.best_at.clamp_max(step.number)
        seconds = blind.seconds + time.monotonic() - began
        yield Standing(counted, best, blind.best_at, steps_taken, seconds, message, ended)
        message = ""
        if ended:
            return


def answer(fitter: Fitter, noisy: Tensor, options: Any) -> Tensor:
    """What the fits of noisy images (N, C, H, W) answer, one by one, also in code that runs without gradients."""
    with torch.inference_mode(False):
        lasts = [deque(follow(fitter, image, options), maxlen=1).pop() for image in torch.split(noisy.clone(), 1)]
    return torch.cat([last.best for last in lasts]).to(noisy.dtype)


def answers(fitter: Fitter, noisy: Tensor, options: Any, counts: tuple[int, ...]) -> list[Tensor]:
    """The estimates after each of ``counts`` (ascending) steps of a single fit, which nothing else stops."""
    chosen = replace(options, iters=counts[-1], stop="none")
    found = [dict[int, Tensor]() for _ in noisy]
    with torch.inference_mode(False):
        for image, estimates in zip(torch.split(noisy.clone(), 1), found, strict=True):
            for standing in follow(fitter, image, chosen):
                if standing.step.number in counts:
                    estimates[standing.step.number] = standing.step.estimate.to(noisy.dtype)
    return [torch.cat([estimates[count] for estimates in found]) for count in counts]


def joined(number: int, steps: Sequence[tuple[Tensor, Tensor, Tensor, Tensor | None]], *, coarse: bool = False) -> Step:
    """Step ``number`` of several images, from that of each: loss, output, estimate and held-out misfit."""
    losses, outputs, estimates, held_out = zip(*steps, strict=True)
    known = [misfit for misfit in held_out if misfit is not None]
    misfits = torch.cat(known) if len(known) == len(steps) else None
    return Step(number, torch.cat(losses), torch.cat(outputs), torch.cat(estimates), misfits, coarse)


class Kept:
    """The best step so far by a rule, image by image."""

    def __init__(self, rule: stopping.Rule) -> None:
        self._rule = rule
        self._score: Tensor | None = None
        self._reached: Tensor | None = None
        self.best: Tensor | None = None
        self.best_at: Tensor | None = None
        self.steps: Tensor | None = None  # until each fit ended

    def take(self, step: Step) -> None:
        """Keep what is better in ``step``; an image whose fit has ended keeps what it has."""
        score = self._rule.score(step).float()
        score = torch.full_like(score, torch.inf) if step.coarse else score
        if self._score is None or self._reached is None:
            self._score, self.best = score, step.estimate
            self.best_at = self.steps = torch.full_like(score, step.number, dtype=torch.long)
            self._reached = torch.isneginf(score)
            return
        assert self.best is not None and self.best_at is not None and self.steps is not None
        better = (score <= self._score) & ~self._reached
        self._score = torch.where(better, score, self._score)
        self.best = torch.where(better[:, None, None, None], step.estimate, self.best)
        self.best_at = torch.where(better, step.number, self.best_at)
        self.steps = torch.where(self._reached, self.steps, step.number)
        self._reached = self._past(step.number)

    def answer(self) -> Tensor:
        """The estimate of the best step, (N, C, H, W)."""
        assert self.best is not None, "no step was taken"
        return self.best

    def ended(self) -> str:
        """Why all images are done, or nothing."""
        assert self._reached is not None
        if not self._reached.all():
            return ""
        return "stopped by itself" if self._rule.patience is not None else "down to the noise"

    def over(self) -> Tensor:
        """Which images' fits have ended, (N,) of bool."""
        assert self._reached is not None, "no step was taken"
        return self._reached

    def _past(self, number: int) -> Tensor:
        assert self._score is not None and self.best_at is not None and self._reached is not None
        over = self._reached | torch.isneginf(self._score)
        patience = self._rule.patience
        return over if patience is None else over | (number - self.best_at >= patience)


class _Steps:
    """The steps of a fit, which are told which images are ``wanted``, (N,) of bool.

    Gradients are on while it works, and as they were while the consumer does.
    """

    def __init__(self, fitter: Fitter, noisy: Tensor, options: Any) -> None:
        self._steps = fitter.fit(noisy, options)
        self.wanted: Tensor | None = None

    def __iter__(self) -> Iterator[Step]:
        return self

    def __next__(self) -> Step:
        with torch.enable_grad():
            return self._steps.send(self.wanted)


def _check(noisy: Tensor, options: Any) -> None:
    if options.iters < 1:
        raise UsageError(f"A fit cannot have {options.iters} steps.", "It takes at least 1.")
    stopping.rule(options.stop)
    if options.stop == "held-out" and getattr(options, "held_out", None) == 0:
        raise UsageError("A fit cannot stop by held-out pixels where held_out is 0.", "It is above 0, such as 0.05.")
    if not noisy.isfinite().all():
        raise DenoiseError(
            "The image has values that are not finite (NaN or infinite).", "Replace them; a fit would spread them."
        )
