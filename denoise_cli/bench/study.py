"""A paper's tables made again: nets trained by one command each, scored side by side with what the paper reports."""

import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from functools import partial
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import torch
from torch import Tensor

from denoise_cli import checkpoint, methods, metrics, shelf
from denoise_cli.bench import papers
from denoise_cli.bench.estimates import estimates
from denoise_cli.bench.protocol import Trial, run_trial
from denoise_cli.bench.recognition import accuracy
from denoise_cli.bench.trials import sigma_of
from denoise_cli.errors import DenoiseError, UsageError, did_you_mean
from denoise_cli.files import write_atomically
from denoise_cli.image import Image, Source
from denoise_cli.inference.load import load_net, without_weights
from denoise_cli.inference.perception import load_seer
from denoise_cli.inference.run import Engine, ready
from denoise_cli.inference.workbench import Wish, Workbench
from denoise_cli.method import Method
from denoise_cli.training.folder import BEST

LEVELS, ITERATIONS, ROWS = "levels", "iterations", "rows"
ACCURACY = "top-1 %"  # the metric of classifiers: the share of images whose class comes first
_DONE = "done"  # in the folder of a run that is finished
_SCORES = "scores.json"  # beside a net, so that a study that was stopped goes on


_Score = Callable[[Trial, Path, str, tuple[int, ...]], list[float]]  # trial, data, metric and counts to figures


@dataclass(frozen=True)
class Row:
    """One denoiser of a table: a net to train, weights that are here, or a method that learns nothing."""

    label: str
    train: str = ""  # what follows `denoise train`, without --data and --output
    weights: str = ""  # or the name of shipped weights
    model: str = ""  # or of a method without weights
    options: dict[str, Any] = field(default_factory=dict)  # what is turned at run time
    paper: tuple[float | None, ...] = ()  # the paper's figures, in the order of the columns
    told: bool = False  # the net is told the sigma of each column
    at: float = 0.0  # where the row stands in a figure over the rows


@dataclass(frozen=True)
class Table:
    """Rows by columns; a column is a trial, a metric and, for nets that iterate, a number of iterations."""

    caption: str
    rows: tuple[Row, ...]
    trials: tuple[Trial, ...]
    metrics: tuple[str, ...] = ("psnr",)
    counts: tuple[int, ...] = ()  # of iterations, for the rows that iterate; empty: each method's own default
    figure: str = ""  # drawn too, over LEVELS, ITERATIONS, or ROWS and where they stand
    axis: str = ""  # what the figure is over, in words
    spread: bool = False  # whether the rows are repetitions, whose mean and range are told


@dataclass(frozen=True)
class Study:
    """One page: what is asked, the set to train on, the tables."""

    title: str
    text: str  # the question and what the paper says, in Markdown
    data: str  # the set that the rows are trained on, a folder below the data folder
    tables: tuple[Table, ...]
    remarks: str = ""  # what is to be said of the figures


@dataclass(frozen=True)
class Scored:
    """A row with its figures, one a column (``None``: not for this row), and what made it."""

    row: Row
    figures: tuple[float | None, ...]
    command: str  # empty where nothing was trained


def names() -> list[str]:
    """The studies that there are."""
    return sorted(module.name.replace("_", "-") for module in iter_modules(papers.__path__))


def find(name: str) -> Study:
    """The study called ``name``; raises ``UsageError`` where there is none."""
    if name not in names():
        raise UsageError(f"There is no study {name!r}.", did_you_mean(name, names()))
    study: Study = import_module(f"{papers.__name__}.{name.replace('-', '_')}").STUDY
    return study


def make(study: Study, data: Path, runs: Path, device: torch.device, dtype: torch.dtype) -> Iterator[list[Scored]]:
    """Train what is not trained yet, in folders below ``runs``, and score: the rows of one table after the other.

    What is trained and scored is kept there, so that a study that was stopped goes on. Raises ``DenoiseError`` where a
    training fails, and ``InputError`` where a set of images is missing.
    """
    for table in study.tables:
        yield [_scored(row, table, data / study.data, data, runs, device, dtype) for row in table.rows]


def _scored(
    row: Row, table: Table, train_on: Path, data: Path, runs: Path, device: torch.device, dtype: torch.dtype
) -> Scored:
    command, weights = "", None
    if row.train:
        folder = runs / sha256(row.train.encode()).hexdigest()[:12]
        command = _train(row.train, train_on, folder)
        weights = folder / BEST
    elif row.weights:
        weights = shelf.path_of(shelf.find(row.weights))
    name = checkpoint.load(weights).model if weights else row.model
    card = methods.find(name)
    kept = _Kept(runs / _SCORES, f"{_mark(card, weights)} {row.options}")
    if card.classifies:
        score = _classifier(weights, device, dtype)
    elif card.per_class and weights is None:
        score = _picked(name, device, dtype)
    else:
        score = _denoiser(row, card, weights, device, dtype)
    counts = table.counts if "iters" in _knobs(card) else ()
    figures: list[float | None] = []
    for trial in table.trials:
        for metric in table.metrics:
            what = f"{trial}{', told' * row.told}, {metric}, {counts}"
            scores = kept.find(what) or _quoted(row, card, trial, metric, counts)
            if scores is None:
                scores = score(trial, data, metric, counts)
                kept.add(what, scores)
            figures += scores
            figures += [None] * (max(1, len(table.counts)) - len(scores))
    return Scored(row, tuple(figures), command)


