"""The scores of the shipped weights, as ``weights/index.toml`` quotes them, measured again."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

import torch

from denoise_cli import methods, shelf
from denoise_cli.bench.estimates import estimates
from denoise_cli.bench.protocol import BSD68, CBSD68, CIFAR, SET12, Trial, run_trial
from denoise_cli.bench.recognition import accuracies
from denoise_cli.inference.load import load_net
from denoise_cli.inference.perception import load_seer
from denoise_cli.inference.run import Engine, ready
from denoise_cli.noise import parse
from denoise_cli.noise.gaussian import Gaussian
from denoise_cli.noise.impulse import SaltAndPepper

COUNTS = (1, 3, 5, 10, 20)  # iterations at which recurrent nets are scored
MOST = 50  # further iterations for the small images of CIFAR
TOLERANCE = 0.02  # dB between the quoted and the measured score: another processor rounds otherwise


@dataclass(frozen=True)
class Measured:
    """One score of one weights file, dB or percent, beside what the index says of it (``None``: nothing yet)."""

    name: str
    what: str
    score: float
    quoted: float | None

    @property
    def holds(self) -> bool:
        """Whether the index quotes what was measured."""
        return self.quoted is not None and abs(self.score - self.quoted) <= TOLERANCE


def trials(entry: shelf.Entry) -> list[Trial]:
    """What an entry is scored on: by the noise that it was trained with, and its channels.

    Nets for one Gaussian level are scored at that level. Those for salt and pepper are scored at every share, seen in
    training or not; those that saw one share only are the easy-to-hard experiment, which is CIFAR's.
    """
    noise = parse(entry.noise)
    if isinstance(noise, SaltAndPepper):
        sets = (CIFAR,) if noise.share.low == noise.share.high else (CIFAR, CBSD68)
        return [Trial(name, f"sp:{share}", True) for name in sets for share in (0.1, 0.3, 0.5)]
    if isinstance(noise, Gaussian):
        low, high = (255 * end for end in (noise.sigma.low, noise.sigma.high))
        levels = [level for level in (15, 25, 50) if round(low) <= level <= round(high)]
        sets = (CBSD68,) if entry.channels == 3 else (BSD68, SET12)
        papers = [Trial(name, f"gaussian:{level}", False) for name in sets for level in levels]
        return papers + [Trial(name, "gaussian:25", True) for name in sets if 25 in levels]
    return []


def measure(entry: shelf.Entry, data: Path, device: torch.device, dtype: torch.dtype) -> Iterator[Measured]:
    """Score one weights file on every trial that it is for, at every number of iterations where it has any."""
    card = methods.find(entry.model)
    if card.classifies:
        for what, accuracy in accuracies(load_seer(entry.name, device), data, device, dtype).items():
            yield Measured(entry.name, what, round(accuracy, 3), entry.scores.get(what))
        return
    engine = ready(Engine(load_net(shelf.path_of(entry), card), card.options, device, dtype))
    iterates = "iters" in {field.name for field in fields(card.options)}
    for trial in trials(entry):
        counts = ((*COUNTS, MOST) if trial.images == CIFAR else COUNTS) if iterates else None
        scores = run_trial(trial, data, partial(estimates, engine, counts), device)
        for count, score in zip(counts or (None,), scores, strict=True):
            what = str(trial) if count is None else f"{trial}, {count} iterations"
            yield Measured(entry.name, what, round(score, 3), entry.scores.get(what))


def record(entry: shelf.Entry, measured: list[Measured]) -> None:
    """Write what was measured into the index."""
    scores = {item.what: item.score for item in measured}
    shelf.write_index(
        [replace(other, scores=scores) if other.name == entry.name else other for other in shelf.entries()]
    )
