"""The deep image prior: what each idea bought in seconds and dB, and what stopping by itself costs."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from denoise_cli import methods, seeds
from denoise_cli.bench.protocol import CBSD68, SET12, images
from denoise_cli.files import write_atomically
from denoise_cli.fitting import held_out
from denoise_cli.fitting.follow import Kept, follow, held_pixels_out, once_more
from denoise_cli.fitting.stopping import rule
from denoise_cli.method import Fitter
from denoise_cli.metrics.psnr import psnr
from denoise_cli.noise import parse, stored

_COLUMNS = ("variance", "sigma")  # rules besides the default
TIMED = "gaussian:25"
_BEYOND = 1.5  # times as many steps as its rule took, a fit goes on to learn what the best one would have been
_ROUNDS = 3  # of timing, one step of every variant in each
NOISES = ("gaussian:15", "gaussian:25", "gaussian:50", "sp:0.3")


@dataclass(frozen=True)
class Variant:
    """One way of fitting; what it does not name is the method's default."""

    label: str
    config: dict[str, Any]
    options: dict[str, Any]
    dtype: torch.dtype = torch.bfloat16

    def make(self) -> tuple[Fitter, Any]:
        """The fitter and its options."""
        card = methods.find("dip")
        fitter = card.make(replace(card.config, **self.config))
        assert isinstance(fitter, Fitter)
        return fitter, replace(card.options, **self.options)

    def begin(self, noisy: Tensor) -> tuple[Fitter, Any]:
        """The fitter, and its options as they are settled on ``noisy`` (1, C, H, W)."""
        fitter, options = self.make()
        return fitter, fitter.settle(noisy, options)

    def precision(self, device: torch.device) -> AbstractContextManager[Any]:
        """What the net computes in."""
        return nullcontext() if self.dtype == torch.float32 else torch.autocast(device.type, self.dtype)

    def digest(self) -> str:
        """A short word for all that it is made of, defaults too."""
        card = methods.find("dip")
        parts = replace(card.config, **self.config), replace(card.options, **self.options)
        return sha256(json.dumps([*map(asdict, parts), str(self.dtype)]).encode()).hexdigest()[:12]


