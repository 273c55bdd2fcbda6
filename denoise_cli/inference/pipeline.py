"""Images one after another: while one is denoised, the next is read and the ones before are written."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from denoise_cli.errors import DenoiseError, UsageError
from denoise_cli.image import Image
from denoise_cli.inference.inputs import Item
from denoise_cli.inference.journal import Journal
from denoise_cli.inference.looks import Looks, residual_gain
from denoise_cli.inference.run import Answer, Engine, answer
from denoise_cli.inference.workbench import Choice, Workbench

_PLAIN = Looks()
_WAITING = 3  # results that may wait to be written


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
    """
    waiting: deque[tuple[Result, Future[None] | None]] = deque()
    with ThreadPoolExecutor(2) as pool:
        for job, coming in _ahead(jobs, lambda job: pool.submit(read, job)):
            result, loaded = Result(job), None
            began = time.monotonic()
            try:
                loaded = coming.result()
                began = time.monotonic()
                if loaded is None:
                    waiting.append((replace(result, outputs=job.paths, skipped=True), None))
                else:
                    said = dict.fromkeys(warning for frame in loaded.frames for warning in frame.source.warnings)
                    result = replace(result, warnings=tuple(said))
                    choice = bench.choose(loaded.frames[0])  # for all: frames that differ would flicker
                    result = replace(result, choice=choice)
                    result, loaded, pictures = _denoise(result, choice.engine, loaded, looks)
                    result = replace(result, outputs=job.paths, seconds=time.monotonic() - began)
                    waiting.append((result, pool.submit(write, result, loaded, pictures)))
            except UsageError:
                raise
            except DenoiseError as error:
                waiting.append((replace(result, seconds=time.monotonic() - began, error=_bare(error)), None))
            while waiting and (len(waiting) > _WAITING or waiting[0][1] is None or waiting[0][1].done()):
                yield _settle(*waiting.popleft())
        while waiting:
            yield _settle(*waiting.popleft())


def _denoise(
    result: Result, engine: Engine, loaded: Loaded, looks: Looks
) -> tuple[Result, Loaded, list[tuple[Image, ...]]]:
    """What is known now, the frames or their parts, and the frames of each picture of them."""
    asked, answers = engine.asked, list[Answer]()
    for frame in loaded.frames:
        answers.append(answer(engine, frame))
        if asked.until_converged:  # as many iterations for all frames
            engine = replace(engine, counts=answers[0].counts, asked=replace(asked, until_converged=False))
    frames = loaded.frames if asked.box is None else [frame.cut(asked.box) for frame in loaded.frames]
    pairs = [(frame, found.images) for frame, found in zip(frames, answers, strict=True)]
    gain = min(residual_gain(*pair) for pair in pairs) if looks.residual else None
    pictures = list(zip(*(looks.pictures(*pair, gain) for pair in pairs), strict=True))
    result = replace(result, counts=answers[0].counts, residual_gain=gain)
    return result, replace(loaded, frames=frames), pictures


def _ahead(
    jobs: Iterable[Job], start: Callable[[Job], Future[Loaded | None]]
) -> Iterator[tuple[Job, Future[Loaded | None]]]:
    """Each job with its reading, which starts while the job before is done."""
    before: tuple[Job, Future[Loaded | None]] | None = None
    for job in jobs:
        following = (job, start(job))
        if before is not None:
            yield before
        before = following
    if before is not None:
        yield before


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
