"""``denoise run --cluster``: the same job, done by many workers."""

import io
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from denoise_cli.cli import outcomes, screen
from denoise_cli.errors import UsageError

if TYPE_CHECKING:
    from denoise_cli.inference import cluster
    from denoise_cli.inference.batch import Batch
    from denoise_cli.inference.inputs import Item
    from denoise_cli.inference.outputs import Layout
    from denoise_cli.inference.pipeline import Job
    from denoise_cli.inference.workbench import Wish


def check_flags(output: str | None, others: Mapping[str, str | None], words: Iterable[str]) -> None:
    """Raise ``UsageError`` for what a cluster cannot do."""
    if output in (None, "-"):
        raise UsageError("--cluster needs a folder for the results.", "Give one with -o: a folder or a URL.")
    for name, value in others.items():
        if value is not None:
            raise UsageError(f"--cluster and {name} do not go together.", "Leave one of them out.")
    if "-" in words:
        raise UsageError("--cluster takes no stdin.", "Name files, folders, lists or URLs.")


def listed(url: str) -> "Iterable[Item]":
    """See ``store.listed``."""
    from denoise_cli.inference import store

    return store.listed(url)


def plan_of(
    wish: "Wish", given: Mapping[str, Any], words: tuple[str, str], rules: "Batch", output: str
) -> "cluster.Plan":
    """What the workers must know; ``words`` name their device and their precision."""
    from denoise_cli.inference import cluster
    from denoise_cli.inference.store import Remote, plain

    store = Remote(plain(output), str(Path.cwd()))
    weights = None if wish.file is None else wish.file.read_bytes()
    return cluster.Plan(
        replace(wish, notice=cluster.quietly), given, *words, weights, replace(rules, store=store), store
    )


def jobs(items: "Sequence[Item]", layout: "Layout", plan: "cluster.Plan") -> "list[Job]":
    """The jobs for ``items``, once nothing stands against them. Raises ``OutputError``."""
    from denoise_cli.inference import cluster
    from denoise_cli.inference.pipeline import Job

    journal = cluster.refuse_existing(items, layout, plan.store, plan.batch.settings, force=plan.batch.force)
    return [Job(item, layout.paths(item), None, journal) for item in items]


def run(jobs: "Sequence[Job]", plan: "cluster.Plan", address: str, workers: int | None, *, as_json: bool) -> None:
    """Do the ``jobs`` on the cluster at ``address`` and tell what became of them."""
    from denoise_cli.inference import cluster

    tally = outcomes.Tally(len(jobs))
    aside = io.StringIO() if screen.quiet() else sys.stderr
    screen.out().file = sys.stdout
    with (
        redirect_stdout(aside),  # Ray tells of dead workers on stdout
        cluster.connected(address, workers) as room,
        screen.progress("denoising", len(jobs)) as bar,
    ):
        for result, record in cluster.run(jobs, plan, workers or room, bar.say):
            tally.add(result, bar)
            if as_json:
                screen.emit(json.dumps(record))
            bar.advance()
    tally.conclude()
