"""The fit of images, as it is seen: progress, the curve, snapshots, an early end, and the answers in their files."""

import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from denoise_cli.cli import streams
from denoise_cli.errors import AGAIN, DenoiseError, ExistsError, OutputError, UsageError

if TYPE_CHECKING:
    import torch

    from denoise_cli.fitting.follow import Standing
    from denoise_cli.fitting.history import Row
    from denoise_cli.image import Image
    from denoise_cli.inference.inputs import Item

_SHOWN = (10, 25, 50, 100, 200, 400, 800, 1600, 3200)  # steps on the contact sheet, besides the last and the best
_COLUMNS = 4  # of the contact sheet
_INTERRUPTED = "interrupted"
_WIDE = 192  # least width of its cells, pixels, so that captions fit beneath; small images are made about as large


@dataclass(frozen=True)
class Watch:
    """What is to be seen of a fit."""

    clean: Path | None
    curve: Path | None
    save_every: int | None
    preview: Path | None

    def check(
        self, items: "Sequence[Item]", answers: "Sequence[Path]", steps: int, known: Callable[[Path], bool], force: bool
    ) -> None:
        """Raise where it cannot be shown, before any work. No ``answers``: one on stdout. ``known`` files are ours."""
        from denoise_cli.fitting.history import check_curve
        from denoise_cli.image import format_of

        images, named = len(items), [path for path in (self.curve, self.preview) if path is not None]
        if images > 1 and (named or self.clean is not None):
            raise UsageError(f"--clean, --curve and --preview are for one image, not {images}.", "Name one image.")
        if not answers and self.save_every is not None:
            raise UsageError("--save-every has no place for its images on stdout.", "Name a file with -o.")
        if self.curve is not None:
            check_curve(self.curve)
        if self.preview is not None:
            format_of(self.preview)  # raises where that is none
        taken = {item.path.resolve() for item in items if item.path is not None} | {path.resolve() for path in answers}
        for path in named:
            if path.resolve() in taken:
                raise OutputError(f"{path} would be two things at once.", "Give --curve and --preview other names.")
            if path.is_dir():
                raise OutputError(f"{path} is a folder.", "Name a file in it.")
            taken.add(path.resolve())
        every = self.save_every or steps + 1
        numbers = range(every, steps + 1, every)
        for answer in answers:
            clash = next((number for number in numbers if snapshot(answer.resolve(), number) in taken), None)
            if clash is not None:
                raise OutputError(
                    f"{snapshot(answer, clash)} would be two things at once: --save-every takes that name too.",
                    "Fit the images one after another, into folders of their own.",
                )
        shots = [snapshot(answer, number) for answer in answers for number in numbers]
        for path in () if force else (*named, *shots):
            if path.exists() and not (path in shots and known(path)):
                raise ExistsError(f"{path} exists already.", AGAIN)


@dataclass(frozen=True)
class Task:
    """One image to fit, with all that a process of its own has to know."""

    index: int  # among the images
    item: "Item"
    data: bytes | None  # of stdin; None: the item is a file
    path: Path | None  # of the answer; None: stdout
    journal: Path | None  # the folder whose journal tells of the answer
    settings: str  # digest of all that changes the answer
    model: str
    config: Any
    options: Any
    seconds: float  # after which the best so far is the answer
    watch: Watch
    force: bool
    as_json: bool
    max_pixels: int
    device: str
    dtype: "torch.dtype"


class Bar(Protocol):
    """What moves while an image is fitted."""

    def say(self, message: str) -> None:
        """A line above the bar."""

    def move(self, position: float) -> None:
        """Move to ``position``."""

    def note(self, words: str) -> None:
        """Show ``words`` behind the bar."""


class Voice(Protocol):
    """Where a fit tells of itself: the screen, or the process that has it."""

    def say(self, message: str) -> None:
        """A line for the user."""

    def emit(self, line: str) -> None:
        """A line of the product."""

    def progress(self, description: str, total: float | None) -> AbstractContextManager[Bar]:
        """A bar of ``total`` steps."""


