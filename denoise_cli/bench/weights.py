"""The scores of the shipped weights, as ``weights/index.toml`` quotes them, measured again."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from denoise_cli import methods, shelf
from denoise_cli.bench.estimates import estimates
from denoise_cli.bench.protocol import Denoise, run_trial
from denoise_cli.bench.recognition import accuracies
from denoise_cli.bench.trials import INPUT, Case, cases, counts_of
from denoise_cli.inference.load import load_net, without_weights
from denoise_cli.inference.perception import load_seer
from denoise_cli.inference.run import Engine, ready

_TOLERANCES = {"dB": 0.02, "%": 0.5}  # between the quoted and the measured score: another processor rounds otherwise


@dataclass(frozen=True)
class Measured:
    """One score of one weights file beside what the index says of it (``None``: nothing yet)."""

    name: str
    what: str
    score: float
    quoted: float | None

    @property
    def unit(self) -> str:
        """What the score is in: dB, or % of the images."""
        return "%" if self.what.endswith("%") else "dB"

    @property
    def holds(self) -> bool:
        """Whether the index quotes what was measured."""
        return self.quoted is not None and abs(self.score - self.quoted) <= _TOLERANCES[self.unit]


def measure(entry: shelf.Entry, data: Path, device: torch.device, dtype: torch.dtype) -> Iterator[Measured]:
    """Score one weights file on every trial that it is for, at every number of iterations where it has any.

    Noisy images that stay in float, as papers have them, are denoised in float32 as they did; those of 8 bit, as users
    have them, in ``dtype``. What is scored beside it, on the same images, follows each.
    """

    def told(what: str, score: float) -> Measured:
        return Measured(entry.name, what, round(score, 3), entry.scores.get(what))

    if methods.find(entry.model).classifies:
        for what, accuracy in accuracies(load_seer(entry.name, device), data, device, dtype).items():
            yield told(what, accuracy)
        return
    loaded: dict[str, Engine] = {}
    for case in cases(entry):
        for name in (entry.name, *case.beside):
            if name != INPUT and name not in loaded:
                loaded[name] = engine_of(name, device, dtype)
        precise = dtype if case.trial.eight_bit else torch.float32
        engines = {name: replace(engine, dtype=precise) for name, engine in loaded.items()}
        counts = counts_of(entry, case.trial.images)
        scores = run_trial(case.trial, data, _denoise(engines[entry.name], case, counts), device)
        for count, score in zip(counts or (None,), scores, strict=True):
            yield told(str(case) if count is None else f"{case}, {count} iterations", score)
        for name in case.beside:
            denoise = _unchanged if name == INPUT else _denoise(engines[name], case, None)
            (score,) = run_trial(case.trial, data, denoise, device)
            yield told(f"{case}, {name}", score)


def engine_of(name: str, device: torch.device, dtype: torch.dtype) -> Engine:
    """The denoiser called ``name``, weights of the index or a method that needs none, with its default options."""
    card = methods.find(name.partition(".")[0])
    denoiser = load_net(shelf.path_of(shelf.find(name)), card) if "." in name else without_weights(card)
    return ready(Engine(denoiser, card.options, device, dtype))


def record(entry: shelf.Entry, measured: list[Measured]) -> None:
    """Write what was measured into the index."""
    scores = {item.what: item.score for item in measured}
    shelf.write_index(
        [replace(other, scores=scores) if other.name == entry.name else other for other in shelf.entries()]
    )


def _denoise(engine: Engine, case: Case, counts: tuple[int, ...] | None) -> Denoise:
    if case.told is not None and hasattr(engine.options, "sigma"):
        engine = replace(engine, options=replace(engine.options, sigma=case.told))
    return partial(estimates, engine, counts)


def _unchanged(noisy: Tensor) -> list[Tensor]:
    """The noisy images as a file shows them."""
    return [noisy.clamp(0, 1)]
