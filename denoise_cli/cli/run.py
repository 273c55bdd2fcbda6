"""``denoise run``: denoise files, folders and streams."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from denoise_cli.cli import flags, knobs, outcomes, screen
from denoise_cli.errors import InputError, OutputError, UsageError, did_you_mean

if TYPE_CHECKING:
    from denoise_cli.image import Image

# flags that change nothing in a result: where it comes from and goes to, and by which way it is computed
_HARMLESS = frozenset(
    ("inputs", "files_from", "output", "shard", "tile", "max_pixels", "device", "force", "as_json", "quiet", "verbose")
)


def run(
    ctx: typer.Context,
    inputs: Annotated[
        list[str] | None, typer.Argument(help="Images, folders, globs, @list.txt, or - for stdin.", show_default=False)
    ] = None,
    files_from: Annotated[
        str | None, typer.Option(help="A list of inputs, a path a line or with zero bytes between; - for stdin.")
    ] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="File, folder, or - for stdout. By default NAME-denoised.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help="Model (dt) or weights (dt.sp); by default the best for each image's noise."
        ),
    ] = None,
    iters: Annotated[
        str | None, typer.Option("--iters", "-n", help="Iterations of a recurrent model; 10,20,50 saves each.")
    ] = None,
    sigma: Annotated[float | None, typer.Option(help="Noise level, 0..255, for models that take one.", min=0)] = None,
    sigma_map: Annotated[
        Path | None, typer.Option(help="An image whose gray values are the noise level at each pixel (ffdnet).")
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="A weights file of your own, from `denoise train`.")] = None,
    settings: flags.Settings = None,
    format: Annotated[
        str | None, typer.Option(help="png, jpeg, tiff, webp, gif, bmp or ppm; by default the input's.")
    ] = None,
    strip_metadata: Annotated[
        bool, typer.Option("--strip-metadata", help="Leave EXIF, XMP, comments and texts out of the results.")
    ] = False,
    shard: Annotated[
        str | None, typer.Option(metavar="i/N", help="Do the i-th of N parts of the job; all share the journal.")
    ] = None,
    tile: Annotated[int | None, typer.Option(help="Side of the tiles of large images, pixels.", min=16)] = None,
    max_pixels: Annotated[int | None, typer.Option(help="Refuse images of more pixels than this.", min=1)] = None,
    device: flags.Device = "auto",
    precision: Annotated[str, typer.Option(help="auto, float32 or bfloat16.")] = "auto",
    force: flags.Force = False,
    as_json: flags.Json = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = False,
) -> None:
    """Denoise images. Without a model, each image's noise is looked at and the best weights here are taken.

    A folder of results keeps a journal, `.denoise.jsonl`: the same command again does what is missing.

    Examples:

    `denoise run photo.png`

    `denoise run photos/ -o clean/`

    `denoise run noisy.png --model dt --iters 10,20,50`

    `cat noisy.png | denoise run - -o - > clean.png`
    """
    counts = knobs.parse_counts(iters) if iters is not None else None
    given = knobs.parse_settings(settings or []) | ({} if sigma is None else {"sigma": sigma})
    from denoise_cli.image import FORMATS, MAX_PIXELS
    from denoise_cli.inference.inputs import STREAM, Shard, gather
    from denoise_cli.inference.journal import Journals
    from denoise_cli.inference.outputs import Layout, check

    if format is not None and format not in FORMATS:
        raise UsageError(f"There is no format {format!r}.", did_you_mean(format, FORMATS))
    if sigma is not None and sigma_map is not None:
        raise UsageError("--sigma and --sigma-map both name the noise level.", "Leave one of them out.")
    part = Shard.parse(shard) if shard is not None else None
    if files_from == STREAM and STREAM in (inputs or ()):
        raise UsageError("stdin is named twice.", "It holds an image or a list of images, not both.")
    listed = _listed(files_from) if files_from is not None else ()
    if not inputs and not listed:
        raise UsageError("No image is named.", "Name files or folders, or a list of them with --files-from.")
    found = gather(inputs or (), None if output in (None, STREAM) else Path(str(output)), listed)
    items = found.items if part is None else list(filter(part.holds, found.items))
    to_stdout = output == STREAM or (output is None and [item.path for item in items] == [None])
    if to_stdout:
        _check_stdout(len(items) * max(1, len(counts or ())), as_json)
    elif output is None and any(item.path is None for item in items):
        raise UsageError("Where does the result of stdin go?", "Name a folder with -o.")
    marks = [f"iters{count}" for count in counts] if counts is not None and len(counts) > 1 else [""]
    layout = Layout.of(found.items, None if to_stdout else output, format, marks)
    journals = Journals(layout)
    existing = [] if to_stdout else check(found.items, layout)
    if part is not None:
        existing = [(item, path) for item, path in existing if part.holds(item)]
    if not force:
        journals.refuse(existing)
    if found.earlier:
        screen.say(f"{len(found.earlier)} results of earlier runs are left out, such as {found.earlier[0]}")
    limit = MAX_PIXELS if max_pixels is None else max_pixels
    stdin = _stdin() if any(item.path is None for item in items) else b""

    from denoise_cli import device as devices
    from denoise_cli.inference.batch import Batch, count_done, digest_of, jobs, record
    from denoise_cli.inference.pipeline import Job
    from denoise_cli.inference.run import Asked
    from denoise_cli.inference.sigma_map import read_sigma_map
    from denoise_cli.inference.workbench import Wish, Workbench

    where = devices.pick(device)
    devices.keep_memory()
    levels = None if sigma_map is None else read_sigma_map(sigma_map, limit)
    wish = Wish(model, weights, counts, where, devices.precision(precision, where), tile, Asked(sigma_map=levels))
    bench = Workbench(wish, lambda card: knobs.fill(card.options, given, card.name))
    screen.detail(f"on {devices.describe(where)} in {str(wish.dtype).removeprefix('torch.')}")
    chosen = {name: value for name, value in ctx.params.items() if name not in _HARMLESS and value is not None}
    key = digest_of(chosen | {"weights": bench.identity})
    if not force:
        journals.refuse(existing, key)
    batch = Batch(key, force, limit, stdin, strip_metadata, lambda frames: _to_stdout(frames, format))
    tally = outcomes.Tally(len(items))
    with screen.progress("denoising", len(items)) as bar:
        for result in batch.run([Job(items[0])] if to_stdout else jobs(items, layout, journals), bench):
            tally.add(result, bar)
            if as_json:
                screen.emit(json.dumps(record(result)))
            bar.advance()
    if part is not None:
        done = count_done(jobs(found.items, layout, journals), key)
        screen.say(f"all shards: {done} of {len(found.items)} images are done")
    tally.conclude()


def _listed(files_from: str) -> list[str]:
    """The paths in the list ``files_from``, or in stdin."""
    from denoise_cli.inference.inputs import STREAM, parse_list, read_list

    return parse_list(sys.stdin.buffer.read(), "stdin") if files_from == STREAM else read_list(Path(files_from))


def _to_stdout(frames: "Sequence[Image]", format: str | None) -> None:
    """Write an image of ``frames`` to stdout. Raises ``OutputError``."""
    from denoise_cli.image import encode_frames

    try:
        sys.stdout.buffer.write(encode_frames(frames, format))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"stdout cannot be written to: {error.strerror}.", "Write to a file with -o.") from error


def _check_stdout(images: int, as_json: bool) -> None:
    if images > 1:
        raise UsageError("stdout takes a single image.", "Give a folder with -o, one input and one number of --iters.")
    if as_json:
        raise UsageError("--json and the image would share stdout.", "Write the image to a file with -o.")
    if sys.stdout.isatty():
        raise UsageError("An image would be written to the terminal.", "Send stdout to a file or a pipe, or use -o.")


def _stdin() -> bytes:
    """All of stdin, in the main thread, where Ctrl-C can stop the waiting."""
    advice = "Pipe an image into it: cat noisy.png | denoise run - -o - > clean.png"
    if sys.stdin.isatty():
        raise UsageError("stdin is the terminal, not an image.", advice)
    data = sys.stdin.buffer.read()
    if not data:
        raise InputError("stdin is empty.", advice)
    return data