def fit_batch(
    tasks: "Sequence[Task]", voice: Voice, interrupted: Callable[[], bool]
) -> "list[tuple[Task, DenoiseError | None]]":
    """Fit the images of ``tasks`` and write their answers; what went wrong with each, if anything did.

    Images of one shape are fitted as one batch; where that cannot be, since one of them diverges, or there is too
    little memory, each by itself. What is under way ends early, with the best so far, once it is ``interrupted``, and
    nothing else begins. Raises ``UsageError`` for what would go wrong with any image.
    """
    errors: dict[int, DenoiseError] = {}
    views: list[_View] = []
    for task in tasks:
        with _noted(errors, task):
            views.append(_View(task, voice))
    alike = bool(views) and all((view.shape, view.options) == (views[0].shape, views[0].options) for view in views)
    parts = deque([views] if alike else [[view] for view in views])
    while parts and not interrupted():
        part = parts.popleft()
        try:
            last = _followed(part, voice, interrupted)
        except UsageError:
            raise
        except DenoiseError as error:
            if len(part) == 1:
                errors[part[0].task.index] = error
            else:
                voice.say(f"{len(part)} images cannot be one batch, each is fitted by itself: {error.what}")
                parts.extend([view] for view in part)
            continue
        for index, view in enumerate(part):
            with _noted(errors, view.task):
                view.finish(last.of(index), len(part))
    return [(task, errors.get(task.index)) for task in tasks]


@contextmanager
def _noted(errors: dict[int, DenoiseError], task: Task) -> Iterator[None]:
    """Let what goes wrong with ``task`` stop it alone."""
    try:
        yield
    except UsageError:
        raise
    except DenoiseError as error:
        errors[task.index] = error


def most_steps(options: Any) -> int:
    """Of a fit and, where it stops by itself, of a second one."""
    steps: int = options.iters
    return 2 * steps if options.stop == "auto" else steps


def snapshot(answer: Path, step: int) -> Path:
    """Where the estimate of a step is saved."""
    return answer.with_stem(f"{answer.stem}-step{step}")


