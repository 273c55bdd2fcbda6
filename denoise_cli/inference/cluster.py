"""A job of many images on a Ray cluster: each worker loads its nets once; what a worker that dies had is done again.

The machine that starts the job lists the inputs, hands out the images one by one, and tells what became of them. The
workers read, denoise and write. One keeper writes the journal, since most file systems elsewhere cannot append.
"""

import os
import platform
import signal
import socket
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from denoise_cli import device as devices
from denoise_cli.errors import AGAIN, DeviceError, ExistsError, OutputError, UsageError
from denoise_cli.fields import fill
from denoise_cli.inference.batch import Batch, record
from denoise_cli.inference.inputs import Item
from denoise_cli.inference.journal import NAME, Journal, line_of
from denoise_cli.inference.outputs import Layout
from denoise_cli.inference.pipeline import Job, Result
from denoise_cli.inference.store import Remote
from denoise_cli.inference.workbench import Wish, Workbench

LOCAL = "local"
_TRIES = 3  # that an image is given to a worker, where workers die
_PATIENCE = 60.0  # seconds without any worker, after which the user is told


@dataclass(frozen=True)
class Plan:
    """All that a worker must know."""

    wish: Wish
    given: Mapping[str, Any]  # knobs of the method
    device: str  # as words: each worker looks for its own
    precision: str
    weights: bytes | None  # a file that need not be where the worker is
    batch: Batch
    store: Remote


class Outcome(NamedTuple):
    """What became of one image."""

    result: Result  # without its net and its journal
    record: dict[str, Any]  # for --json


_Given = tuple[Job, int]  # to a worker, for the how manieth time


def quietly(message: str) -> None:
    """Says nothing: a notice where nobody reads it."""


class Keeper:
    """Writes the journal, alone."""

    def __init__(self, store: Remote) -> None:
        self._store = store

    def append(self, line: bytes) -> None:
        """Add a line. Raises ``OutputError``."""
        self._store.append(Path(NAME), line)


class StoredJournal(Journal):
    """The journal of an output folder anywhere; results have relative paths."""

    def __init__(self, store: Remote, add_line: Callable[[bytes], None]) -> None:
        self._store, self._write_line = store, add_line
        super().__init__(Path())

    def _open(self) -> IO[bytes]:
        return self._store.open(Path(NAME))

    def _content(self, path: Path) -> bytes:
        return self._store.content(path)

    def _add_line(self, line: bytes) -> None:
        self._write_line(line)


class Worker:
    """Denoises one image after another, by the same rules as a job on one machine."""

    def __init__(self, plan: Plan, keeper: Any) -> None:
        import ray

        where = devices.pick(plan.device)
        devices.keep_memory()
        self._notices: list[str] = []
        wish = replace(
            plan.wish, device=where, dtype=devices.precision(plan.precision, where), notice=self._notices.append
        )
        with tempfile.TemporaryDirectory() as folder:
            if plan.weights is not None:
                wish = replace(wish, file=Path(folder, "own.safetensors"))
                Path(folder, "own.safetensors").write_bytes(plan.weights)
            self._bench = Workbench(wish, lambda card: fill(card.options, plan.given, card.name))
        self._batch, self._store = plan.batch, plan.store
        self._journal = StoredJournal(plan.store, lambda line: ray.get(keeper.append.remote(line)))
        self._name = f"{platform.node()}:{os.getpid()}"

    def ready(self) -> str:
        """Its machine and process, once its nets are loaded."""
        return self._name

    def work(self, job: Job) -> Outcome:
        """Denoise one image. Raises ``UsageError``, which would meet all of them."""
        (result,) = self._batch.run([replace(job, journal=self._journal)], self._bench)
        result = replace(result, warnings=(*result.warnings, *dict.fromkeys(self._notices)))
        self._notices.clear()
        told = record(result) | {"output": [self._store.place(path) for path in result.outputs], "worker": self._name}
        choice = result.choice
        if choice is not None:  # the net stays here
            bare = {"denoiser": cast(Any, None), "asked": type(choice.engine.asked)(), "notice": quietly, "first": None}
            choice = replace(choice, engine=replace(choice.engine, **bare))
        return Outcome(replace(result, job=job, choice=choice), told)


def refuse_existing(items: Sequence[Item], layout: Layout, store: Remote, settings: str, *, force: bool) -> Journal:
    """Find what stands against the job before any work; gives the journal as it is now.

    Raises ``OutputError`` where two results would have one name or an input would be overwritten, and ``ExistsError``
    where, without ``force``, a result exists that was not made here with these ``settings``.
    """
    inputs, taken = {store.identity(item.name) for item in items}, dict[Path, Item]()
    there, journal = store.names(), StoredJournal(store, lambda line: None)
    for item in items:
        for path in layout.paths(item):
            other = taken.setdefault(path, item)
            if other is not item:
                raise OutputError(
                    f"{other.name!r} and {item.name!r} would both become {store.place(path)!r}.",
                    "Denoise them one after another, into folders of their own.",
                )
            if path.as_posix() not in there:
                continue
            if store.identity(store.place(path)) in inputs:
                raise OutputError(f"The input {store.place(path)!r} would be overwritten.", "Choose another -o.")
            if not force and not journal.knows(path, settings):
                how = "was made with other settings" if journal.find(path) else "exists already"
                raise ExistsError(f"{store.place(path)!r} {how}.", AGAIN)
    return journal


