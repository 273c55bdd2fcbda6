"""Ctrl-C and termination while something is under way that has to be brought to an end first."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interrupts() -> Iterator[list[int]]:
    """While inside, SIGINT and SIGTERM do not stop the program at once: their exit codes go into the list.

    The second one does stop it: what is on the disk is whole at any moment.
    """
    received: list[int] = []
    codes = {signal.SIGINT: 130, signal.SIGTERM: 143}

    def receive(number: int, frame: object) -> None:
        if received:
            raise SystemExit(codes[signal.Signals(number)])
        received.append(codes[signal.Signals(number)])

    before = {number: signal.signal(number, receive) for number in codes}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
