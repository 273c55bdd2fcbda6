"""``denoise run``: denoise files, folders and streams."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from denoise_cli.cli import flags, knobs, screen
from denoise_cli.errors import DenoiseError, InputError, OutputError, PartialError, UsageError, WeightsError

if TYPE_CHECKING:
    import torch

    from denoise_cli.image import Image
    from denoise_cli.inference.inputs import Item
    from denoise_cli.inference.run import Engine


def run(
    inputs: Annotated[list[str], typer.Argument(help="Images, folders, globs, @list.txt, or - for stdin.")],
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
    sigma: Annotated[float | None, typer.Option(help="Noise level, 0..255, for models that take one.")] = None,
    weights: Annotated[Path | None, typer.Option(help="A weights file of your own, from `denoise train`.")] = None,
    settings: flags.Settings = None,
    format: Annotated[
        str | None, typer.Option(help="png, jpeg, tiff, webp, bmp or ppm; by default the input's.")
    ] = None,
    tile: Annotated[int | None, typer.Option(help="Side of the tiles of large images, pixels.", min=16)] = None,
    max_pixels: Annotated[int | None, typer.Option(help="Refuse images of more pixels than this.")] = None,
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
    from denoise_cli import device as devices
    from denoise_cli.image import FORMATS
    from denoise_cli.inference import inputs as files

    if format is not None and format not in FORMATS:
        raise UsageError(f"There is no format {format!r}.", f"Known: {', '.join(FORMATS)}.")
    counts = knobs.parse_counts(iters) if iters is not None else None
    where = devices.pick(device)
    devices.keep_memory()
    bench = _Workbench(
        model, weights, _given(sigma, settings), counts, where, devices.precision(precision, where), tile
    )
    items = files.gather(inputs)
    to_stdout = output == files.STREAM or (output is None and [item.path for item in items] == [None])
    if to_stdout and len(items) * max(1, len(counts or ())) > 1:
        raise UsageError("stdout takes a single image.", "Give a folder with -o, one input and one number of --iters.")
    if to_stdout and as_json:
        raise UsageError("--json and the image would share stdout.", "Write the image to a file with -o.")
    if to_stdout and sys.stdout.isatty():
        raise UsageError("An image would be written to the terminal.", "Send stdout to a file or a pipe, or use -o.")
    if not to_stdout and output is None and any(item.path is None for item in items):
        raise UsageError("Where does the result of stdin go?", "Name a folder with -o.")
    marks = [f"iters{count}" for count in counts] if counts is not None and len(counts) > 1 else [""]
    suffix = None if format is None else ".jpg" if format == "jpeg" else f".{format}"
    if to_stdout:
        places: list[list[Path]] = [[]]
    else:
        places = files.targets(items, None if output is None else Path(output), suffix, marks)
        _refuse_existing(places, force)
    _work(bench, items, places, _Writing(format, force, as_json, max_pixels))


@dataclass(frozen=True)
class _Writing:
    """How results are written and reported."""

    format: str | None
    force: bool
    as_json: bool
    max_pixels: int | None


class _Workbench:
    """Makes the engine for an image: loads each weights file once, when an image first needs it."""

    def __init__(
        self,
        model: str | None,
        file: Path | None,
        given: dict[str, Any],
        counts: tuple[int, ...] | None,
        device: "torch.device",
        dtype: "torch.dtype",
        tile: int | None,
    ) -> None:
        from denoise_cli import checkpoint, methods

        self.name, self.file, self.given, self.counts = model, file, given, counts
        self.device, self.dtype, self.tile = device, dtype, tile
        if file is not None and model is None:
            self.name = checkpoint.load(file).model
        self.model = self.name.partition(".")[0] if self.name else None
        self.card = methods.find(self.model) if self.model else None
        self.engines: dict[str, Engine] = {}
        if self.card is not None:
            self._options(self.card.name)  # so that a wrong knob is told before any work
        if self.file is not None or (self.name and "." in self.name) or (self.card and self.card.recipe is None):
            self._engine(self.name or "")

    def engine(self, image: "Image") -> tuple["Engine", str]:
        """The engine for ``image``, and words for why it was chosen."""
        from denoise_cli.inference.choose import choose, look

        if self.file is not None or (self.name and "." in self.name) or (self.card and self.card.recipe is None):
            return self._engine(self.name or ""), str(self.file or self.name)
        seen = look(image)
        entry = choose(seen, image.channels, lambda entry: self._accepts(entry.model))
        return self._engine(entry.name), f"{seen}: {entry.name}"

    def _accepts(self, model: str) -> bool:
        from denoise_cli import methods

        if self.model is not None:
            return model == self.model
        return self.counts is None or "iters" in {field.name for field in fields(methods.find(model).options)}

    def _engine(self, name: str) -> "Engine":
        if name not in self.engines:
            from denoise_cli import methods, shelf
            from denoise_cli.inference.load import load_net
            from denoise_cli.inference.run import Engine, ready

            model = name.partition(".")[0]
            card = methods.find(model)
            if card.recipe is None:
                denoiser = card.make(card.config)
            else:
                path = self.file if self.file is not None else shelf.path_of(shelf.find(name))
                denoiser = load_net(path, card)
            engine = Engine(denoiser, self._options(model), self.device, self.dtype, self.counts, self.tile)
            self.engines[name] = ready(engine)
        return self.engines[name]

    def _options(self, model: str) -> Any:
        from denoise_cli import methods

        options = methods.find(model).options
        if self.counts is not None and "iters" not in {field.name for field in fields(options)}:
            raise UsageError(f"{model} does not iterate: it has no --iters.", "Leave --iters out, or use --model dt.")
        return knobs.fill(options, self.given, model)


def _given(sigma: float | None, settings: list[str] | None) -> dict[str, Any]:
    given = knobs.parse_settings(settings or [])
    return given if sigma is None else given | {"sigma": sigma}


def _refuse_existing(places: Sequence[Sequence[Path]], force: bool) -> None:
    existing = [path for paths in places for path in paths if path.exists()]
    if existing and not force:
        more = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        raise OutputError(
            f"{str(existing[0])!r}{more} exists already.", "Overwrite with --force, or choose another place with -o."
        )


def _work(bench: _Workbench, items: Sequence["Item"], places: Sequence[Sequence[Path]], writing: _Writing) -> None:
    """Denoise item by item, the next one being read and the last one written meanwhile."""
    from concurrent.futures import Future, ThreadPoolExecutor

    from denoise_cli import device as devices

    screen.detail(f"on {devices.describe(bench.device)} in {str(bench.dtype).removeprefix('torch.')}")
    failures: list[DenoiseError] = []
    with ThreadPoolExecutor(2) as pool, screen.progress("denoising", len(items)) as bar:
        coming = pool.submit(_read, items[0], writing.max_pixels)
        writes: list[tuple[Item, Future[None]]] = []
        for index, (item, paths) in enumerate(zip(items, places, strict=True)):
            present = coming
            if index + 1 < len(items):
                coming = pool.submit(_read, items[index + 1], writing.max_pixels)
            try:
                image = present.result()
                began = time.monotonic()
                engine, reason = bench.engine(image)
                results = _denoise(engine, image)
                seconds = time.monotonic() - began
                writes.append((item, pool.submit(_write, results, paths, writing)))
                _report(item, paths, reason, image, seconds, writing, bar)
            except (UsageError, WeightsError):
                raise
            except DenoiseError as error:
                failures.append(error)
                bar.say(f"{item.name}: {error}") if len(items) > 1 else None
            while writes and (len(writes) > 2 or index + 1 == len(items)):
                failures += _settle(*writes.pop(0))
            bar.advance()
    if failures and len(items) == 1:
        raise failures[0]
    if failures:
        named = "\n".join(f"  {failure.what}" for failure in failures)
        if len(failures) == len(items):
            raise type(failures[0])(f"None of the {len(items)} images could be denoised:\n{named}")
        raise PartialError(f"{len(failures)} of {len(items)} images failed, the others are done:\n{named}")
    if len(items) > 1:
        screen.say(f"{len(items)} images denoised")


def _read(item: "Item", max_pixels: int | None) -> "Image":
    from denoise_cli.image import MAX_PIXELS, decode, read

    limit = MAX_PIXELS if max_pixels is None else max_pixels
    if item.path is not None:
        return read(item.path, max_pixels=limit)
    data = sys.stdin.buffer.read()
    if not data:
        raise InputError("stdin is empty.", "Pipe an image into it: cat noisy.png | denoise run - -o - > clean.png")
    return decode(data, "-", max_pixels=limit)


def _denoise(engine: "Engine", image: "Image") -> list["Image"]:
    from denoise_cli.inference.run import denoise_image

    return denoise_image(engine, image)


def _write(results: Sequence["Image"], paths: Sequence[Path], writing: _Writing) -> None:
    from denoise_cli.image import encode, write

    if paths:
        for result, path in zip(results, paths, strict=True):
            write(result, path, force=writing.force)
    else:
        sys.stdout.buffer.write(encode(results[0], writing.format))
        sys.stdout.buffer.flush()


def _settle(item: "Item", writing: Any) -> list[DenoiseError]:
    try:
        writing.result()
    except DenoiseError as error:
        return [error]
    return []


def _report(
    item: "Item",
    paths: Sequence[Path],
    reason: str,
    image: "Image",
    seconds: float,
    writing: _Writing,
    bar: screen.Bar,
) -> None:
    for warning in image.source.warnings:
        bar.say(f"{item.name}: {warning}")
    where = ", ".join(str(path) for path in paths) or "stdout"
    if writing.as_json:
        screen.emit(
            json.dumps(
                {
                    "input": item.name,
                    "output": [str(path) for path in paths],
                    "model": reason.rpartition(": ")[2],
                    "noise": reason.rpartition(": ")[0] or None,
                    "seconds": round(seconds, 3),
                    "warnings": list(image.source.warnings),
                }
            )
        )
    bar.say(f"{item.name}: {reason}, {seconds:.1f} s -> {where}")
