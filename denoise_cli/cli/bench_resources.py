"""``denoise bench speed``, ``memory``, ``startup`` and ``folder``: what running nets takes."""

from pathlib import Path
from typing import Annotated

import typer

from denoise_cli.cli import flags, knobs, screen


def speed(
    names: Annotated[
        list[str] | None, typer.Argument(help="Nets by the first word, such as dt; all by default.")
    ] = None,
    side: Annotated[int, typer.Option(help="Of the image, pixels.", min=16)] = 512,
    repeats: Annotated[int, typer.Option(help="The fastest of so many counts.", min=1)] = 3,
    beside: Annotated[
        bool, typer.Option("--peers", help="Also by torch.compile, ONNX Runtime and OpenVINO, as far as they are here.")
    ] = False,
    quiet: flags.Quiet = False,
) -> None:
    """Time nets on this processor, one way beside the other, as a Markdown table.

    Examples:

    `OMP_NUM_THREADS=1 denoise bench speed dncnn --side 512`

    `denoise bench speed dncnn --peers`
    """
    import torch

    from denoise_cli import device as devices
    from denoise_cli.bench.speed import NETS, table, timed, word
    from denoise_cli.errors import UsageError

    chosen = [net for net in NETS if not names or net.replace(",", " ").split()[0] in names]
    if not chosen:
        raise UsageError(f"No net is called {(names or ['?'])[0]!r}.", f"Known: {'; '.join(NETS)}.")
    devices.keep_memory()
    dtype = devices.fast_dtype(torch.device("cpu"))
    found, rates = [], []
    for net in chosen:
        rows, rate = timed(net, side, dtype, repeats, beside=beside)
        for row in rows:
            told = row.missing if row.seconds is None else f"{row.seconds:.2f} s a megapixel"
            screen.say(f"{row.net}, {row.way}: {told}")
        screen.say(f"matrices in {word(dtype)}: {rate / 1e9:.0f} GFLOP a second")
        found += rows
        rates.append(rate)
    screen.emit(table(found, rates, dtype).rstrip("\n"))


def memory(
    models: Annotated[
        list[str] | None, typer.Argument(help="Weights, and iterations behind a colon: dt.gaussian:50.")
    ] = None,
    sizes: Annotated[str, typer.Option(help="Of the photos, megapixels.")] = "1,4,12,24,100",
    folder: Annotated[int, typer.Option(help="Images in the folder; 0 leaves it out.", min=0)] = 10_000,
    filters: Annotated[str, typer.Option("--folder-model", help="The model that does the folder.")] = "median",
    runs: Annotated[Path, typer.Option(help="Where figures are kept, so that it goes on.")] = Path("runs/memory"),
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the page here, and the curve beside it as a PNG.")
    ] = None,
    quiet: flags.Quiet = False,
) -> None:
    """Measure the peak of the memory over the size of the image, and over a folder. What was measured before is kept.

    Examples:

    `denoise bench memory dncnn.color-blind --sizes 1,4 --folder 0`

    `denoise bench memory -o docs/memory.md`
    """
    from denoise_cli.bench import memory as study
    from denoise_cli.errors import UsageError
    from denoise_cli.files import write_atomically

    if output is not None:
        study.check_drawing()
    peaks = []
    for word in models or ["dncnn.color-blind", "dt.gaussian:50"]:
        model, _, iters = word.partition(":")
        if iters and not iters.isdecimal():
            raise UsageError(f"{iters!r} is no number of iterations.", "A model with its iterations is dt.gaussian:50.")
        for size in knobs.parse_counts(sizes):
            peak = study.measure(model, int(iters) if iters else None, size, runs)
            screen.say(f"{word}, {size} megapixels: {peak.peak / 1e6:.0f} MB, {peak.seconds:.0f} s of the processor")
            peaks.append(peak)
    folders = [study.measure_folder(filters, folder, runs)] if folder else []
    if output is None:
        screen.emit(study.page(peaks, folders, "memory.png").removesuffix("\n"))
        return
    picture = output.with_suffix(".png")
    write_atomically(picture, study.draw(peaks), force=True)
    write_atomically(output, study.page(peaks, folders, picture.name).encode(), force=True)
    screen.emit(str(output))


def startup(
    repeats: Annotated[int, typer.Option(help="The fastest of so many runs.", min=1)] = 5,
    quiet: flags.Quiet = False,
) -> None:
    """Time how commands begin, beside typer and `import torch`, as a Markdown table.

    Examples:

    `denoise bench startup`
    """
    from denoise_cli.bench.startup import measure, table

    screen.emit(table(measure(repeats)))


def folder(
    models: Annotated[
        list[str] | None,
        typer.Argument(help="Shipped weights, methods that need none, or auto: what each image takes."),
    ] = None,
    count: Annotated[int, typer.Option("--images", help="In the folder.", min=1)] = 1000,
    side: Annotated[int, typer.Option(help="Of each image, pixels.", min=16)] = 64,
    quiet: flags.Quiet = False,
) -> None:
    """Time a run over a folder of small images, and how much of that the net takes, as a Markdown table.

    Examples:

    `denoise bench folder dncnn.color-blind --images 1000 --side 64`
    """
    from denoise_cli.bench.folder import AUTO, measure, table

    shares = []
    for model in models or ["dncnn.color-blind", "dt.gaussian", "ffdnet.color", AUTO]:
        shares.append(measure(model, count, side))
        screen.say(f"{model}: {100 * shares[-1].share:.0f} % in the net")
    screen.emit(table(shares))


def photo(
    models: Annotated[list[str] | None, typer.Argument(help="Shipped nets.")] = None,
    megapixels: Annotated[int, typer.Option(help="Of the photo.", min=1)] = 24,
    quiet: flags.Quiet = False,
) -> None:
    """Time a whole run on a large photo, beside plain PyTorch and the matrix rate, as a Markdown table.

    Examples:

    `denoise bench photo dncnn.color-blind --megapixels 24`
    """
    from denoise_cli.bench.photo import measure, table

    found = []
    for model in models or ["dncnn.color-blind"]:
        found.append(measure(model, megapixels))
        screen.say(f"{model}: {found[-1].wall:.1f} s, {100 * found[-1].share:.0f} % of the matrix rate")
    screen.emit(table(found))
