"""Work on what comes next."""

import threading
import time
from collections.abc import Iterator

import pytest

from denoise_cli.inference.ahead import ahead


def until(true: threading.Event) -> None:
    assert true.wait(10)


def settled(made: list[int]) -> list[int]:
    """What is in ``made`` once it no longer grows."""
    before = -1
    while len(made) != before:
        before = len(made)
        time.sleep(0.2)
    return list(made)


def test_all_are_made_in_order_and_errors_stop_nothing() -> None:
    def make(task: int) -> int:
        if task == 3:
            raise ValueError("three")
        return task * task

    found = [(task, future.exception() or future.result()) for task, future in ahead(range(9), make, int, 4, 20)]
    assert [task for task, _ in found] == list(range(9))
    assert isinstance(found[3][1], ValueError)
    assert [result for task, result in found if task != 3] == [task * task for task in range(9) if task != 3]


@pytest.mark.parametrize(("size", "waiting"), [(1, 5), (4, 3), (9, 2), (1000, 2)])
def test_what_waits_is_no_more_than_there_is_room_for(size: int, waiting: int) -> None:
    made: list[int] = []

    def make(task: int) -> int:
        made.append(task)
        return size

    results = ahead(range(50), make, lambda size: size, 4, 8)
    next(results)
    assert settled(made) == list(range(waiting)), "the one that is used, and those that fit, but always one"
    next(results)
    assert settled(made) == list(range(waiting + 1))
    results.close()


def test_the_next_is_made_while_one_is_used() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def make(task: int) -> int:
        if task == 1:
            begun.set()
            until(go_on)
        return task

    results = ahead(range(2), make, int, 1, 8)
    assert next(results)[1].result() == 0
    until(begun)
    go_on.set()
    assert next(results)[1].result() == 1


def test_who_stops_early_does_not_wait_for_the_rest() -> None:
    made: list[int] = []

    def tasks() -> Iterator[int]:
        yield from range(1000)

    def make(task: int) -> int:
        made.append(task)
        return 100

    results = ahead(tasks(), make, lambda size: size, 16, 8)
    next(results)
    settled(made)
    results.close()
    assert len(made) == 2
