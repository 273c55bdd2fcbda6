"""``denoise bench``: the tables, measured again."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from denoise_cli.cli import bench_real, bench_resources, flags, knobs, screen

if TYPE_CHECKING:
    from denoise_cli.bench.study import Scored, Study

bench = typer.Typer(
    help="Measure the tables again: scores of the weights that are here.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@bench.command("weights")
def weights(
    names: Annotated[list[str] | None, typer.Argument(help="Weights such as dt.sp; all if none is named.")] = None,
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            envvar="DENOISE_DATA",
            help="Folder with cifar10-subset, cbsd68, bsd68-gray, set12, tiny-imagenet-subset.tar.",
        ),
    ] = Path("data"),
    write: Annotated[bool, typer.Option("--write", help="Put what is measured into the index.")] = False,
    markdown: Annotated[bool, typer.Option("--table", help="Only print what the index quotes, as Markdown.")] = False,
    device: flags.Device = "auto",
    precision: flags.Precision = "auto",
    quiet: flags.Quiet = False,
) -> None:
    """Score the shipped weights; fails where the index quotes another figure.

    Examples:

    `denoise bench weights --data data/`

    `denoise bench weights dt.sp --write`
    """
    from denoise_cli import device as devices
    from denoise_cli import shelf
    from denoise_cli.bench.table import table
    from denoise_cli.bench.weights import measure, record
    from denoise_cli.errors import GateError

    if markdown:
        screen.emit(table([shelf.find(name) for name in names] if names else shelf.entries()).removesuffix("\n"))
        return
    where = devices.pick(device)
    devices.keep_memory()
    entries = [shelf.find(name) for name in names] if names else shelf.entries()
    wrong = []
    for entry in entries:
        found = []
        for item in measure(entry, data, where, devices.precision(precision, where)):
            quoted = "  nothing" if item.quoted is None else f"{item.quoted:9.3f}"
            screen.emit(f"{item.name:20}  {item.score:9.3f} {item.unit:2}  quoted {quoted}  {item.what}")
            found.append(item)
            if not item.holds:
                wrong.append(item)
        if write:
            record(entry, found)
    if write:
        screen.say("the index now quotes what was measured")
    elif wrong:
        raise GateError(
            f"{len(wrong)} figures are not what the index quotes.", "Look into it, or record them with --write."
        )


@bench.command("paper")
def paper(
    name: Annotated[str | None, typer.Argument(help="Which page; none lists them.")] = None,
    data: Annotated[
        Path, typer.Option("--data", envvar="DENOISE_DATA", help="Folder with the sets to train and to test on.")
    ] = Path("data"),
    runs: Annotated[Path, typer.Option(help="Where the trained nets are kept, so that it goes on.")] = Path(
        "runs/papers"
    ),
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the page here; by default to stdout.")
    ] = None,
    device: flags.Device = "auto",
    precision: flags.Precision = "auto",
    quiet: flags.Quiet = False,
) -> None:
    """Make a paper's tables again: train its nets, score them, and write the page with the paper's figures beside.

    Examples:

    `denoise bench paper`

    `denoise bench paper easy-to-hard --data data/ -o docs/papers/easy-to-hard.md`
    """
    from denoise_cli import device as devices
    from denoise_cli.bench import study
    from denoise_cli.bench.page import page as page_of

    if name is None:
        for known in study.names():
            screen.emit(f"{known:16} {study.find(known).title}")
        return
    asked = study.find(name)
    where = devices.pick(device)
    devices.keep_memory()
    results = []
    for table, rows in zip(
        asked.tables, study.make(asked, data, runs, where, devices.precision(precision, where)), strict=True
    ):
        screen.say(f"{table.caption} {len(rows)} rows")
        results.append(rows)
    screen.write_page(page_of(name, asked, results, _draw(asked, results, output)), output)


def _draw(asked: "Study", results: "list[list[Scored]]", output: Path | None) -> dict[int, str]:
    """Draw the figures of a page beside it, and return their names by the number of the table."""
    from denoise_cli.bench.page import curves
    from denoise_cli.bench.study import ITERATIONS
    from denoise_cli.figures.curves import draw
    from denoise_cli.files import write_atomically

    drawn: dict[int, str] = {}
    for number, (table, rows) in enumerate(zip(asked.tables, results, strict=True)):
        if output is None or not table.figure:
            continue
        score = table.metrics[0].upper() + ", dB" * (table.metrics[0] == "psnr")
        picture = draw(curves(table, rows), table.axis, score, logarithmic=table.figure == ITERATIONS)
        if picture is None:
            screen.say("no figures: they take matplotlib (pip install 'denoise-cli[report]')")
            return {}
        drawn[number] = f"{output.stem}-{number + 1}.png"
        write_atomically(output.with_name(drawn[number]), picture, force=True)
    return drawn


@bench.command("fit")
def fit(
    data: Annotated[Path, typer.Option("--data", envvar="DENOISE_DATA", help="Folder with set12 and cbsd68.")] = Path(
        "data"
    ),
    each: Annotated[int, typer.Option("--limit", min=0, help="Images of each set for the rules of stopping.")] = 12,
    fast: Annotated[int, typer.Option("--limit-speed", min=0, help="Images of Set12 for the speed.")] = 1,
    side: Annotated[int, typer.Option("--crop", min=8, help="Side of what is fitted for the stopping, pixels.")] = 256,
    small: Annotated[int, typer.Option("--crop-speed", min=8, help="The same for the speed.")] = 128,
    clocked: Annotated[int, typer.Option("--crop-step", min=8, help="Side of what a step is timed on, pixels.")] = 256,
    runs: Annotated[Path, typer.Option(help="Where what was measured is kept, so that it goes on.")] = Path("runs/fit"),
    kept: Annotated[bool, typer.Option("--kept", help="Measure nothing: only tell what is kept.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the page here, anew after each fit.")
    ] = None,
    device: flags.Device = "auto",
    quiet: flags.Quiet = False,
) -> None:
    """Fit deep image priors: what stopping by itself loses, and what each idea bought in seconds and dB.

    Example: `denoise bench fit --data data/ -o docs/zero-shot.md`
    """
    from denoise_cli import device as devices
    from denoise_cli.bench import fit_batches
    from denoise_cli.bench.zero_shot import Page, Place
    from denoise_cli.files import write_atomically

    where = devices.pick(device)
    devices.keep_memory()
    words = f"--limit {each} --limit-speed {fast} --crop {side} --crop-speed {small} --crop-step {clocked}"
    place = Place(data, runs, where, kept)
    page, together = Page(place, (side, small, clocked), each, fast, words), list[fit_batches.Together]()

    def write() -> str:
        text = str(page) + "".join(f"{line}\n" for line in fit_batches.section(together))
        if output is not None:
            write_atomically(output, text.encode(), force=True)
        return text

    for told in page.fill():
        screen.say(told)
        write()
    for found in fit_batches.measure(place):
        screen.say(f"{found.side} x {found.side}, {found.batch} at once: {found.psnr:.2f} dB, {found.seconds:.1f} s")
        together.append(found)
        write()
    screen.emit(write() if output is None else str(output))


@bench.command("padding")
def padding(
    data: Annotated[Path, typer.Option("--data", envvar="DENOISE_DATA", help="Folder with cifar10-subset.")] = Path(
        "data"
    ),
    count: Annotated[int, typer.Option("--limit", min=1, help="Test images.")] = 15,
    runs: Annotated[int, typer.Option("--seeds", min=1, help="Seeds of weights and noise.")] = 3,
    ours: Annotated[
        bool,
        typer.Option("--ours", help="Only our short fits; neither the default nor the paper's."),
    ] = False,
    kept: Annotated[Path, typer.Option("--runs", help="Where what was measured is kept, so that it goes on.")] = Path(
        "runs/padding"
    ),
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the page here, anew after each fit.")
    ] = None,
    device: flags.Device = "auto",
    precision: flags.Precision = "auto",
    quiet: flags.Quiet = False,
) -> None:
    """Fit the recurrent autoencoder with and without borders: Table II of the padding paper.

    Example: `denoise bench padding --data data/ -o docs/padding.md`
    """
    from denoise_cli import device as devices
    from denoise_cli.bench.padding import OURS, WAYS, measure, page
    from denoise_cli.bench.zero_shot import Place
    from denoise_cli.files import write_atomically

    where = devices.pick(device)
    dtype = devices.precision(precision, where)
    devices.keep_memory()
    words = f"--limit {count} --seeds {runs}{' --ours' if ours else ''}"
    scores = []
    for score in measure(Place(data, kept, where), list(WAYS)[: OURS if ours else None], count, runs, dtype):
        scores.append(score)
        screen.say(f"{score.way}, {score.padding}, seed {score.seed}: {score.whole:.3f}, centre {score.centre:.3f}")
        if output is not None:
            write_atomically(output, page(scores, words).encode(), force=True)
    screen.emit(page(scores, words) if output is None else str(output))


@bench.command("inspect")
def inspect(
    data: Annotated[
        Path, typer.Option("--data", envvar="DENOISE_DATA", help="Folder with bsd68-gray and cbsd68.")
    ] = Path("data"),
    every: Annotated[int, typer.Option(help="Take each so-many-th image of those sets only.", min=1)] = 1,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the page here; by default to stdout.")
    ] = None,
    quiet: flags.Quiet = False,
) -> None:
    """Measure how far off `denoise inspect` is, on known noise over BSD68, CBSD68 and the samples.

    Example: `denoise bench inspect --data data/ -o docs/inspect.md`
    """
    from denoise_cli.bench import inspection

    rows = []
    for row in inspection.measure(data, every):
        screen.say(f"{row.images} {row.noise}")
        rows.append(row)
    screen.write_page(inspection.page(rows, every), output)


@bench.command("tangent")
def tangent(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the page here; by default to stdout.")
    ] = None,
    quiet: flags.Quiet = False,
) -> None:
    """Fit wide nets to an image, and see whether they follow the tangent kernel and how far their weights move.

    A page that is written into a file gets a figure beside it, a PNG of the same name.

    Example: `denoise bench tangent -o docs/tangent.md`
    """
    from denoise_cli.bench import poster
    from denoise_cli.bench import tangent as study

    fits, cells = [], []
    for fit in study.measure():
        screen.say(f"{fit.optimiser}, {fit.width} channels: weights moved by {fit.moved:.4f}")
        fits.append(fit)
    for cell in poster.measure():
        screen.say(f"{cell.way}, input {cell.input}: {cell.best:.2f} dB at {cell.best_at}")
        cells.append(cell)
    picture = None if output is None else output.with_suffix(".png")
    if picture is not None:
        study.figure(fits, picture)
    screen.write_page(study.page(fits, cells, None if picture is None else picture.name), output)


@bench.command("non-local")
def non_local(
    models: Annotated[
        list[str] | None, typer.Argument(help="bm3d, or weights to alternate with the filter, such as dt.gaussian.")
    ] = None,
    data: Annotated[
        Path, typer.Option("--data", envvar="DENOISE_DATA", help="Folder with cbsd68, bsd68-gray, set12.")
    ] = Path("data"),
    sets: Annotated[str, typer.Option(help="Only these, such as set12,structured.")] = "",
    levels: Annotated[str, typer.Option(help="Only these, such as 25,50.")] = "",
    runs: Annotated[Path, typer.Option(help="Where scores are kept, so that it goes on.")] = Path("runs/non-local"),
    kept: Annotated[bool, typer.Option("--kept", help="Measure nothing: only tell what is kept.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the page here; by default to stdout.")
    ] = None,
    device: flags.Device = "auto",
    quiet: flags.Quiet = False,
) -> None:
    """Measure BM3D and the nets that a non-local filter reinforces. What was measured before is kept.

    Examples:

    `denoise bench non-local bm3d --sets bsd68-gray`

    `denoise bench non-local bm3d dncnn.gray-25 dt.gaussian --data data/ -o docs/non-local.md`
    """
    from denoise_cli import device as devices
    from denoise_cli.bench import non_local as study

    where = devices.pick(device)
    devices.keep_memory()
    chosen = study.cases(
        models or [study.BM3D], sets.split(",") if sets else [], list(knobs.parse_counts(levels)) if levels else []
    )
    scores = []
    for case in chosen:
        score = study.recall(case, runs)
        if score is None and kept:
            continue
        score = score or study.measure(case, data, runs, where)
        figures = ", ".join(f"{figure:.3f}" for figure in score.psnr_db)
        screen.say(f"{case.model} {case.images} {case.level}: {figures} dB")
        scores.append(score)
    timed = any(case.model == study.BM3D for case in chosen) and where.type == "cpu"
    screen.write_page(study.page(scores, study.pace(runs, kept) if timed else None), output)


bench.command("real")(bench_real.real)
bench.command("speed")(bench_resources.speed)
bench.command("memory")(bench_resources.memory)
bench.command("startup")(bench_resources.startup)
bench.command("folder")(bench_resources.folder)
bench.command("photo")(bench_resources.photo)
