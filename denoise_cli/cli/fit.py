"""What the commands that fit single images share: files, progress, the curve, snapshots, and an early end."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from denoise_cli.cli import outcomes, screen, streams
from denoise_cli.cli.durations import parse_duration
from denoise_cli.cli.interrupts import interrupts
from denoise_cli.errors import AGAIN, DenoiseError, ExistsError, OutputError, UsageError
from denoise_cli.fields import fill

if TYPE_CHECKING:
    import torch

    from denoise_cli.fitting.follow import Standing
    from denoise_cli.fitting.history import Row
    from denoise_cli.image import Image
    from denoise_cli.inference.inputs import Item
    from denoise_cli.method import Fitter, Method

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
Curve = Annotated[Path | None, typer.Option(help="A figure of loss and PSNR over the steps (PNG).")]
SaveEvery = Annotated[int | None, typer.Option("--save-every", min=1, help="Save the estimate every so many steps.")]
Preview = Annotated[Path | None, typer.Option(help="A contact sheet of the estimates on the way (PNG).")]

_SHOWN = (10, 25, 50, 100, 200, 400, 800, 1600, 3200)  # steps on the contact sheet, besides the last and the best
_COLUMNS = 4  # of the contact sheet
_WIDE = 192  # least width of an image on it, pixels, so that captions fit beneath


@dataclass(frozen=True)
class Watch:
    """What is to be seen of a fit."""

    clean: Path | None
    curve: Path | None
    save_every: int | None
    preview: Path | None

    def check(self, items: "Sequence[Item]", answers: "Sequence[Path]", steps: int, *, force: bool) -> None:
        """Raise where it cannot be shown, before any work; no ``answers`` are one on stdout."""
        from denoise_cli.fitting.history import check_curve

        images, named = len(items), [path for path in (self.curve, self.preview) if path is not None]
        if images > 1 and (named or self.clean is not None):
            raise UsageError(f"--clean, --curve and --preview are for one image, not {images}.", "Name one image.")
        if not answers and self.save_every is not None:
            raise UsageError("--save-every has no place for its images on stdout.", "Name a file with -o.")
        if self.curve is not None:
            check_curve()
        taken = [item.path for item in items if item.path is not None] + list(answers)
        for path in named:
            if path.resolve() in [other.resolve() for other in taken]:
                raise OutputError(f"{path} would be two things at once.", "Give --curve and --preview other names.")
            taken.append(path)
        every = self.save_every or steps + 1
        shots = [snapshot(answer, number) for answer in answers for number in range(every, steps + 1, every)]
        for path in () if force else (*named, *shots):
            if path.exists():
                raise ExistsError(f"{path} exists already.", AGAIN)


def snapshot(answer: Path, step: int) -> Path:
    """Where the estimate of a step is saved."""
    return answer.with_stem(f"{answer.stem}-step{step}")


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
    """Fit every image of ``job`` and write the best estimate of each; exit code 130 after Ctrl-C."""
    import torch

    from denoise_cli import device as devices
    from denoise_cli.image import MAX_PIXELS, decode, read
    from denoise_cli.inference.inputs import STREAM, gather
    from denoise_cli.inference.outputs import Layout, check
    from denoise_cli.method import Fitter

    seconds = parse_duration(job.time) if job.time else float("inf")
    fitter = card.make(config)
    assert isinstance(fitter, Fitter)
    found = gather(job.inputs, None if job.output in (None, STREAM) else Path(str(job.output)))
    items = found.items
    to_stdout = streams.goes_to_stdout(items, job.output, 1, job.as_json)
    layout = Layout.of(items, None if to_stdout else job.output, None)
    existing = [] if to_stdout else check(items, layout)
    if existing and not job.force:
        raise ExistsError(f"{existing[0][1]} exists already.", AGAIN)
    answers = [] if to_stdout else [layout.paths(item)[0] for item in items]
    job.watch.check(items, answers, _most_steps(options), force=job.force)
    if found.earlier:
        screen.say(f"{len(found.earlier)} results of earlier runs are left out, such as {found.earlier[0]}")
    stdin = streams.read_stdin() if any(item.path is None for item in items) else b""
    where = devices.pick(job.device)
    dtype = devices.precision(job.precision, where)
    devices.keep_memory()
    limit = MAX_PIXELS if job.max_pixels is None else job.max_pixels
    failures = outcomes.Failures(len(items), "fitted")
    screen.say(devices.line(where, dtype))
    with interrupts() as interrupted:
        for index, item in enumerate(items):
            try:
                image = decode(stdin, "-", limit) if item.path is None else read(item.path, limit)
                for warning in image.source.warnings:
                    screen.say(warning)
                screen.say(f"{item.name}: {image.width}x{image.height}, at most {_most_steps(options)} steps")
                with torch.autocast(where.type, dtype, enabled=dtype != torch.float32):
                    view = _View(card.name, item, answers[index] if answers else None, job, image, where)
                    last = view.follow(fitter, options, seconds, interrupted)
                view.finish(last)
            except UsageError:
                raise
            except DenoiseError as error:
                failures.add(error)
                if len(items) > 1:
                    screen.say(f"{item.name}: failed. {error.what}")
                if job.as_json:
                    screen.emit(json.dumps({"input": item.name, "error": str(error)}))
            if interrupted:
                raise typer.Exit(interrupted[0])
    failures.conclude()


def _most_steps(options: Any) -> int:
    """Of a fit and, where it stops by itself, of a second one."""
    steps: int = options.iters
    return 2 * steps if options.stop == "auto" else steps


class _View:
    """What is seen of the fit of one image."""

    def __init__(
        self, model: str, item: "Item", path: Path | None, job: Job, image: "Image", where: "torch.device"
    ) -> None:
        import torch

        from denoise_cli.fitting.history import History
        from denoise_cli.image import MAX_PIXELS, read

        self._model, self._item, self._path, self._job, self._image = model, item, path, job, image
        self._noisy = torch.from_numpy(image.pixels)[None].to(where)
        clean = None
        if job.watch.clean is not None:
            pixels = read(job.watch.clean, job.max_pixels or MAX_PIXELS).pixels
            if pixels.shape != image.pixels.shape:
                raise UsageError(
                    f"{job.watch.clean} has the shape {pixels.shape}, {item.name} has {image.pixels.shape}.",
                    "--clean is the same image without the noise.",
                )
            clean = torch.from_numpy(pixels)[None].to(where)
        self._history = History(clean)
        self._shown: list[tuple[str, Image]] = []
        self._saved = set[Path]()

    def follow(self, fitter: "Fitter", options: Any, seconds: float, interrupted: list[int]) -> "Standing":
        """Run the fit to its end, with a bar; the last standing."""
        last: Standing | None = None
        with screen.progress("fitting", _most_steps(options)) as bar:
            for last in self._standings(fitter, options, seconds, interrupted):
                row = self._history.take(last)
                if last.message:
                    bar.say(last.message)
                bar.move(row.number)
                bar.note(_words(row, int(last.best_at[0]), seconds))
                self._save(last, row)
        assert last is not None
        return last

    def as_image(self, estimate: "torch.Tensor") -> "Image":
        """``estimate`` (1, C, H, W) with what the file held besides its pixels."""
        return self._image.with_pixels(estimate[0].float().cpu().numpy())

    def finish(self, last: "Standing") -> None:
        """Write the answer, draw the curve and the sheet, and say what became of the image."""
        from denoise_cli.image import write

        answer = self.as_image(last.best)
        if self._path is None:
            streams.write_stdout([answer], None)
        else:
            write(answer, self._path, force=self._job.force)
        watch, rows = self._job.watch, self._history.rows
        best_at = int(last.best_at[0])
        if watch.curve is not None:
            from denoise_cli.fitting.history import draw

            draw(rows, best_at, watch.curve, force=self._job.force)
        if watch.preview is not None:
            from denoise_cli.figures.sheet import contact_sheet

            words = _caption("answer", self._history.score(last.best))
            pictures = [("noisy", self._image), *self._shown, (words, answer)]
            captions, images = zip(*((words, picture) for words, picture in pictures), strict=True)
            zoom = -(-_WIDE // self._image.width)
            write(contact_sheet(images, captions, _COLUMNS, zoom), watch.preview, force=self._job.force)
        screen.say(
            f"{self._item.name}: {last.ended} after {last.step.number} steps, the best is step {best_at}, "
            f"{last.seconds:.1f} s -> {self._path or 'stdout'}"
        )
        if self._job.as_json:
            from denoise_cli.device import peak_memory

            record = {
                "input": self._item.name,
                "output": [str(self._path)],
                "model": self._model,
                "device": str(self._noisy.device),
                "steps": last.step.number,
                "best_step": best_at,
                "ended": last.ended,
                "seconds": round(last.seconds, 3),
                "peak_memory": peak_memory(),
                "warnings": list(self._image.source.warnings),
                "error": None,
            }
            screen.emit(json.dumps(record))

    def _standings(
        self, fitter: "Fitter", options: Any, seconds: float, interrupted: list[int]
    ) -> "Iterator[Standing]":
        from denoise_cli.fitting.follow import follow

        def halt(spent: float) -> str:
            return "interrupted" if interrupted else "the time is up" if spent >= seconds else ""

        return follow(fitter, self._noisy, options, halt)

    def _save(self, standing: "Standing", row: "Row") -> None:
        from denoise_cli.image import write

        every = self._job.watch.save_every
        if every is not None and self._path is not None and row.number % every == 0:
            place = snapshot(self._path, row.number)
            write(self.as_image(standing.step.estimate), place, force=self._job.force or place in self._saved)
            self._saved.add(place)  # a fit that begins again comes by once more
        if self._job.watch.preview is not None and row.number in _SHOWN:
            if self._shown and row.number == _SHOWN[0]:
                self._shown.clear()  # the fit began again
            self._shown.append((_caption(f"step {row.number}", row.psnr), self.as_image(standing.step.estimate)))


def _words(row: "Row", best_at: int, seconds: float) -> str:
    words = [f"loss {row.loss:.5f}"]
    if row.held_out is not None:
        words.append(f"held out {row.held_out:.5f}")
    words.append(f"best at {best_at}")
    if row.psnr is not None:
        words.append(f"{row.psnr:.2f} dB")
    if seconds != float("inf"):
        words.append(f"{max(0.0, seconds - row.seconds):.0f} s left")
    return ", ".join(words)


def _caption(words: str, score: float | None) -> str:
    return words if score is None else f"{words}, {score:.1f} dB"
