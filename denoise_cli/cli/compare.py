"""``denoise compare``: one crop, many methods."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from denoise_cli.cli import flags, knobs, outcomes, screen, streams
from denoise_cli.cli.load_torch import load_torch
from denoise_cli.cli.score import number
from denoise_cli.errors import AGAIN, DenoiseError, ExistsError, InputError, OutputError, UsageError

if TYPE_CHECKING:
    from denoise_cli.figures.comparison import Comparison
    from denoise_cli.image import Box, Image
    from denoise_cli.inference.contest import Attempt
    from denoise_cli.inference.inputs import Item

_SIDE = 256  # of the part that is taken by itself, pixels
_WHOLE = "none"  # the word for no crop
_PAGES = (".html", ".htm")
_TITLES = ("time",)
_METRICS = {"psnr": "{:.2f} dB", "ssim": "{:.4f}"}


def compare(
    inputs: Annotated[
        list[str], typer.Argument(help="Noisy images, folders, globs, @list.txt, or - for stdin.", show_default=False)
    ],
    models: Annotated[
        str | None,
        typer.Option(
            "--models", "-m", help="Models, weights and files of weights, with commas; auto: what run takes by itself."
        ),
    ] = None,
    output: Annotated[
        list[str] | None,
        typer.Option(
            "--output",
            "-o",
            help="page.html, or sheet.png; repeatable. By default NAME-compared.html beside the image.",
        ),
    ] = None,
    crop: Annotated[
        str | None, typer.Option(metavar="X,Y,W,H", help="This part; none: all. By default the middle, 256x256.")
    ] = None,
    clean: Annotated[
        Path | None, typer.Option(help="The clean image, or a folder with those of the same names: PSNR and SSIM.")
    ] = None,
    iters: Annotated[
        str | None,
        typer.Option("--iters", "-n", help="Iterations of the models that have any: 10,20,50 compares them; auto."),
    ] = None,
    sigma: Annotated[
        float | None, typer.Option(help="Noise level, 0..255 (up to 1: of 0..1), for the models that take one.", min=0)
    ] = None,
    max_pixels: flags.MaxPixels = None,
    device: flags.Device = "auto",
    precision: flags.Precision = "auto",
    force: flags.Force = False,
    as_json: flags.Json = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = False,
) -> None:
    """Try many models on a part of an image, and see the results side by side. The noise is that of the whole image.

    Without `--models`: the weights that `run` would take, others for such noise, and filters.

    Examples:

    `denoise compare photo.png`

    `denoise compare noisy.png --models dt,dncnn,bm3d --clean clean.png -o page.html -o sheet.png`

    `denoise compare noisy.png --models dt --iters 5,10,20,50 --crop none`

    What takes less than a second is timed twice, and the second time counts. A method that looks at all of an image at
    once, such as dip, gets the part alone.
    """
    until_converged = iters == "auto"
    counts = None if iters is None or until_converged else knobs.parse_counts(iters)
    box = None if crop in (None, _WHOLE) else knobs.parse_box(str(crop))
    words = None if models is None else tuple(filter(None, map(str.strip, models.split(","))))
    if words == ():
        raise UsageError("--models names none.", "Write models or weights with commas: dt,dncnn.color-blind,bm3d.")
    given = {} if sigma is None else {"sigma": sigma}
    from denoise_cli import __version__

    load_torch()
    from denoise_cli import device as devices
    from denoise_cli.inference import contest
    from denoise_cli.inference.inputs import gather
    from denoise_cli.inference.run import Asked
    from denoise_cli.inference.workbench import Wish

    items = gather(inputs).items
    places = _places(items, output, clean, force=force)
    where = devices.pick(device)
    devices.keep_memory()
    dtype = devices.precision(precision, where)
    wish = Wish(None, None, counts, where, dtype, asked=Asked(until_converged), notice=screen.say)
    enter = cache(lambda named: contest.contenders(named, wish, given))
    if words is not None:
        enter(words)  # a wrong word is told before any work
    on = devices.line(where, dtype)
    screen.say(on)
    trials, unread = list[_Trial](), list[DenoiseError]()
    with screen.progress("comparing", len(items)) as bar:
        for item in items:
            try:
                noisy, target = _read(item, clean, max_pixels)
                side = max(noisy.width, noisy.height) if crop == _WHOLE else _SIDE
                trial = _Trial(item, noisy, target, box or contest.middle(noisy, side), places)
            except DenoiseError as error:
                unread.append(error)
                if as_json:
                    screen.emit(json.dumps({"input": item.name, "error": str(error)}))
            else:
                for warning in noisy.source.warnings:
                    bar.say(warning)
                entered = enter(words or tuple(contest.words_for(noisy)))
                for attempt in contest.attempts(entered, noisy, trial.box):
                    trial.attempts.append(attempt)
                    bar.note(attempt.name)
                    if attempt.choice is not None and attempt.choice.warning:
                        bar.say(attempt.choice.warning)
                    if as_json:
                        screen.emit(json.dumps(trial.record(attempt)))
                trials.append(trial)
            bar.advance()
    tried = [attempt for trial in trials for attempt in trial.attempts]
    things = "methods" if not unread else "attempts" if trials else "images"
    failures = outcomes.Failures(len(unread) + len(tried), "compared", things)
    for lost in (*unread, *(attempt.error for attempt in tried if attempt.error)):
        failures.add(lost)
    shown = [trial.comparison() for trial in trials if any(attempt.estimate for attempt in trial.attempts)]
    if shown:
        _write(shown, places, [*_TITLES, *_of(clean)], f"denoise {__version__}, {on}", force=force)
    if shown and not as_json:
        lines = [
            (one.title, version.name, *version.cells) for one in shown for version in one.versions if any(version.cells)
        ]
        screen.table([("image", "model", *_TITLES, *_of(clean)), *lines], range(2, 3 + len(_of(clean))))
    failures.conclude()


class _Trial:
    """One image, or its part, and what all methods made of it."""

    def __init__(self, item: "Item", noisy: "Image", clean: "Image | None", box: "Box", places: Sequence[Path]) -> None:
        self.box, self.attempts = box, list["Attempt"]()
        self._item, self._size, self._places = item, f"{noisy.width}x{noisy.height}", tuple(places)
        self._noisy, self._clean = noisy.cut(box), None if clean is None else clean.cut(box)

    def record(self, attempt: "Attempt") -> dict[str, Any]:
        """What ``--json`` tells of a method."""
        from denoise_cli.inference.batch import record
        from denoise_cli.inference.pipeline import Job, Result

        outputs = self._places if attempt.estimate is not None else ()
        beside = attempt.choice.warning if attempt.choice is not None else ""
        warnings = (*self._noisy.source.warnings, *filter(None, [beside]))
        result = Result(
            Job(self._item), outputs, attempt.choice, attempt.counts, None, attempt.seconds, warnings, attempt.error
        )
        told = record(result) | {"asked": attempt.contender.word, "crop": list(self.box), "alone": attempt.alone}
        if attempt.estimate is not None:
            told |= {name: number(score) for name, score in self._scores(attempt.estimate).items()}
        return told

    def comparison(self) -> "Comparison":
        """The noisy image, what was made of it, and the clean one."""
        from denoise_cli.figures.comparison import Comparison, Version

        versions = [Version("noisy", self._noisy, ("", *self._cells(self._noisy)))]
        for attempt in self.attempts:
            if attempt.estimate is None:
                versions.append(Version(attempt.name, error=str(attempt.error).replace("\n", " ")))
            else:
                cells = (f"{attempt.seconds:.{2 if attempt.seconds > 0.1 else 3}f} s", *self._cells(attempt.estimate))
                versions.append(Version(attempt.name, attempt.estimate, cells))
        if self._clean is not None:
            versions.append(Version("clean", self._clean))
        whole = f"{self.box.width}x{self.box.height}" == self._size
        part = "" if whole else f", the part {self.box} (x, y, width, height)"
        alone = [attempt.name for attempt in self.attempts if attempt.alone]
        seen = f"; of the part alone: {', '.join(alone)}" if alone else ""
        return Comparison(screen.one_line(self._item.name), f"{self._size} pixels{part}{seen}.", versions)

    def _cells(self, image: "Image") -> list[str]:
        return [_METRICS[name].format(score) for name, score in self._scores(image).items()]

    def _scores(self, image: "Image") -> dict[str, float]:
        """As a file would hold it: rounded to its depth."""
        from denoise_cli import metrics
        from denoise_cli.image import from_array, to_array
        from denoise_cli.scoring.rows import scores_of

        if self._clean is None:
            return {}
        functions = {name: metrics.find(name) for name in _METRICS}
        return scores_of(from_array(to_array(image), self._item.name), self._clean, functions)[0]


def _of(clean: Path | None) -> tuple[str, ...]:
    """The titles of the columns of scores."""
    return tuple(name.upper() for name in _METRICS) if clean is not None else ()


def _read(item: "Item", clean: Path | None, max_pixels: int | None) -> "tuple[Image, Image | None]":
    """The noisy image, and the clean one where it is given. Raises ``InputError``."""
    noisy = streams.read_image(item, max_pixels, "denoise compare -")
    if clean is None:
        return noisy, None
    from denoise_cli.image import MAX_PIXELS, read

    path = clean / item.relative if clean.is_dir() else clean
    target = read(path, max_pixels or MAX_PIXELS)
    if target.samples.shape != noisy.samples.shape:
        one, other = (
            f"{image.width}x{image.height} pixels in {'gray' if image.channels == 1 else 'colour'}"
            for image in (noisy, target)
        )
        raise InputError(f"{item.name} has {one}, {path} has {other}.", "--clean is the same image without the noise.")
    return noisy, target


def _places(items: "Sequence[Item]", output: Sequence[str] | None, clean: Path | None, *, force: bool) -> list[Path]:
    """Where pages and sheets go. Raises ``UsageError`` and ``OutputError`` before any work."""
    from denoise_cli.image import SUFFIXES, is_image

    only = items[0].path if len(items) == 1 else None
    beside = Path("compared.html") if only is None else only.with_name(f"{only.stem}-compared.html")
    places = [beside] if not output else [Path(word) for word in output]
    taken = [path.resolve() for item in items if (path := item.path) is not None]
    taken += [] if clean is None else [clean.resolve()]
    for place in places:
        if place.suffix.lower() not in _PAGES and not is_image(place):
            known = " ".join((*_PAGES, *SUFFIXES))
            raise UsageError(f"-o {str(place)!r} is neither a page nor a picture.", f"Known endings: {known}.")
        if place.resolve() in taken:
            raise OutputError(f"{str(place)!r} would be two things at once.", "Give -o another name.")
        if place.exists() and not force:
            raise ExistsError(f"{place} exists already.", AGAIN)
        taken.append(place.resolve())
    return places


def _write(
    shown: "Sequence[Comparison]", places: Sequence[Path], titles: Sequence[str], footer: str, *, force: bool
) -> None:
    from denoise_cli.figures.comparison import page, sheet
    from denoise_cli.files import write_atomically
    from denoise_cli.image import write

    for place in places:
        if place.suffix.lower() in _PAGES:
            write_atomically(place, page(shown, titles, footer).encode(errors="backslashreplace"), force=force)
        else:
            write(sheet(shown), place, force=force)
    screen.say(f"-> {', '.join(map(str, places))}")