def _mark(card: Method, weights: Path | None) -> str:
    """What tells the denoiser apart from what it was with other weights."""
    if weights is not None:
        return sha256(weights.read_bytes()).hexdigest()
    taken = [entry for entry in shelf.entries() if card.per_class and _is_picked(entry.model, card)]
    return " ".join([card.name, *(entry.sha256 for entry in taken)])


def _is_picked(model: str, card: Method) -> bool:
    """Whether weights of ``model`` have a say in which net of ``card`` an image takes."""
    return model == card.name or methods.find(model).classifies


def _denoiser(row: Row, card: Method, weights: Path | None, device: torch.device, dtype: torch.dtype) -> _Score:
    """Scores a denoiser; its net is loaded when it is first needed."""
    engines: list[Engine] = []

    def score(trial: Trial, data: Path, metric: str, counts: tuple[int, ...]) -> list[float]:
        if not engines:
            denoiser = load_net(weights, card) if weights else without_weights(card)
            engines.append(ready(Engine(denoiser, replace(card.options, **row.options), device, dtype)))
        engine = engines[0]
        if row.told and "sigma" in _knobs(card):
            engine = replace(engine, options=replace(engine.options, sigma=sigma_of(trial.noise)))
        return run_trial(trial, data, partial(estimates, engine, counts or None), device, metrics.find(metric))

    return score


def _classifier(weights: Path | None, device: torch.device, dtype: torch.dtype) -> _Score:
    """Scores a classifier by the share of images that it names right."""
    seer = load_seer(str(weights), device)

    def score(trial: Trial, data: Path, metric: str, counts: tuple[int, ...]) -> list[float]:
        return [accuracy(seer, trial, data, device, dtype)]

    return score


def _picked(model: str, device: torch.device, dtype: torch.dtype) -> _Score:
    """Scores nets that are each for one class: every image takes the one that a classifier picks by the noisy image."""
    bench = Workbench(Wish(model, device=device, dtype=dtype), lambda card: card.options)

    def denoise(noisy: Tensor) -> list[Tensor]:
        seen = (Image(image.clamp(0, 1).cpu().numpy(), Source("")) for image in noisy)
        engines = [bench.choose(image).engine for image in seen]
        return [torch.cat([estimates(one, None, image[None])[0] for one, image in zip(engines, noisy, strict=True)])]

    def score(trial: Trial, data: Path, metric: str, counts: tuple[int, ...]) -> list[float]:
        return run_trial(trial, data, denoise, device, metrics.find(metric))

    return score


def _quoted(row: Row, card: Method, trial: Trial, metric: str, counts: tuple[int, ...]) -> list[float] | None:
    """What the index quotes of weights that ship, where it does: `denoise bench weights` has measured it."""
    if not row.weights or metric != "psnr" or (row.options and not row.told):
        return None
    entry, what = shelf.find(row.weights), f"{trial}{', told sigma' * (row.told and 'sigma' in _knobs(card))}"
    budgets = counts or ((card.options.iters,) if "iters" in _knobs(card) else ())
    found = [entry.scores.get(f"{what}, {count} iterations") for count in budgets] or [entry.scores.get(what)]
    scores = [score for score in found if score is not None]
    return scores if len(scores) == len(found) else None


def _knobs(card: Method) -> set[str]:
    return {knob.name for knob in fields(card.options)}


def _train(words: str, train_on: Path, folder: Path) -> str:
    """Run ``denoise train`` as a user would, and return the command without the places on this machine."""
    whole = [sys.executable, "-m", "denoise_cli", "train", *shlex.split(words), "--data", str(train_on)]
    if not (folder / _DONE).exists():
        if subprocess.run([*whole, "--output", str(folder), "--quiet"], stdout=subprocess.DEVNULL).returncode:
            raise DenoiseError(f"`denoise train {words}` failed.", "Its message is above.")
        (folder / _DONE).touch()
    return f"denoise train {words} --data data/{train_on.name}"


class _Kept:
    """Scores of one denoiser that were measured before, in one file for all."""

    def __init__(self, path: Path, denoiser: str) -> None:
        self._path = path
        self._denoiser = denoiser

    def find(self, what: str) -> list[float] | None:
        found: list[float] | None = self._all().get(f"{self._denoiser} {what}")
        return found

    def add(self, what: str, scores: list[float]) -> None:
        everything = self._all() | {f"{self._denoiser} {what}": scores}
        write_atomically(self._path, json.dumps(everything, indent=0).encode(), force=True)

    def _all(self) -> dict[str, Any]:
        if not self._path.exists():
            return {}
        content: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
        return content
