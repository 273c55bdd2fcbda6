"""Work on what comes next, in a thread of its own, while what came before is used."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from threading import Condition
from typing import TypeVar

Task = TypeVar("Task")
Made = TypeVar("Made")


def ahead(
    tasks: Iterable[Task], make: Callable[[Task], Made], size: Callable[[Made], int], most: int, room: int
) -> Generator[tuple[Task, "Future[Made]"]]:
    """Each of ``tasks``, in order, with what was made of it, or its error.

    While one is used the next is made, and up to ``most`` if what waits is smaller than ``room``, by its ``size``.
    """
    store, coming = _Store(room), deque[tuple[Task, Future[Made]]]()

    def made(task: Task) -> Made:
        store.enter()
        found = make(task)
        store.add(size(found))
        return found

    def taken() -> tuple[Task, "Future[Made]"]:
        task, future = coming.popleft()
        wait([future])
        if future.exception() is None:
            store.add(-size(future.result()))
        return task, future

    with ThreadPoolExecutor(1) as thread:
        try:
            for task in tasks:
                coming.append((task, thread.submit(made, task)))
                if len(coming) > most:
                    yield taken()
            while coming:
                yield taken()
        finally:
            store.close()


class _Store:
    """How much was made and not taken."""

    def __init__(self, room: int) -> None:
        self._room, self._held, self._closed = room, 0, False
        self._changed = Condition()

    def enter(self) -> None:
        """Wait until there is room. Raises ``CancelledError`` where nobody waits for more."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not self._held or self._held < self._room)
            if self._closed:
                raise CancelledError

    def add(self, size: int) -> None:
        """Hold so much more, or less."""
        with self._changed:
            self._held += size
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing more is to be made."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
