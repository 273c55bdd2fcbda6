"""The folder of a run: which files are in it, and who may write there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from denoise_cli import shelf
from denoise_cli.errors import OutputError
from denoise_cli.files import PART_SUFFIX

LAST = "last.safetensors"  # the whole state
SAFE = "safe.safetensors"  # the state to go back to
BEST = shelf.OF_RUN  # the averaged weights with the best validation PSNR
LOG = "log.jsonl"
CURVE = "curve.png"


def discard(folder: Path) -> None:
    """Remove the files of an earlier run from ``folder``."""
    for name in (LAST, SAFE, BEST, LOG, CURVE):
        (folder / name).unlink(missing_ok=True)


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Make ``folder`` and keep other runs out of it; remove temporary files that a kill left behind.

    A folder that was made and has stayed empty is removed in the end.
    Raises ``OutputError`` where it cannot be made, or where another process trains there. Where the system has no
    ``flock`` nobody is kept out.
    """
    existed = folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be made: {error.strerror or error}.", "Choose another folder with -o."
        ) from error
    with _lock(folder):
        for name in (LAST, SAFE, BEST, LOG, CURVE):
            for part in folder.glob(f".{name}.*{PART_SUFFIX}"):
                part.unlink(missing_ok=True)
        try:
            yield
        finally:
            if not existed and not any(folder.iterdir()):
                folder.rmdir()


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)  # the lock goes with the process, however that ends
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(
                f"Another process is training in {folder} already.", "Wait for it, or choose another folder with -o."
            ) from error
        except OSError:
            pass  # a file system without locks, such as some network drives
        yield
    finally:
        os.close(descriptor)