class _View:
    """What is seen of the fit of one image."""

    def __init__(self, task: Task, voice: Voice) -> None:
        """Read the image of ``task``."""
        import torch

        from denoise_cli.fitting.history import History
        from denoise_cli.image import decode, fetch, read
        from denoise_cli.inference.journal import digest
        from denoise_cli.inference.told import told

        name, limit = task.item.name, task.max_pixels
        data = fetch(name, limit) if task.data is None else task.data
        image = decode(data, name, limit)
        for warning in image.source.warnings:
            voice.say(warning)
        voice.say(f"{name}: {image.width}x{image.height}, at most {most_steps(task.options)} steps")
        self.task, self.shape, self.options = task, image.pixels.shape, told(task.options, image.source)
        self._voice, self._image, self._content = voice, image, digest(data)
        self.noisy = torch.from_numpy(image.pixels)[None].to(task.device)
        clean = None
        if task.watch.clean is not None:
            pixels = read(task.watch.clean, limit).pixels
            if pixels.shape != image.pixels.shape:
                raise UsageError(
                    f"{task.watch.clean} has the shape {pixels.shape}, {name} has {image.pixels.shape}.",
                    "--clean is the same image without the noise.",
                )
            clean = torch.from_numpy(pixels)[None].to(task.device)
        self._history = History(clean)
        self._shown: list[tuple[str, Image]] = []
        self._saved = set[Path]()

    def take(self, standing: "Standing") -> "Row":
        """See a step of the fit, and save what is to be saved of it."""
        row = self._history.take(standing)
        self._save(standing, row)
        return row

    def as_image(self, estimate: "torch.Tensor") -> "Image":
        """``estimate`` (1, C, H, W) with what the file held besides its pixels."""
        return self._image.with_pixels(estimate[0].float().cpu().numpy())

    def finish(self, last: "Standing", together: int) -> None:
        """Write the answer, draw curve and sheet, and say what became of it; so many images were fitted together."""
        from denoise_cli.image import write

        task, answer = self.task, self.as_image(last.best)
        record = self._record(last, together)
        if task.path is None:
            streams.write_stdout([answer], None)
        else:
            self._write(answer, task.path, record, "" if last.ended == _INTERRUPTED else self._content)
        watch, rows = task.watch, self._history.rows
        best_at = int(last.best_at[0])
        if watch.curve is not None:
            from denoise_cli.fitting.history import draw

            draw(rows, best_at, watch.curve, force=task.force)
        if watch.preview is not None:
            from denoise_cli.figures.sheet import contact_sheet

            words = _caption("answer", self._history.score(last.best))
            pictures = [("noisy", self._image), *self._shown, (words, answer)]
            captions, images = zip(*((words, picture) for words, picture in pictures), strict=True)
            zoom = -(-_WIDE // max(self._image.width, self._image.height))
            write(contact_sheet(images, captions, _COLUMNS, zoom, _WIDE), watch.preview, force=task.force)
        self._voice.say(
            f"{task.item.name}: {last.ended} after {int(last.steps[0])} steps, the best is step {best_at}, "
            f"{last.seconds:.1f} s{_beside(together)} -> {task.path or 'stdout'}"
        )
        if task.as_json:
            self._voice.emit(json.dumps(record))

    def _record(self, last: "Standing", together: int) -> dict[str, Any]:
        """What ``--json`` and the journal tell."""
        from denoise_cli.device import peak_memory

        return {
            "input": self.task.item.name,
            "output": [str(self.task.path)],
            "model": self.task.model,
            "device": str(self.noisy.device),
            "batch": together,
            "steps": int(last.steps[0]),
            "best_step": int(last.best_at[0]),
            "ended": last.ended,
            "seconds": round(last.seconds, 3),
            "peak_memory": peak_memory(),
            "warnings": list(self._image.source.warnings),
            "error": None,
        }

    def _write(self, answer: "Image", path: Path, record: dict[str, Any], content: str) -> None:
        """Write ``answer``, once the journal tells that it is from ``content``; from none, it is to be done again."""
        from denoise_cli.files import write_atomically
        from denoise_cli.image import encode, format_of
        from denoise_cli.inference.journal import Journal, digest

        data, again = encode(answer, format_of(path)), path in self._saved
        if self.task.journal is not None:
            journal = Journal(self.task.journal)
            again = again or ("step" in record and journal.made(path) is not None)
            journal.add(record, self.task.settings, content, {path: digest(data)})
        write_atomically(path, data, force=self.task.force or again)

    def _save(self, standing: "Standing", row: "Row") -> None:
        path, every = self.task.path, self.task.watch.save_every
        if every is not None and path is not None and row.number % every == 0:
            place = snapshot(path, row.number)
            record = {"input": self.task.item.name, "step": row.number}
            self._write(self.as_image(standing.step.estimate), place, record, "")
            self._saved.add(place)  # a fit that begins again comes by once more
        if self.task.watch.preview is not None and row.number in _SHOWN:
            if self._shown and row.number == _SHOWN[0]:
                self._shown.clear()  # the fit began again
            self._shown.append((_caption(f"step {row.number}", row.psnr), self.as_image(standing.step.estimate)))


def _followed(views: "Sequence[_View]", voice: Voice, interrupted: Callable[[], bool]) -> "Standing":
    """Fit the images of ``views``, which have one shape, as one batch, with a bar; the last standing."""
    import torch

    from denoise_cli import methods
    from denoise_cli.fitting.follow import ATTEMPTS, follow
    from denoise_cli.method import Fitter

    task, count = views[0].task, len(views)

    def halt(spent: float) -> str:
        return _INTERRUPTED if interrupted() else "the time is up" if spent >= task.seconds else ""

    fitter = methods.find(task.model).make(task.config)
    assert isinstance(fitter, Fitter)
    noisy = torch.cat([view.noisy for view in views])
    attempts = ATTEMPTS if count == 1 else 1  # a lower rate is for the one that diverges
    last: Standing | None = None
    with (
        torch.autocast(noisy.device.type, task.dtype, enabled=task.dtype != torch.float32),
        voice.progress("fitting", most_steps(task.options)) as bar,
    ):
        for last in follow(fitter, noisy, views[0].options, halt, attempts):
            if last.message:
                bar.say(last.message)
            rows = [view.take(last.of(index)) for index, view in enumerate(views)]
            bar.move(last.step.number)
            bar.note(_words(rows[0], int(last.best_at[0]), task.seconds) + _beside(count))
    assert last is not None
    return last


def _beside(together: int) -> str:
    return "" if together == 1 else f", one of {together} in a batch"


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
