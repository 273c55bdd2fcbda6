"""The bar that runs along while something takes time."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from denoise_cli.cli.screen import Bar


@contextmanager
def drawn(description: str, total: float | None, console: Console) -> Iterator[Bar]:
    """A bar on ``console``, gone when its work is done."""
    words = TextColumn("{task.fields[words]}", markup=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), words)
    with Progress(*columns, console=console, transient=True) as running:
        yield _Drawn(running, running.add_task(description, total=total, words=""))


@dataclass
class _Drawn(Bar):
    progress: Progress
    task: TaskID

    def advance(self, steps: float = 1) -> None:
        self.progress.advance(self.task, steps)

    def move(self, position: float) -> None:
        self.progress.update(self.task, completed=position)

    def note(self, words: str) -> None:
        self.progress.update(self.task, words=words)
