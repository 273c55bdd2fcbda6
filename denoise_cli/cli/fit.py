"""What the commands that fit single images share: their flags, the files, and which image is fitted when."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from denoise_cli.cli import outcomes, screen, streams
from denoise_cli.cli.durations import parse_duration
from denoise_cli.cli.fit_view import Task, Watch, fit_batch, most_steps
from denoise_cli.cli.interrupts import interrupts
from denoise_cli.cli.load_torch import load_torch
from denoise_cli.errors import InputError
from denoise_cli.fields import fill

if TYPE_CHECKING:
    from denoise_cli.inference.inputs import Item
    from denoise_cli.inference.journal import Journals
    from denoise_cli.method import Method

Inputs = Annotated[
    list[str], typer.Argument(help="Noisy images, folders, globs, @list.txt, or - for stdin.", show_default=False)
]
Output = Annotated[
    str | None, typer.Option("--output", "-o", help="File, folder, or - for stdout. By default NAME-denoised.")
]
Stop = Annotated[
    str | None,
    typer.Option(
        "--stop",
        help="auto (default): by itself; sigma:25: when the misfit is down to that noise; held-out, variance, none.",
    ),
]
Iters = Annotated[int | None, typer.Option("--iters", "-n", min=1, help="So many steps; with --stop, at most so many.")]
Time = Annotated[str | None, typer.Option("--time", help="After 60s, 9m, 1.5h the best so far is the answer.")]
Pad = Annotated[
    str | None, typer.Option("--pad", help="Fit the image with a border around it: none, zero, edge, reflect.")
]
PadSize = Annotated[int | None, typer.Option("--pad-size", min=0, help="Width of the border, pixels.")]
Rate = Annotated[float | None, typer.Option(help="Learning rate; divided by 4 where a fit diverges.")]
Seed = Annotated[int | None, typer.Option(help="Seed of weights, input noise and held-out pixels.")]
Clean = Annotated[Path | None, typer.Option(help="The clean image, for the PSNR on the curve and the sheet only.")]
Curve = Annotated[Path | None, typer.Option(help="A figure of loss and PSNR over the steps: a PNG.")]
SaveEvery = Annotated[int | None, typer.Option("--save-every", min=1, help="Save the estimate every so many steps.")]
Preview = Annotated[Path | None, typer.Option(help="A contact sheet of the estimates on the way.")]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", "-w", min=1, help="Images fitted at once; by default on a CPU one for each thread, on a GPU one."
    ),
]
Batch = Annotated[
    int | None,
    typer.Option(
        "--batch", min=1, help="Images of one size fitted as one net; by default up to 8 of at most 64x64 pixels."
    ),
]


@dataclass(frozen=True)
class Job:
    """A fit command as it was typed."""

    inputs: list[str]
    output: str | None
    time: str | None
    max_pixels: int | None
    device: str
    precision: str
    force: bool
    as_json: bool
    watch: Watch
    workers: int | None
    batch: int | None = 1


def chosen(card: "Method", given: dict[str, Any], settings: dict[str, Any], of: str) -> tuple[Any, Any]:
    """The Config and Options of ``card`` with what was ``given`` by flags and ``settings``.

    ``iters`` alone is the number of steps, whatever ``stop`` would say.
    """
    from denoise_cli.cli import knobs

    named = {name: value for name, value in given.items() if value is not None}
    if "iters" in named:
        named.setdefault("stop", settings.get("stop", "none"))
    shares = knobs.split(named | settings, card.config, card.options, of=of)
    return fill(card.config, shares[0], of), fill(card.options, shares[1], of)


def fit_images(card: "Method", config: Any, options: Any, job: Job) -> None:
    """Fit every image of ``job`` and write the best estimate of each; exit code 130 after Ctrl-C.

    In a folder of results, what was done before with the same settings is left out.
    """
    load_torch()
    from denoise_cli import device as devices
    from denoise_cli.cli.fit_batches import batches_of
    from denoise_cli.cli.fit_workers import at_once, fit_at_once
    from denoise_cli.image import MAX_PIXELS
    from denoise_cli.inference.batch import digest_of
    from denoise_cli.inference.inputs import STREAM, gather
    from denoise_cli.inference.journal import Journals
    from denoise_cli.inference.outputs import Layout, check

    seconds = parse_duration(job.time) if job.time is not None else float("inf")
    card.make(config)  # raises where there is no such net
    found = gather(job.inputs, None if job.output in (None, STREAM) else Path(str(job.output)))
    items = found.items
    to_stdout = streams.goes_to_stdout(items, job.output, 1, job.as_json)
    layout = Layout.of(items, None if to_stdout else job.output, None)
    existing = [] if to_stdout else check(items, layout)
    limit = MAX_PIXELS if job.max_pixels is None else job.max_pixels
    where = devices.pick(job.device)
    dtype = devices.precision(job.precision, where)
    piped = any(item.path is None for item in items)
    stdin = streams.read_stdin(f"denoise fit-{card.name} - -o - > clean.png") if piped else b""
    settings = {"fit": card.name, "config": asdict(config), "options": asdict(options)}
    key = digest_of(settings | {"time": job.time, "precision": job.precision})
    journals = Journals(layout)
    done, changed = _done([] if job.force else existing, journals, key, stdin, limit)
    left = [item for item in items if item not in done]
    answers = [] if to_stdout else [layout.paths(item)[0] for item in left]
    own = {journal for item in left if (journal := journals.of(item)) is not None}

    def known(path: Path) -> bool:
        found = (journal.made(path) for journal in own if path.is_relative_to(journal.folder))
        return any(entry is not None and entry.settings == key for entry in found)

    job.watch.check(items, answers, most_steps(options), known, job.force)
    if found.earlier:
        screen.say(f"{len(found.earlier)} results of earlier runs are left out, such as {found.earlier[0]}")
    for item, path in done.items():
        screen.say(f"{item.name}: done before -> {path}")
        if job.as_json:
            screen.emit(json.dumps({"input": item.name, "output": [str(path)], "skipped": True, "error": None}))
    if not left:
        return
    devices.keep_memory()
    tasks = [
        Task(
            index=index,
            item=item,
            data=stdin if item.path is None else None,
            path=answers[index] if answers else None,
            journal=None if to_stdout else layout.folder(item),
            settings=key,
            model=card.name,
            config=config,
            options=options,
            seconds=seconds,
            watch=job.watch,
            force=job.force or item in changed,
            as_json=job.as_json,
            max_pixels=limit,
            device=str(where),
            dtype=dtype,
        )
        for index, item in enumerate(left)
    ]
    failures = outcomes.Failures(len(items), "fitted")
    workers = at_once(job.workers, len(left), where)
    batches = batches_of(tasks, 1 if job.batch is None and job.time is not None else job.batch, workers)
    with interrupts() as interrupted:
        if workers > 1:
            results = fit_at_once(batches, workers, where, dtype, interrupted)
        else:
            screen.say(devices.line(where, dtype))
            fitted = (fit_batch(tasks, screen, lambda: bool(interrupted)) for tasks in batches if not interrupted)
            results = chain.from_iterable(fitted)
        for task, error in results:
            if error is not None:
                failures.add(error)
                if len(items) > 1:
                    screen.say(f"{task.item.name}: failed. {error.what}")
                if job.as_json:
                    screen.emit(json.dumps({"input": task.item.name, "error": str(error)}))
        if interrupted:
            _tell_left(tasks, len(items))
            raise typer.Exit(interrupted[0])
    failures.conclude()


def _done(
    existing: "Sequence[tuple[Item, Path]]", journals: "Journals", settings: str, stdin: bytes, max_pixels: int
) -> "tuple[dict[Item, Path], set[Item]]":
    """The ``existing`` results that are up to date, and the inputs that have changed since, which are fitted again.

    Raises ``ExistsError`` where a result was not made with these ``settings``.
    """
    from denoise_cli.image import fetch
    from denoise_cli.inference.journal import digest, is_done

    done, changed = {}, set()
    for item, path in existing:
        try:
            data = stdin if item.path is None else fetch(item.path, max_pixels)
        except InputError:  # told when its turn comes
            changed.add(item)
            continue
        if is_done(journals.of(item), path, settings, digest(data)):
            done[item] = path
        else:
            changed.add(item)
    return done, changed


def _tell_left(tasks: "Sequence[Task]", count: int) -> None:
    """Say which of ``count`` images an interrupt left to do, and how."""
    left = [task for task in tasks if task.path is not None and not task.path.exists()]
    if left:
        way = "the same command again does them"
        if left[0].journal is None:
            way = "name them in another command; into a folder, with -o, the same one would go on"
        screen.say(f"{len(left)} of {count} images are left, from {left[0].item.name} on: {way}")