@contextmanager
def connected(address: str, workers: int | None) -> Iterator[int]:
    """A Ray cluster, at ``address`` or started here for so many workers; gives how many workers it has room for.

    Raises ``UsageError`` where Ray is not installed, ``DeviceError`` where the cluster cannot be reached.
    """
    for name, value in {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise UsageError("Ray is not installed.", "pip install 'denoise-cli[cluster]'") from error
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    here = {"num_cpus": workers or os.cpu_count(), "include_dashboard": False}
    ours = signal.getsignal(signal.SIGTERM)
    try:
        try:
            if address != LOCAL:
                _knock(address)
            ray.init(address=address, **quiet, **(here if address == LOCAL else {}))
        except SystemExit as leaving:  # by Ray's own answer to SIGTERM, with another exit code
            raise SystemExit(128 + signal.SIGTERM) from leaving
        except Exception as error:  # Ray raises plain ones too
            raise DeviceError(
                f"The cluster {address!r} cannot be used: {error}", "Give its address as host:port, or say local."
            ) from error
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, ours)  # Ray has put in its own
        yield int(ray.cluster_resources().get("GPU", 0)) or int(ray.cluster_resources().get("CPU", 1))
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Raises OSError where nobody answers at ``address``: Ray itself would try for minutes."""
    host, _, port = address.rpartition("//")[2].rpartition(":")
    if port.isdecimal():
        socket.create_connection((host, int(port)), 10).close()


def run(jobs: Sequence[Job], plan: Plan, workers: int, notice: Callable[[str], None]) -> Iterator[Outcome]:
    """Do every job with so many ``workers`` of the cluster that is connected; the outcomes come as they are done.

    What a worker that dies was doing is given to another; a worker that dies is replaced. Raises ``UsageError``, and
    ``DeviceError`` where workers die before they can work.
    """
    import ray
    from ray.exceptions import RayActorError, RayTaskError

    plan.store.sweep({path.parent for job in jobs for path in job.paths})
    needs = {"num_gpus": 1.0} if ray.cluster_resources().get("GPU") else {"num_cpus": 1.0}
    keeper = ray.remote(Keeper).options(num_cpus=0, max_restarts=-1, max_task_retries=-1).remote(plan.store)
    kind, shared = ray.remote(Worker).options(**needs), ray.put(plan)
    waiting = deque((Job(job.item, job.paths), 1) for job in jobs)
    workers, left, in_vain = min(workers, len(waiting)), len(waiting), 0
    busy: dict[Any, tuple[Any, _Given | None]] = {}  # workers that load their nets or work, by what is awaited of them
    idle: list[Any] = []

    def hire() -> None:
        worker = kind.remote(shared, keeper)
        busy[worker.ready.remote()] = (worker, None)

    for _ in range(workers):
        hire()
    while left:
        done, _ = ray.wait(list(busy), timeout=_PATIENCE)
        if not done and not idle and all(given is None for _, given in busy.values()):
            notice("no worker yet: the cluster has no room, or is still starting them")
        for reference in done:
            worker, given = busy.pop(reference)
            try:
                outcome = ray.get(reference)
            except RayTaskError as error:
                raise error.cause from error
            except RayActorError as error:
                if given is None:
                    in_vain += 1
                    if in_vain == _TRIES * workers:
                        raise DeviceError(f"The workers of the cluster do not start: {error}") from error
                elif given[1] < _TRIES:
                    notice(f"{given[0].item.name}: its worker died, another does it")
                    waiting.appendleft((given[0], given[1] + 1))
                else:
                    left -= 1
                    outcome = _lost(given[0])
                    ray.get(keeper.append.remote(line_of(outcome.record)))
                    yield outcome
                if waiting and not idle:
                    hire()
            else:
                idle.append(worker)
                if given is not None:
                    left -= 1
                    yield outcome
        while waiting and idle:
            worker, given = idle.pop(), waiting.popleft()
            busy[worker.work.remote(given[0])] = (worker, given)


def _lost(job: Job) -> Outcome:
    error = DeviceError(
        f"{job.item.name}: {_TRIES} workers died over it.", "If they ran out of memory, give them more, or --max-mem."
    )
    result = Result(job, error=error)
    return Outcome(result, record(result))
