"""Many files as one job: what is done already is skipped, what is written is noted first, nothing is overwritten."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from denoise_cli.device import peak_memory
from denoise_cli.errors import AGAIN, ExistsError, OutputError
from denoise_cli.files import replace_content
from denoise_cli.image import MAX_PIXELS, Image, decode_frames, encode, encode_frames, format_of
from denoise_cli.inference.inputs import Item
from denoise_cli.inference.journal import Journals, digest, is_done
from denoise_cli.inference.looks import Looks
from denoise_cli.inference.outputs import Layout
from denoise_cli.inference.pipeline import Job, Loaded, Result, process
from denoise_cli.inference.store import Disk, Store
from denoise_cli.inference.workbench import Workbench


def jobs(items: Iterable[Item], layout: Layout, journals: Journals, comparisons: Layout | None = None) -> Iterator[Job]:
    """What is to be done, one after another."""
    for item in items:
        comparison = None if comparisons is None else comparisons.paths(item)[0]
        yield Job(item, layout.paths(item), comparison, journals.of(item))


def count_done(jobs: Iterable[Job], settings: str) -> int:
    """How many of ``jobs`` have all their results, made with these ``settings`` by whichever process.

    Neither inputs nor results are read: of inputs that changed since, the results are those of before.
    """
    seen = list(jobs)
    for journal in {job.journal for job in seen if job.journal is not None}:
        journal.refresh()
    return sum(
        all(path.exists() and (job.journal is None or job.journal.knows(path, settings)) for path in job.paths)
        for job in seen
    )


def digest_of(settings: Mapping[str, Any]) -> str:
    """What tells ``settings`` from any other: JSON-plain values, and paths, of which the content counts."""
    plain = {
        name: digest(value.read_bytes()) if isinstance(value, Path) and value.is_file() else value
        for name, value in settings.items()
    }
    return digest(json.dumps(plain, sort_keys=True, default=str).encode())


@dataclass(frozen=True)
class Batch:
    """Reads the inputs and writes the results of a job, by its rules."""

    settings: str  # digest of all that changes a result
    force: bool = False  # do again, and overwrite, whatever is there
    max_pixels: int = MAX_PIXELS
    stdin: bytes = b""
    strip: bool = False  # leave EXIF, XMP, comments and texts out
    to_stdout: Callable[[Sequence[Image]], None] | None = None  # takes the result of a job without paths
    looks: Looks = Looks()  # noqa: RUF009  (immutable)
    compare: Callable[[Image, Sequence[Image]], Image] | None = None  # a picture of the image before and after
    store: Store = Disk()  # noqa: RUF009  (immutable)
    in_place: bool = False  # the only path of a job is its input, which its result replaces

    def run(self, jobs: Iterable[Job], bench: Workbench) -> Iterator[Result]:
        """Do every job; see ``process``."""
        for result in process(self._tidied(jobs), bench, self.read, self.write, self.looks):
            journal = None if self.in_place else result.job.journal  # nothing is left where nothing was done
            if result.error is not None and journal is not None:
                journal.add_failure(record(result))
            yield result

    def _tidied(self, jobs: Iterable[Job]) -> Iterator[Job]:
        """The jobs, each once its folders hold nothing that an earlier run was killed over."""
        tidied = set[Path]()
        for job in jobs:
            for folder in {path.parent for path in job.paths} - tidied:
                self.store.tidy(folder)
                tidied.add(folder)
            yield job

    def read(self, job: Job) -> Loaded | None:
        """The input of ``job``, or None where its results are there already.

        Raises ``InputError``, and ``ExistsError`` where there is another file than this job would write.
        """
        path = job.item.path
        data = self.stdin if path is None else self.store.fetch(job.item.name, self.max_pixels)
        content, ours = digest(data), frozenset[Path]()
        compared = job.comparison is not None and self.store.exists(job.comparison)
        if self.in_place:
            if not self.force and self._was_replaced(job, content):
                return None
            if compared and not self.force:
                raise ExistsError(f"{job.comparison} exists already.", AGAIN)
        elif not self.force:
            there = [path for path in job.paths if self.store.exists(path)]
            made = [path for path in there if is_done(job.journal, path, self.settings, content)]
            if job.paths and len(made) == len(job.paths) and (compared or job.comparison is None):
                return None
            ours = frozenset(there)
            if job.comparison is not None and compared:
                if not self._has_compared(job, job.comparison):
                    raise ExistsError(f"{job.comparison} exists already.", AGAIN)
                ours |= {job.comparison}
        return Loaded(self._frames(data, job), content, ours)

    def _has_compared(self, job: Job, comparison: Path) -> bool:
        """Whether the file at ``comparison`` is one of an earlier run, byte for byte."""
        if job.journal is None or not comparison.is_file():
            return False
        made = digest(comparison.read_bytes())
        return any(job.journal.compared(path, made) for path in job.paths)

    def _was_replaced(self, job: Job, content: str) -> bool:
        """Whether an input of that ``content`` is the result of these settings. Raises ``ExistsError``: of others."""
        assert job.journal is not None
        entry = job.journal.made_as(job.paths[0], content)
        if entry is not None and entry.settings != self.settings:
            raise ExistsError(f"{job.paths[0]} was denoised with other settings.", "Denoise it once more with --force.")
        return entry is not None

    def _frames(self, data: bytes, job: Job) -> list[Image]:
        frames = decode_frames(data, job.item.name, self.max_pixels)
        lost = [warning for frame in frames for warning in frame.source.warnings]
        if self.in_place and lost and not self.force:
            raise OutputError(
                f"{lost[0]} So it is not replaced.", "Write the result elsewhere with -o, or add --force."
            )
        return [frame.stripped() for frame in frames] if self.strip else frames

    def write(self, result: Result, loaded: Loaded, pictures: Sequence[Sequence[Image]]) -> None:
        """Write the frames of each picture to its path, or of the only one to stdout, and the comparison of the first.

        The comparison comes last; it is noted in the journal with the results. Raises ``OutputError``.
        """
        comparison, compared = result.job.comparison, b""
        if comparison is not None:
            assert self.compare is not None
            shown = self.compare(loaded.frames[0], [frames[0] for frames in pictures])
            compared = encode(shown, format_of(comparison))
        if result.job.paths:
            self._write_files(result, loaded, pictures, digest(compared) if compared else "")
        else:
            assert self.to_stdout is not None
            self.to_stdout(pictures[0])
        if comparison is not None:
            self.store.write(comparison, compared, force=self.force or comparison in loaded.ours)

    def _write_files(
        self, result: Result, loaded: Loaded, pictures: Sequence[Sequence[Image]], comparison: str
    ) -> None:
        job = result.job
        files = {
            path: encode_frames(frames, None if self.in_place else format_of(path))
            for path, frames in zip(job.paths, pictures, strict=True)
        }
        if job.journal is not None:
            made = {path: digest(data) for path, data in files.items()}
            job.journal.add(record(result), self.settings, loaded.content, made, comparison)
        for path, data in files.items():
            if self.in_place:
                self._replace(job, path, data, loaded.content)
                continue
            try:
                self.store.write(path, data, force=self.force or path in loaded.ours)
            except ExistsError:
                if not is_done(job.journal, path, self.settings, loaded.content):  # else another process was faster
                    raise

    def _replace(self, job: Job, path: Path, data: bytes, content: str) -> None:
        """Replace the input, unless it is not any more what was read."""
        assert job.journal is not None
        now = digest(self.store.fetch(str(path), self.max_pixels))
        if now == content:
            replace_content(path, data)
            return
        entry = job.journal.made_as(path, now)
        if entry is None or entry.settings != self.settings:  # else another process was faster
            raise ExistsError(f"{path} was changed while it was denoised.", "Denoise what is there now: run it again.")


def record(result: Result) -> dict[str, Any]:
    """What ``--json`` and the journal tell of one input."""
    told: dict[str, Any] = {"input": result.item.name, "output": [str(path) for path in result.outputs]}
    if result.skipped:
        return told | {"skipped": True, "warnings": [], "error": None}
    if result.choice is not None:
        engine, seen, shown = result.choice.engine, result.choice.seen, result.choice.shown
        told |= {"model": result.choice.name, "weights": result.choice.digest}
        if result.counts is not None:
            told["iters"] = list(result.counts)
        if result.residual_gain is not None:
            told["residual_gain"] = result.residual_gain
        if seen is not None:
            told["noise"] = {"impulse_share": round(seen.impulse_share, 5), "sigma_255": round(255 * seen.sigma, 2)}
        if shown is not None:
            told["class"] = {"name": shown.name, "chance": round(shown.chance, 4)}
        told |= {"device": str(engine.device), "precision": str(engine.dtype).removeprefix("torch.")}
        told |= {"tile": engine.tile, "seconds": round(result.seconds, 3), "peak_memory": peak_memory()}
    error = None if result.error is None else str(result.error)
    return told | {"warnings": list(result.warnings), "error": error}
