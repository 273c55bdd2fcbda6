"""All that is drawn on the screen: the product on stdout, everything else on stderr."""

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console

if TYPE_CHECKING:
    from pathlib import Path

WIDE = 200  # columns where the output is no terminal, so that no table is cut


@dataclass
class _Volume:
    quiet: bool = False
    verbose: bool = False


_volume = _Volume()


def set_volume(*, quiet: bool, verbose: bool) -> None:
    """What ``-q`` and ``-v`` say: errors only, or more than usual."""
    _volume.quiet, _volume.verbose = quiet, verbose


def verbose() -> bool:
    """Whether more than usual is to be shown."""
    return _volume.verbose


def quiet() -> bool:
    """Whether only errors are to be shown."""
    return _volume.quiet


class _Console(Console):
    """Leaves a closed pipe to ``main``, which ends quietly; rich would exit with 1."""

    def on_broken_pipe(self) -> None:
        """Called where a ``BrokenPipeError`` is being handled."""
        raise


@cache
def out() -> Console:
    """The console on stdout, for the product: a table, JSON, a path."""
    return _console(stderr=False)


@cache
def err() -> Console:
    """The console on stderr, for messages, bars and warnings."""
    return _console(stderr=True)


def reset() -> None:
    """Forget the consoles, so that the next ones write to the streams of that moment."""
    out.cache_clear()
    err.cache_clear()


def printable(message: str) -> str:
    """``message`` with escapes for what a terminal would obey or cannot show, as names of files may hold."""
    if message.replace("\n", "").isprintable():
        return message
    shown = (letter if letter.isprintable() or letter == "\n" else ascii(letter)[1:-1] for letter in message)
    return "".join(shown)


def one_line(words: str) -> str:
    """The same, with an escape for a line break too."""
    return printable(words).replace("\n", "\\n")


def say(message: str) -> None:
    """A line on stderr, unless only errors are wanted."""
    if not _volume.quiet:
        err().print(printable(message), markup=False, highlight=False, soft_wrap=True)


def detail(message: str) -> None:
    """A line on stderr that only ``-v`` shows."""
    if _volume.verbose:
        say(message)


def complain(message: str) -> None:
    """An error on stderr, always."""
    err().print(printable(message), markup=False, highlight=False, soft_wrap=True, style="red")


def emit(line: str) -> None:
    """A line of the product on stdout, never wrapped or styled."""
    out().print(line, markup=False, highlight=False, soft_wrap=True)


def write_page(page: str, output: "Path | None") -> None:
    """A page of Markdown into a file, whose name is printed; or to stdout."""
    from denoise_cli.files import write_atomically

    if output is None:
        emit(page.removesuffix("\n"))
        return
    write_atomically(output, page.encode(), force=True)
    emit(str(output))


def table(lines: Sequence[Sequence[str]], numbers: Collection[int] = ()) -> None:
    """The product as a table, titles first: drawn on a terminal, else as aligned text of any width.

    The columns of ``numbers`` are aligned at their right.
    """
    rows = [[one_line(cell) for cell in line] for line in lines]
    if not out().is_terminal:
        widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = []
            for index, (cell, width) in enumerate(zip(row, widths, strict=True)):
                space = " " * (width - cell_len(cell))
                cells.append(space + cell if index in numbers else cell + space)
            emit("  ".join(cells).rstrip())
        return
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, header_style="bold")
    for index, title in enumerate(rows[0]):
        drawn.add_column(title, justify="right" if index in numbers else "left", overflow="fold")
    for row in rows[1:]:
        drawn.add_row(*map(Text, row))
    out().print(drawn)


class Bar:
    """A running bar, if it is drawn: ``advance`` moves it, ``note`` changes the words behind it."""

    def advance(self, steps: float = 1) -> None:
        """Move on by ``steps``."""

    def move(self, position: float) -> None:
        """Move to ``position``."""

    def note(self, words: str) -> None:
        """Show ``words`` behind the bar."""

    def say(self, message: str) -> None:
        """A line on stderr, above the bar."""
        say(message)


@contextmanager
def progress(description: str, total: float | None) -> Iterator[Bar]:
    """A bar on stderr; nothing is drawn with ``-q`` or where stderr is no terminal."""
    if _volume.quiet or not err().is_terminal:
        yield Bar()
        return
    from denoise_cli.cli.bar import drawn  # a tenth of a second, which a pipeline does without

    with drawn(description, total, err()) as bar:
        yield bar


def _console(*, stderr: bool) -> Console:
    console = _Console(stderr=stderr, emoji=False)
    if not console.is_terminal or os.environ.get("TERM") == "dumb":
        return _Console(stderr=stderr, emoji=False, width=WIDE, no_color=True, force_terminal=False)
    return console
