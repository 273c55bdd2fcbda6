"""The deep image prior: what each idea bought in seconds and dB, and what stopping by itself costs."""

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from denoise_cli import methods, seeds
from denoise_cli.bench.protocol import CBSD68, SET12, images
from denoise_cli.fitting.follow import Kept, follow
from denoise_cli.fitting.stopping import rule
from denoise_cli.method import Fitter
from denoise_cli.metrics.psnr import psnr
from denoise_cli.noise import parse, stored

_COLUMNS = ("variance", "sigma")  # rules besides the default
_TIMED = "gaussian:25"
NOISES = ("gaussian:15", "gaussian:25", "gaussian:50", "sp:0.3")


@dataclass(frozen=True)
class Variant:
    """One way of fitting; what it does not name is the method's default."""

    label: str
    config: dict[str, Any]
    options: dict[str, Any]
    dtype: torch.dtype = torch.bfloat16


_PAPER = {"optimiser": "adam", "iters": 1800, "held_out": 0.0, "stop": "none"}
VARIANTS = (
    Variant("the paper's recipe: 128 channels, Adam, 1800 steps, float32", {"width": 128}, _PAPER, torch.float32),
    Variant("in bfloat16", {"width": 128}, _PAPER),
    Variant("32 channels", {}, _PAPER),
    Variant("Muon instead of Adam, 1000 steps", {}, _PAPER | {"optimiser": "muon", "iters": 1000}),
    Variant("stops by held-out pixels: the default", {}, {}),
    Variant("16 channels of input noise instead of 32", {"inputs": 16}, {}),
    Variant("zeros at the borders inside the net", {"border": "zeros"}, {}),
    Variant("100 steps at half the size first", {}, {"coarse": 100}),
)
DEFAULT = Variant("the default", {}, {})


@dataclass(frozen=True)
class Subject:
    """An image to fit: its name, the clean one and the noisy one in 8 bits, (1, C, H, W)."""

    name: str
    noise: str
    clean: Tensor
    noisy: Tensor


@dataclass(frozen=True)
class Fitted:
    """What came of one fit."""

    psnr: float  # of the answer, dB
    best: float  # of the best estimate on the way, dB; only the clean image tells which
    best_at: int  # its step
    steps: int
    seconds: float  # of the processor, all threads together
    choices: dict[str, float]  # what other rules would have answered, dB, by the word before the colon


