"""Images one after another: while one is denoised, the next are read and looked at, and the ones before written."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from denoise_cli.device import is_out_of_memory
from denoise_cli.errors import DenoiseError, DeviceError, UsageError
from denoise_cli.image import Image
from denoise_cli.inference.ahead import ahead
from denoise_cli.inference.inputs import Item
from denoise_cli.inference.journal import Journal
from denoise_cli.inference.looks import Looks, residual_gain
from denoise_cli.inference.run import SMALL, Answer, answer, answer_all, go_together, with_patterns
from denoise_cli.inference.workbench import Choice, Sight, Workbench

_PLAIN = Looks()
_FINE = 90  # quality of a JPEG file, at least, that is not to lose again what was restored
_WAITING, _LARGE = 3, 1 << 22  # results that may wait to be written; pixels beyond which only one may
TOGETHER, TOGETHER_PIXELS = 16, 1 << 16  # so many images and pixels at most


@dataclass(frozen=True)
class Job:
    """One input, and where its results go."""

    item: Item
    paths: tuple[Path, ...] = ()  # none: stdout
    comparison: Path | None = None  # for the image before and after
    journal: Journal | None = None


@dataclass(frozen=True)
class Loaded:
    """An input that is to be denoised."""

    frames: Sequence[Image]  # one, or those of an animation, or pages
    content: str = ""  # digest of the file
    ours: frozenset[Path] = frozenset()  # results of the same settings from other content, to be replaced


@dataclass(frozen=True)
class Result:
    """What became of one input."""

    job: Job
    outputs: tuple[Path, ...] = ()  # there now; empty for a stream or after an error
    choice: Choice | None = None  # None where it was not read
    counts: tuple[int, ...] | None = None  # iterations behind each estimate
    residual_gain: float | None = None  # of the pictures of what was taken away
    seconds: float = 0.0  # spent on choosing and denoising
    warnings: tuple[str, ...] = ()
    error: DenoiseError | None = None
    skipped: bool = False  # it was done before

    @property
    def item(self) -> Item:
        """The input."""
        return self.job.item


Read = Callable[[Job], Loaded | None]  # None: it is done already
Write = Callable[[Result, Loaded, Sequence[Sequence[Image]]], None]  # the frames of each estimate


def process(jobs: Iterable[Job], bench: Workbench, read: Read, write: Write, looks: Looks = _PLAIN) -> Iterator[Result]:
    """Do every job; the results come in the order of the jobs, once they are written.

    ``write`` gets the noisy frames, or their part, and the frames of each picture that ``looks`` asks for. An error
    with one image is in its result and does not stop the others; a ``UsageError`` would meet all of them and is raised.
    Small images of one size that follow each other are denoised together.
    """
    waiting: deque[tuple[Result, Future[None] | None, int]] = deque()

    def prepared(job: Job) -> _Prepared:
        loaded, began = read(job), time.monotonic()
        sight = None if loaded is None else bench.see(loaded.frames[0])
        return _Prepared(loaded, sight, time.monotonic() - began)

    with ThreadPoolExecutor(2) as pool:
        coming = ahead(jobs, prepared, lambda made: _pixels(made.loaded), TOGETHER, TOGETHER_PIXELS)
        with closing(coming):
            for group in _groups(_chosen(coming, bench)):
                for result, loaded, pictures in _denoised(group, looks):
                    writing = pool.submit(write, result, loaded, pictures) if loaded else None
                    waiting.append((result, writing, _pixels(loaded)))
                    del loaded, pictures
                    while waiting and _is_due(waiting):
                        yield _settle(*waiting.popleft()[:2])
            while waiting:
                yield _settle(*waiting.popleft()[:2])


class _Prepared(NamedTuple):
    """An input, and what was seen in it."""

    loaded: Loaded | None
    sight: Sight | None
    seconds: float  # that seeing took


def _pixels(loaded: Loaded | None) -> int:
    return sum(frame.height * frame.width for frame in loaded.frames) if loaded else 0


def _is_due(waiting: Sequence[tuple[Result, "Future[None] | None", int]]) -> bool:
    """Whether the first is written, or too much is waiting behind it."""
    many = len(waiting) > _WAITING or (len(waiting) > 1 and sum(pixels for _, _, pixels in waiting) > _LARGE)
    return many or waiting[0][1] is None or waiting[0][1].done()


def _chosen(
    coming: Iterable[tuple[Job, "Future[_Prepared]"]], bench: Workbench
) -> Iterator[tuple[Result, Loaded | None]]:
    """Each job with its input once its engine is chosen; without its input where nothing is left to be done."""
    for job, future in coming:
        result, began = Result(job), time.monotonic()
        try:
            loaded, sight, seconds = future.result()
            if loaded is None:
                yield replace(result, outputs=job.paths, skipped=True), None
                continue
            began = time.monotonic() - seconds
            said = dict.fromkeys(warning for frame in loaded.frames for warning in frame.source.warnings)
            result = replace(result, warnings=tuple(said))
            choice = bench.choose(loaded.frames[0], sight)  # for all: frames that differ would flicker
            choice = choice.told() if len(loaded.frames) == 1 else choice
            choice = choice.on(loaded.frames[0].source)
            if choice.warning:
                result = replace(result, warnings=(*said, choice.warning))
            yield replace(result, choice=choice, seconds=time.monotonic() - began), loaded
        except UsageError:
            raise
        except DenoiseError as error:
            yield replace(result, seconds=time.monotonic() - began, error=_bare(error)), None
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            failed = DeviceError("Out of memory while looking at its noise.", "Close other programs, or name a model.")
            yield replace(result, seconds=time.monotonic() - began, error=_bare(failed)), None


def _groups(read: Iterable[tuple[Result, Loaded | None]]) -> Iterator[list[tuple[Result, Loaded | None]]]:
    """Those that are denoised together."""
    group: list[tuple[Result, Loaded | None]] = []
    for item in read:
        if group and not _joins(group, *item):
            yield group
            group = []
        group.append(item)
        if item[1] is None or item[1].frames[0].height * item[1].frames[0].width > SMALL:
            yield group
            group = []
    if group:
        yield group


def _joins(group: Sequence[tuple[Result, Loaded | None]], result: Result, loaded: Loaded | None) -> bool:
    """Whether an image can be denoised together with the ``group``."""
    before, there = group[0]
    if loaded is None or there is None or len(loaded.frames) > 1 or len(there.frames) > 1:
        return False
    assert result.choice is not None and before.choice is not None
    one, other, engine = loaded.frames[0], there.frames[0], result.choice.engine
    pixels = (len(group) + 1) * one.height * one.width
    few = len(group) < TOGETHER and pixels <= TOGETHER_PIXELS
    return few and engine is before.choice.engine and go_together(engine, one, other)


def _denoised(
    group: Sequence[tuple[Result, Loaded | None]], looks: Looks
) -> Iterator[tuple[Result, Loaded | None, list[tuple[Image, ...]]]]:
    """Each of the ``group``, with its pictures; without its input where there are none, or after an error."""
    began = time.monotonic()
    try:
        answers = _together(group)
    except UsageError:
        raise
    except DenoiseError as error:
        if len(group) > 1:  # whose error is it?
            for item in group:
                yield from _denoised([item], looks)
        else:
            result = group[0][0]
            seconds = result.seconds + time.monotonic() - began
            yield replace(result, seconds=seconds, error=_bare(error)), None, []
        return
    seconds = (time.monotonic() - began) / len(group)
    for (result, loaded), found in zip(group, answers, strict=True):
        if loaded is None:
            yield result, None, []
            continue
        assert result.choice is not None
        began, box = time.monotonic(), result.choice.engine.asked.box
        frames = loaded.frames if box is None else [frame.cut(box) for frame in loaded.frames]
        pairs = [(frame, answer.images) for frame, answer in zip(frames, found, strict=True)]
        gain = min(residual_gain(*pair) for pair in pairs) if looks.residual else None
        pictures = list(zip(*(looks.pictures(*pair, gain) for pair in pairs), strict=True))
        if result.choice.restores:
            pictures = [tuple(image.finer(_FINE) for image in images) for images in pictures]
        taken = result.seconds + seconds + time.monotonic() - began
        done = replace(result, counts=found[0].counts, residual_gain=gain, outputs=result.job.paths, seconds=taken)
        yield done, replace(loaded, frames=frames), pictures


def _together(group: Sequence[tuple[Result, Loaded | None]]) -> list[list[Answer]]:
    """The answers to the frames of each of the ``group``, none where there is nothing to be done."""
    if len(group) > 1:
        frames = [loaded.frames[0] for _, loaded in group if loaded is not None]
        choice = group[0][0].choice
        assert choice is not None
        grains = [result.choice.grain for result, _ in group if result.choice is not None]
        found = zip(answer_all(choice.engine, frames), frames, grains, strict=True)
        return [[with_patterns(*item)] for item in found]
    result, loaded = group[0]
    if loaded is None:
        return [[]]
    assert result.choice is not None
    engine, answers = result.choice.engine, list[Answer]()
    for frame in loaded.frames:
        answers.append(answer(engine, frame, result.choice.grain))
        if engine.asked.until_converged:  # as many iterations for all frames
            engine = replace(engine, counts=answers[0].counts, asked=replace(engine.asked, until_converged=False))
    return [answers]


def _settle(result: Result, writing: Future[None] | None) -> Result:
    try:
        if writing is not None:
            writing.result()
    except DenoiseError as error:
        return replace(result, outputs=(), error=_bare(error))
    return result


def _bare(error: DenoiseError) -> DenoiseError:
    """``error`` without the frames it came through, which would keep their images in memory."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
