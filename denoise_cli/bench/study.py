"""A paper's tables made again: nets trained by one command each, scored side by side with what the paper reports."""

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import torch

from denoise_cli import checkpoint, methods, metrics, shelf
from denoise_cli.bench import papers
from denoise_cli.bench.estimates import estimates
from denoise_cli.bench.protocol import Trial, run_trial
from denoise_cli.errors import DenoiseError, UsageError, did_you_mean
from denoise_cli.files import write_atomically
from denoise_cli.inference.load import load_net, without_weights
from denoise_cli.inference.run import Engine, ready
from denoise_cli.training.folder import BEST, LAST
from denoise_cli.training.state import progress_of

_DONE = "done"  # in the folder of a run that is finished
_SCORES = "scores.json"  # beside a net, so that a study that was stopped goes on


@dataclass(frozen=True)
class Row:
    """One denoiser of a table: a net to train, weights that are here, or a method that learns nothing."""

    label: str
    train: str = ""  # what follows `denoise train`, without --data and --output
    weights: str = ""  # or the name of shipped weights
    model: str = ""  # or of a method without weights
    options: dict[str, Any] = field(default_factory=dict)  # what is turned at run time
    paper: tuple[float | None, ...] = ()  # the paper's figures, in the order of the columns


@dataclass(frozen=True)
class Table:
    """Rows by columns; a column is a trial, a metric and, for nets that iterate, a number of iterations."""

    caption: str
    rows: tuple[Row, ...]
    trials: tuple[Trial, ...]
    metrics: tuple[str, ...] = ("psnr",)
    counts: tuple[int, ...] = ()  # of iterations, for the rows that iterate; empty: each method's own default

    def columns(self) -> list[str]:
        """The headings, in order."""
        return [
            ", ".join(part for part in (str(trial), metric, f"{count} iterations" if count else "") if part)
            for trial in self.trials
            for metric in self.metrics
            for count in self.counts or (None,)
        ]


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
    minutes: float = 0.0


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


def page(name: str, study: Study, results: list[list[Scored]]) -> str:
    """The study as a page of Markdown."""
    lines = [f"# {study.title}", "", study.text.strip(), ""]
    for table, rows in zip(study.tables, results, strict=True):
        lines += [table.caption, "", *_lines(table, rows), ""]
    if study.remarks:
        lines += [study.remarks.strip(), ""]
    lines += ["## Commands", "", f"This page is written by `denoise bench paper {name}`, which runs:", "", "```sh"]
    commands = {scored.command: scored for rows in results for scored in rows if scored.command}
    lines += [f"{scored.command}  # {scored.minutes:.1f} minutes" for scored in commands.values()]
    return "\n".join([*lines, "```", ""])


def _lines(table: Table, rows: list[Scored]) -> Iterator[str]:
    columns = table.columns()
    yield "| | " + " | ".join(columns) + " |"
    yield "| --- |" + " ---: |" * len(columns)
    for scored in rows:
        told = scored.row.paper + (None,) * (len(columns) - len(scored.row.paper))
        cells = [
            ("" if ours is None else f"{ours:.4f}" if "ssim" in column else f"{ours:.2f}")
            + ("" if theirs is None else f" ({theirs:g})")
            for column, ours, theirs in zip(columns, scored.figures, told, strict=True)
        ]
        yield f"| {scored.row.label} | " + " | ".join(cells) + " |"


def _scored(
    row: Row, table: Table, train_on: Path, data: Path, runs: Path, device: torch.device, dtype: torch.dtype
) -> Scored:
    command, minutes, weights = "", 0.0, None
    if row.train:
        folder = runs / sha256(row.train.encode()).hexdigest()[:12]
        command = _train(row.train, train_on, folder)
        weights, minutes = folder / BEST, progress_of(folder / LAST).seconds / 60
    elif row.weights:
        weights = shelf.path_of(shelf.find(row.weights))
    name = checkpoint.load(weights).model if weights else row.model
    card = methods.find(name)
    denoiser = load_net(weights, card) if weights else without_weights(card)
    engine = ready(Engine(denoiser, replace(card.options, **row.options), device, dtype))
    kept = _Kept(runs / _SCORES, f"{sha256(weights.read_bytes()).hexdigest() if weights else name} {row.options}")
    figures: list[float | None] = []
    iterates = hasattr(card.options, "iters")
    for trial in table.trials:
        for metric in table.metrics:
            counts = table.counts if iterates else ()
            what = f"{trial}, {metric}, {counts}"
            scores = kept.find(what)
            if scores is None:
                denoise = partial(estimates, engine, counts or None)
                scores = run_trial(trial, data, denoise, device, metrics.find(metric))
                kept.add(what, scores)
            figures += scores
            figures += [None] * (max(1, len(table.counts)) - len(scores))
    return Scored(row, tuple(figures), command, minutes)


def _train(words: str, train_on: Path, folder: Path) -> str:
    """Run ``denoise train`` as a user would, and return the command without the places on this machine."""
    whole = [sys.executable, "-m", "denoise_cli", "train", *shlex.split(words), "--data", str(train_on)]
    if not (folder / _DONE).exists():
        if subprocess.run([*whole, "--output", str(folder), "--quiet"], stdout=subprocess.DEVNULL).returncode:
            raise DenoiseError(f"`denoise train {words}` failed.", "Its message is above.")
        (folder / _DONE).touch()
    return f"denoise train {words} --data {train_on.name}"


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