def subjects(data: Path, noises: tuple[str, ...], side: int, each: int) -> Iterator[Subject]:
    """The first ``each`` images of Set12 and CBSD68 under every noise, cropped to ``side`` in their middle."""
    for name in (SET12, CBSD68):
        for index, (image, pixels) in enumerate(images(name, data)):
            if index == each:
                break
            top, left = (max(0, (length - side) // 2) for length in pixels.shape[-2:])
            clean = pixels[None, :, top : top + side, left : left + side].contiguous()
            for word in noises:
                noisy = stored(parse(word)(clean, seeds.generator(0, "bench", word, image)).noisy)
                yield Subject(f"{name}/{Path(image).stem}", word, clean, noisy)


def fit(subject: Subject, variant: Variant, rules: tuple[str, ...], device: torch.device) -> Fitted:
    """Fit ``subject``; ``rules`` are words of ``fitting.stopping``, judged on the same steps up to the last one.

    Where there are rules, the fit takes all its steps, and answers as its own rule says.
    """
    card = methods.find("dip")
    fitter = card.make(replace(card.config, **variant.config))
    assert isinstance(fitter, Fitter)
    noisy, clean = subject.noisy.to(device), subject.clean.to(device)
    options = fitter.settle(noisy, replace(card.options, **variant.options))
    own = options.stop
    kept = {word: Kept(rule(word)) for word in (*rules, own)}
    if rules:
        options = replace(options, stop="none")
    scores: list[float] = []
    began, measuring = time.process_time(), 0.0
    lower = variant.dtype != torch.float32
    with torch.autocast(device.type, variant.dtype) if lower else nullcontext():
        for standing in follow(fitter, noisy, options):
            paused = time.process_time()
            scores.append(psnr(standing.step.estimate.float(), clean).item())
            for choice in kept.values():
                choice.take(standing.step)
            measuring += time.process_time() - paused
    seconds = time.process_time() - began - measuring
    answers = {word: psnr(choice.answer(), clean).item() for word, choice in kept.items()}
    best, answered = max(scores), answers.pop(own)
    answers = {word.partition(":")[0]: score for word, score in answers.items()}
    return Fitted(answered, best, scores.index(best) + 1, len(scores), seconds, answers)


def stopping(found: list[tuple[Subject, Fitted]]) -> Iterator[str]:
    """A table of what each rule loses against the best iterate, by kind of noise: the mean and the worst."""
    yield "| noise | fits | noisy | best | auto | variance | sigma |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for word in (*NOISES, "all"):
        items = [item for item in found if word in (item[0].noise, "all")]
        if not items:
            continue
        noisy = sum(psnr(subject.noisy, subject.clean).item() for subject, _ in items) / len(items)
        fitted = [item for _, item in items]
        losses = [[item.best - item.psnr for item in fitted]]
        losses += [[item.best - item.choices[name] for item in fitted if name in item.choices] for name in _COLUMNS]
        cells = [f"{sum(column) / len(column):.2f} / {max(column):.2f}" if column else "" for column in losses]
        best = _mean(fitted, lambda item: item.best)
        yield f"| {word} | {len(items)} | {noisy:.2f} | {best:.2f} | " + " | ".join(cells) + " |"


def speed(found: list[tuple[Variant, list[Fitted]]]) -> Iterator[str]:
    """A table of seconds and dB, a row for each variant; the mean over the images."""
    yield "| fit | seconds | times as fast | ms a step | answer, dB | best, dB |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    first = _mean(found[0][1], lambda item: item.seconds)
    for variant, items in found:
        seconds = _mean(items, lambda item: item.seconds)
        each = 1000 * seconds / _mean(items, lambda item: item.steps)
        answer, best = _mean(items, lambda item: item.psnr), _mean(items, lambda item: item.best)
        yield f"| {variant.label} | {seconds:.0f} | {first / seconds:.1f} | {each:.0f} | {answer:.2f} | {best:.2f} |"


class Page:
    """Both tables as a page of Markdown, which can be written at any moment of the measuring."""

    def __init__(self, data: Path, side: int, each: int, fast: int, device: torch.device) -> None:
        self._data, self._side, self._each, self._fast, self._device = data, side, each, fast, device
        self._stopped: list[tuple[Subject, Fitted]] = []
        self._timed: list[tuple[Variant, list[Fitted]]] = []

    def fill(self) -> Iterator[str]:
        """Fit after fit, the short ones first; yields a line about each."""
        for subject in subjects(self._data, NOISES, self._side, self._each):
            found = fit(subject, DEFAULT, _rules(subject.noise), self._device)
            self._stopped.append((subject, found))
            yield f"{subject.name} {subject.noise}: {found.psnr:.2f} dB, best {found.best:.2f} at {found.best_at}"
        for variant in reversed(VARIANTS):
            items: list[Fitted] = []
            for subject in subjects(self._data, (_TIMED,), self._side, self._fast):
                items.append(fit(subject, variant, (), self._device))
                yield f"{variant.label}, {subject.name}: {items[-1].psnr:.2f} dB in {items[-1].seconds:.0f} s"
            self._timed.insert(0, (variant, items))

    def __str__(self) -> str:
        where = f"the middle {self._side} x {self._side} pixels"
        lines = [
            "# Fitting one image",
            "",
            f"Written by `denoise bench fit --limit {self._each} --limit-speed {self._fast} --crop {self._side}`. "
            f"Fitted are {where} of the first images of Set12 and CBSD68, in 8 bits, noise seed 0. "
            "Seconds are those of the processor.",
            "",
            "## Stopping by itself",
            "",
            "What the answer loses against the best estimate on the way, dB, which only the clean image tells: `auto` "
            "takes the held-out pixels. `sigma` is told the noise.",
            "",
            *stopping(self._stopped),
        ]
        if self._timed:
            lines += ["", "## Speed", "", f"Mean over {2 * self._fast} images, {_TIMED}.", "", *speed(self._timed)]
        return "\n".join([*lines, ""])


def _rules(noise: str) -> tuple[str, ...]:
    kind, _, level = noise.partition(":")
    return ("variance", f"sigma:{level}") if kind == "gaussian" else ("variance",)


def _mean(items: list[Fitted], value: Callable[[Fitted], float]) -> float:
    return sum(map(value, items)) / len(items)
