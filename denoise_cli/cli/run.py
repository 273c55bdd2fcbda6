"""``denoise run``: denoise files, folders and streams."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from denoise_cli.cli import flags, knobs, screen
from denoise_cli.errors import DenoiseError, InputError, OutputError, PartialError, UsageError, did_you_mean

if TYPE_CHECKING:
    from denoise_cli.image import Image
    from denoise_cli.inference.inputs import Item
    from denoise_cli.inference.pipeline import Result


def run(
    inputs: Annotated[
        list[str], typer.Argument(help="Images, folders, globs, @list.txt, or - for stdin.", show_default=False)
    ],
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
        str | None, typer.Option(help="png, jpeg, tiff, webp, bmp or ppm; by default the input's.")
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

    Examples:

    `denoise run photo.png`

    `denoise run photos/ -o clean/`

    `denoise run noisy.png --model dt --iters 10,20,50`

    `cat noisy.png | denoise run - -o - > clean.png`
    """
    counts = knobs.parse_counts(iters) if iters is not None else None
    given = knobs.parse_settings(settings or []) | ({} if sigma is None else {"sigma": sigma})
    from denoise_cli.image import FORMATS, MAX_PIXELS
    from denoise_cli.inference.inputs import STREAM, gather

    if format is not None and format not in FORMATS:
        raise UsageError(f"There is no format {format!r}.", did_you_mean(format, FORMATS))
    if sigma is not None and sigma_map is not None:
        raise UsageError("--sigma and --sigma-map both name the noise level.", "Leave one of them out.")
    found = gather(inputs, None if output in (None, STREAM) else Path(str(output)))
    to_stdout = output == STREAM or (output is None and [item.path for item in found.items] == [None])
    if to_stdout:
        _check_stdout(len(found.items) * max(1, len(counts or ())), as_json)
    places = [[]] if to_stdout else _places(found.items, output, format, counts, force)
    if found.earlier:
        screen.say(f"{len(found.earlier)} results of earlier runs are left out, such as {found.earlier[0]}")
    limit = MAX_PIXELS if max_pixels is None else max_pixels
    stdin = _stdin() if any(item.path is None for item in found.items) else b""

    from denoise_cli import device as devices
    from denoise_cli.inference.pipeline import process
    from denoise_cli.inference.sigma_map import read_sigma_map
    from denoise_cli.inference.workbench import Wish, Workbench

    where = devices.pick(device)
    devices.keep_memory()
    levels = None if sigma_map is None else read_sigma_map(sigma_map, limit)
    wish = Wish(model, weights, counts, where, devices.precision(precision, where), tile, levels)
    bench = Workbench(wish, lambda card: knobs.fill(card.options, given, card.name))
    screen.detail(f"on {devices.describe(where)} in {str(wish.dtype).removeprefix('torch.')}")
    files = _Files(stdin, format, force, limit)
    with screen.progress("denoising", len(found.items)) as bar:
        failures = []
        for result in process(found.items, places, bench, files.read, files.write):
            if result.error is not None:
                failures.append(result.error)
            _show(result, len(found.items), bar)
            if as_json:
                screen.emit(json.dumps(_record(result)))
            bar.advance()
    _conclude(failures, len(found.items))


@dataclass(frozen=True)
class _Files:
    """Reads the inputs and writes the results."""

    stdin: bytes
    format: str | None
    force: bool
    max_pixels: int

    def read(self, item: "Item") -> "Image":
        """The image of ``item``; raises ``InputError``."""
        from denoise_cli.image import decode, read

        return decode(self.stdin, "-", self.max_pixels) if item.path is None else read(item.path, self.max_pixels)

    def write(self, results: "Sequence[Image]", paths: Sequence[Path]) -> None:
        """Write each result to its path, or the only one to stdout where there is none; raises ``OutputError``."""
        from denoise_cli.image import encode, write

        for result, path in zip(results, paths, strict=False):
            write(result, path, force=self.force)
        if not paths:
            try:
                sys.stdout.buffer.write(encode(results[0], self.format))
                sys.stdout.buffer.flush()
            except BrokenPipeError:
                raise
            except OSError as error:
                raise OutputError(
                    f"stdout cannot be written to: {error.strerror}.", "Write to a file with -o."
                ) from error


def _places(
    items: "Sequence[Item]", output: str | None, format: str | None, counts: tuple[int, ...] | None, force: bool
) -> list[list[Path]]:
    from denoise_cli.inference.outputs import refuse_existing, targets

    if output is None and any(item.path is None for item in items):
        raise UsageError("Where does the result of stdin go?", "Name a folder with -o.")
    marks = [f"iters{count}" for count in counts] if counts is not None and len(counts) > 1 else [""]
    places = targets(items, output, format, marks)
    if not force:
        refuse_existing(places)
    return places


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


def _show(result: "Result", count: int, bar: screen.Bar) -> None:
    for warning in result.warnings:
        bar.say(warning)
    if result.error is not None:
        if count > 1:
            bar.say(f"{result.item.name}: failed. {result.error.what}")
        return
    assert result.choice is not None
    seen, options = result.choice.seen, result.choice.engine.options
    counts = result.choice.engine.counts or ((options.iters,) if hasattr(options, "iters") else ())
    words = [f"{seen}: {result.choice.name}" if seen else result.choice.name]
    if counts:
        words.append(f"{','.join(map(str, counts))} iterations")
    where = ", ".join(map(str, result.outputs)) or "stdout"
    bar.say(f"{result.item.name}: {', '.join(words)}, {result.seconds:.1f} s -> {where}")


def _record(result: "Result") -> dict[str, Any]:
    """What ``--json`` tells of one input."""
    record: dict[str, Any] = {"input": result.item.name, "output": [str(path) for path in result.outputs]}
    if result.choice is not None:
        engine, seen = result.choice.engine, result.choice.seen
        record["model"] = result.choice.name
        if hasattr(engine.options, "iters"):
            record["iters"] = list(engine.counts or (engine.options.iters,))
        if seen is not None:
            record["noise"] = {"impulse_share": round(seen.impulse_share, 5), "sigma_255": round(255 * seen.sigma, 2)}
        record["device"] = str(engine.device)
        record["precision"] = str(engine.dtype).removeprefix("torch.")
        record["seconds"] = round(result.seconds, 3)
    record["warnings"] = list(result.warnings)
    record["error"] = None if result.error is None else str(result.error)
    return record


def _conclude(failures: Sequence[DenoiseError], count: int) -> None:
    """Raise what the failures of ``count`` images amount to."""
    if failures and count == 1:
        raise failures[0]
    if failures:
        reasons = dict.fromkeys(failure.what for failure in failures)
        named = "\n".join(f"  {reason}" for reason in reasons)
        hint = failures[0].hint if len(reasons) == 1 else ""
        if len(failures) < count:
            raise PartialError(f"{len(failures)} of {count} images failed, the others are done:\n{named}", hint)
        raise type(failures[0])(f"None of the {count} images could be denoised:\n{named}", hint)
    if count > 1:
        screen.say(f"{count} images denoised")
