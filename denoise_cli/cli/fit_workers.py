"""Several images fitted at once, each in a process of its own.

A step on a small image is too little work to be shared by many threads: on two cores two processes of one thread each
fitted two images of 128x128 pixels in 0.87 of the time of one process of two threads, and two of 256x256 in 0.79 (60
steps of fit-dip, from start to exit, means of two runs).
"""

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any

from denoise_cli import device as devices
from denoise_cli.cli import screen
from denoise_cli.cli.fit_view import Bar, Task, fit_batch, most_steps
from denoise_cli.errors import DenoiseError, DeviceError, UsageError
from denoise_cli.fitting import memory

if TYPE_CHECKING:
    import torch

_LOOK = 0.2  # seconds between looks at the processes, and between what they tell of their steps
_LOST = DeviceError("Its process ended before the fit did, perhaps for want of memory.", "Take fewer --workers.")


def at_once(wanted: int | None, images: int, where: "torch.device") -> int:
    """How many processes fit ``images``: as many as ``wanted``, or one for each thread of the CPU."""
    import torch

    most = wanted or (torch.get_num_threads() if where.type == "cpu" else 1)
    return min(most, images)


def fit_at_once(
    batches: Sequence[Sequence[Task]],
    count: int,
    where: "torch.device",
    dtype: "torch.dtype",
    interrupted: Sequence[int],
) -> Iterator[tuple[Task, DenoiseError | None]]:
    """Fit the images in ``count`` processes, batch by batch; each comes as it is done, with what went wrong.

    Once there is anything in ``interrupted`` those under way end with the best so far, and no others begin. What found
    too little memory beside the others, or lost its process, is fitted once more, alone, in this one. Raises
    ``UsageError`` as a single fit does.
    """
    import torch

    threads = max(1, torch.get_num_threads() // count)
    screen.say(f"{devices.line(where, dtype)}: {count} processes at once")
    alone: list[Task] = []
    waiting = deque(batches)
    steps = {task.index: 0.0 for tasks in batches for task in tasks}
    workers = [_Worker.start(threads, count) for _ in range(count)]
    try:
        with screen.progress("fitting", len(steps) * most_steps(batches[0][0].options)) as bar:
            while workers:
                for worker in [worker for worker in workers if not worker.tasks]:
                    if waiting and not interrupted:
                        worker.give(waiting.popleft())
                    else:
                        workers.remove(worker)
                        worker.end()
                for worker in _heard(workers):
                    kind, told = worker.hear()
                    tasks = worker.tasks
                    if kind == "say":
                        bar.say(told)
                    elif kind == "emit":
                        screen.emit(told)
                    elif kind == "step":
                        steps.update({task.index: told for task in tasks})
                    elif isinstance(told, UsageError):
                        raise told
                    else:
                        lost = told is _LOST
                        errors: Sequence[DenoiseError | None] = [_LOST] * len(tasks) if lost else told
                        worker.tasks = ()
                        if lost:
                            workers.remove(worker)
                            worker.end()
                        for task, error in zip(tasks, errors, strict=True):
                            steps[task.index] = most_steps(task.options)
                            if isinstance(error, DeviceError) and not interrupted:
                                bar.say(f"{task.item.name}: {error.what} It is fitted once more, alone.")
                                alone.append(task)
                            else:
                                yield task, error
                if interrupted:
                    for worker in workers:
                        worker.halt()
                bar.move(sum(steps.values()))
    finally:
        for worker in workers:
            worker.end()
    for task in [*alone, *chain.from_iterable(waiting)]:
        if not interrupted:
            yield from fit_batch([task], screen, lambda: bool(interrupted))


@dataclass
class _Worker:
    """A process that fits one batch after the other."""

    process: Any
    connection: "Connection[Any, Any]"
    tasks: Sequence[Task] = ()
    halted: bool = False

    @classmethod
    def start(cls, threads: int, count: int) -> "_Worker":
        """One of ``count`` processes, with so many ``threads``."""
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there, threads, count), daemon=True)
        with _unheard():
            process.start()
        there.close()  # so that it ends here too where the process does
        return cls(process, here)

    def give(self, tasks: Sequence[Task]) -> None:
        """Let it fit ``tasks``."""
        self.tasks = tasks
        self._send(tasks)

    def halt(self) -> None:
        """Let its fit end with the best so far."""
        if not self.halted:
            self.halted = True
            self._send(None)

    def hear(self) -> tuple[str, Any]:
        """What it tells: a line to ``say`` or ``emit``, a ``step``, or that it is ``done``, with what went wrong."""
        try:
            kind, told = self.connection.recv()
        except (EOFError, OSError):
            return "done", _LOST
        return kind, told

    def end(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        self.process.join()
        self.connection.close()

    def _send(self, message: Sequence[Task] | None) -> None:
        with suppress(OSError):  # the process has ended, which is heard next
            self.connection.send(message)


@contextmanager
def _unheard() -> Iterator[None]:
    """A process that is started meanwhile never hears of Ctrl-C or SIGTERM, which reach all: the first one tells it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _heard(workers: Sequence[_Worker]) -> list[_Worker]:
    """Those that have something to tell, or have ended."""
    ready = wait([worker.connection for worker in workers], _LOOK)
    return [worker for worker in workers if worker.connection in ready]


def _serve(connection: "Connection[Any, Any]", threads: int, count: int) -> None:
    """Fit what is asked for, until nobody is there any more who asks."""
    import torch

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    torch.set_num_threads(threads)
    devices.keep_memory()
    memory.share(count)
    remote = _Remote(connection)
    while (tasks := remote.asked()) is not None:
        told: UsageError | list[DenoiseError | None] = [None] * len(tasks)
        try:
            if not remote.interrupted():
                told = [error for _, error in fit_batch(tasks, remote, remote.interrupted)]
        except UsageError as mistake:
            told = mistake
        connection.send(("done", told))


class _Remote:
    """A voice that is heard by the process that has the screen."""

    def __init__(self, connection: "Connection[Any, Any]") -> None:
        self._connection = connection
        self._halted = False
        self._told = 0.0

    def asked(self) -> Sequence[Task] | None:
        """What to fit next; ``None``: nothing more. The process ends where the other one has."""
        try:
            tasks: Sequence[Task] | None = self._connection.recv()
        except (EOFError, OSError):
            os._exit(1)
        return tasks

    def interrupted(self) -> bool:
        """Whether the fit is to end."""
        if self._connection.poll():
            self._halted = self.asked() is None
        return self._halted

    def say(self, message: str) -> None:
        """A line for the user."""
        self._connection.send(("say", message))

    def emit(self, line: str) -> None:
        """A line of the product."""
        self._connection.send(("emit", line))

    @contextmanager
    def progress(self, description: str, total: float | None) -> Iterator[Bar]:
        """A part of the bar over all images."""
        yield self

    def move(self, position: float) -> None:
        """Move to ``position``."""
        now = time.monotonic()
        if now - self._told >= _LOOK:
            self._told = now
            self._connection.send(("step", position))

    def note(self, words: str) -> None:
        """Of several fits no details are shown."""