_PAPER = {"optimiser": "adam", "iters": 1800, "held_out": 0.0, "stop": "none", "rate": 0.01}
_PUBLISHED = {"width": 128, "inputs": 32}
VARIANTS = (
    Variant(
        "the recipe of Ulyanov, Vedaldi, Lempitsky: 128 channels, Adam, 1800 steps, float32",
        _PUBLISHED,
        _PAPER,
        torch.float32,
    ),
    Variant("in bfloat16", _PUBLISHED, _PAPER),
    Variant("32 channels", {"inputs": 32}, _PAPER),
    Variant("Muon instead of Adam, 1000 steps", {"inputs": 32}, _PAPER | {"optimiser": "muon", "iters": 1000}),
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
    steps: int  # until it stopped
    choices: dict[str, float]  # what other rules would have answered, dB, by the word before the colon


@dataclass(frozen=True)
class Place:
    """Where the images are, where what was measured is kept, and what computes."""

    data: Path
    runs: Path
    device: torch.device
    kept: bool = False  # measure nothing, only tell what is kept

    def recall(self, name: str, measure: Callable[[], Any]) -> Any:
        """What is kept as ``name``, a JSON value; else it is measured and kept. ``None`` where it may not be."""
        path = self.runs / f"{name.replace('/', '-').replace(':', '-')}.json"
        if path.exists():
            return json.loads(path.read_text(encoding="utf-8"))
        if self.kept:
            return None
        value = measure()
        write_atomically(path, json.dumps(value).encode(), force=True)
        return value


def subjects(
    data: Path, noises: Sequence[str], side: int, each: int, sets: Sequence[str] = (SET12, CBSD68)
) -> Iterator[Subject]:
    """The first ``each`` images of every set under every noise, cropped to ``side`` in their middle."""
    for name in sets:
        for image, pixels in islice(images(name, data), each):
            top, left = (max(0, (length - side) // 2) for length in pixels.shape[-2:])
            clean = pixels[None, :, top : top + side, left : left + side].contiguous()
            for word in noises:
                noisy = stored(parse(word)(clean, seeds.generator(0, "bench", word, image)).noisy)
                yield Subject(f"{name}/{Path(image).stem}", word, clean, noisy)


def fit(subject: Subject, variant: Variant, device: torch.device) -> Fitted:
    """Fit ``subject`` until its rule stops it, and half as long again to see what it missed; then once more where the
    answer takes a second fit."""
    noisy, clean = subject.noisy.to(device), subject.clean.to(device)
    fitter, options = variant.begin(noisy)
    options = replace(options, held_out=held_out.share(options.held_out, options.stop))
    others = {word.partition(":")[0]: Kept(rule(word)) for word in _rules(subject.noise)}
    own, steps = Kept(rule(options.stop)), 0
    scores: list[float] = []
    twice = False
    with variant.precision(device):
        for standing in follow(fitter, noisy, replace(options, stop="none")):
            step = standing.step
            twice = held_pixels_out(options, step)
            scores.append(psnr(step.estimate.float(), clean).item())
            for choice in (own, *others.values()):
                choice.take(step)
            if not steps and (own.ended() or step.number == options.iters):
                steps = step.number
            if steps and step.number >= _BEYOND * steps:
                break
        best, answer = max(scores), own.answer()
        if twice and own.best is not None and own.best_at is not None:
            blind = replace(standing, best=own.best, best_at=own.best_at)
            *_, last = once_more(fitter, noisy, options, blind, own.ended())
            answer, steps = last.best, steps + last.step.number - standing.step.number
    choices = {word: psnr(choice.answer(), clean).item() for word, choice in others.items()}
    return Fitted(psnr(answer, clean).item(), best, scores.index(best) + 1, steps, choices)


def step_seconds(subject: Subject, variants: Sequence[Variant], device: torch.device) -> list[float]:
    """Seconds of the processor, all threads together, for a step of each variant: the fastest of some, in turn."""
    fastest = [float("inf")] * len(variants)
    noisy = subject.noisy.to(device)
    for _ in range(_ROUNDS):
        for index, variant in enumerate(variants):
            fitter, options = variant.begin(noisy)
            with variant.precision(device):
                began = 0.0
                for standing in follow(fitter, noisy, replace(options, iters=2, coarse=0)):
                    if standing.step.number == 2:
                        fastest[index] = min(fastest[index], time.process_time() - began)
                    began = time.process_time()
    return fastest


def stopping(found: Sequence[tuple[Subject, Fitted]]) -> Iterator[str]:
    """A table of what each rule loses against the best iterate, by kind of noise: the mean and the worst."""
    yield "| noise | fits | steps | noisy | best | auto | variance | sigma |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for word in (*NOISES, "all"):
        items = [item for item in found if word in (item[0].noise, "all")]
        if not items:
            continue
        noisy = sum(psnr(subject.noisy, subject.clean).item() for subject, _ in items) / len(items)
        fitted = [item for _, item in items]
        losses = [[item.best - item.psnr for item in fitted]]
        losses += [[item.best - item.choices[name] for item in fitted if name in item.choices] for name in _COLUMNS]
        cells = [f"{sum(column) / len(column):.2f} / {max(column):.2f}" if column else "" for column in losses]
        steps, best = _mean(fitted, lambda item: item.steps), _mean(fitted, lambda item: item.best)
        yield f"| {word} | {len(items)} | {steps:.0f} | {noisy:.2f} | {best:.2f} | " + " | ".join(cells) + " |"


def speed(found: Sequence[tuple[Variant, float, Sequence[Fitted]]]) -> Iterator[str]:
    """A table of seconds and dB, a row for each variant with its seconds a step and its fits, if it has any."""
    yield "| fit | ms a step | steps | seconds | times as fast | answer, dB | best, dB |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    first: float | None = None
    for variant, each, items in found:
        steps = float(variant.options["iters"]) if variant.options.get("stop") == "none" else None
        steps = _mean(items, lambda item: item.steps) if items else steps
        row = [variant.label, f"{1000 * each:.0f}"]
        if steps is not None:
            first = first or each * steps
            row += [f"{steps:.0f}", f"{each * steps:.0f}", f"{first / (each * steps):.1f}"]
        row += [""] * (5 - len(row))
        row += [f"{_mean(items, lambda item: item.psnr):.2f}"] if items else [""]
        row += [f"{_mean(items, lambda item: item.best):.2f}"] if items else [""]
        yield f"| {' | '.join(row)} |"


class Page:
    """Both tables as a page of Markdown, which can be written at any moment of the measuring."""

    def __init__(self, place: Place, sides: tuple[int, int, int], each: int, fast: int, command: str) -> None:
        """``sides`` of what is fitted for the stopping, of what is fitted for the speed, and of what is timed."""
        self._place, self._sides, self._each, self._fast, self._command = place, sides, each, fast, command
        self._stopped: list[tuple[Subject, Fitted]] = []
        self._timed: list[tuple[Variant, float, list[Fitted]]] = []

    def fill(self) -> Iterator[str]:
        """Fit after fit, the short ones first; yields a line about each."""
        place, (stopped, timed, clocked) = self._place, self._sides
        for subject in subjects(place.data, NOISES, stopped, self._each):
            found = self._fitted(subject, DEFAULT, stopped)
            if found is not None:
                self._stopped.append((subject, found))
                yield f"{subject.name} {subject.noise}: {found.psnr:.2f} dB, best {found.best:.2f} at {found.best_at}"
        large = next(subjects(place.data, (TIMED,), clocked, 1, (CBSD68,)))
        digest = sha256("".join(variant.digest() for variant in VARIANTS).encode()).hexdigest()[:12]
        seconds = place.recall(f"step-{clocked}-{digest}", lambda: step_seconds(large, VARIANTS, place.device))
        for variant, each in reversed(list(zip(VARIANTS, seconds or (), strict=False))):
            items: list[Fitted] = []
            self._timed.insert(0, (variant, each, items))
            for subject in subjects(place.data, (TIMED,), timed, self._fast, (SET12,)):
                found = self._fitted(subject, variant, timed)
                if found is not None:
                    items.append(found)
                    yield f"{variant.label}, {subject.name}: {found.psnr:.2f} dB in {found.steps} steps"

    def _fitted(self, subject: Subject, variant: Variant, side: int) -> Fitted | None:
        name = f"{subject.name}-{subject.noise}-{side}-{variant.digest()}"
        found = self._place.recall(name, lambda: asdict(fit(subject, variant, self._place.device)))
        return None if found is None else Fitted(**found)

    def __str__(self) -> str:
        stopped, timed, clocked = self._sides
        lines = [
            "# Fitting one image",
            "",
            f"Written by `denoise bench fit {self._command}`. Fitted is the middle of images of Set12 and CBSD68, in 8 "
            "bits, noise seed 0; every table says how many and which part.",
            "",
            "## Stopping by itself",
            "",
            f"The middle {stopped} x {stopped} pixels of {_names(subject for subject, _ in self._stopped)}. What the "
            "answer loses against the best estimate on the way, dB, mean / worst, which only the clean image tells: "
            f"each fit goes on for {_BEYOND:g} times the steps after which it would have stopped. `auto` takes the "
            "held-out pixels, and takes the mean with a second fit, whose steps are counted too; so it can be better "
            "than the best estimate, which is of one fit. `sigma` is told the noise.",
            "",
            *stopping(self._stopped),
        ]
        if self._timed:
            first = "first image" if self._fast == 1 else f"first {self._fast} images"
            lines += [
                "",
                "## Speed",
                "",
                f"A step is timed on {clocked} x {clocked} pixels in colour: seconds of the processor, all threads "
                f"together, the fastest of {_ROUNDS}. Steps and dB are means over the middle {timed} x {timed} pixels "
                f"of the {first} of Set12, {TIMED}; a row without dB was only timed. Seconds are those of a step times "
                "the steps.",
                "",
                *speed(self._timed),
            ]
        return "\n".join([*lines, ""])


def _rules(noise: str) -> tuple[str, ...]:
    kind, _, level = noise.partition(":")
    return ("variance", f"sigma:{level}") if kind == "gaussian" else ("variance",)


def _names(found: Iterator[Subject]) -> str:
    return ", ".join(dict.fromkeys(subject.name for subject in found))


def _mean(items: Sequence[Fitted], value: Callable[[Fitted], float]) -> float:
    return sum(map(value, items)) / len(items)
