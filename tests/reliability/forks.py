"""Runs of ``denoise`` in processes of their own that start at once: torch is imported before they are forked."""

import os
import resource
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

MEMORY = 1500 << 20  # bytes that a run may hold; 350 MiB of them are torch


def preload() -> None:
    """Import what every run imports."""
    import denoise_cli.cli.app
    import denoise_cli.inference.batch
    import denoise_cli.methods.median  # noqa: F401
    from denoise_cli.image import load_opencv

    load_opencv()
    Pillow.init()
    import tifffile  # noqa: F401


@dataclass(frozen=True)
class Run:
    """A run that was started."""

    pid: int
    log: Path  # what it says on stderr; ``.out`` beside it holds stdout

    def poll(self) -> bool:
        """Whether it still runs."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def wait(self, seconds: float) -> tuple[int, int]:
        """Its exit code (negative: the signal that ended it) and the most bytes it held; killed after ``seconds``."""
        end = time.monotonic() + seconds
        while self.poll() and time.monotonic() < end:
            time.sleep(0.005)
        if self.poll():
            os.kill(self.pid, signal.SIGKILL)
        _, status, used = os.wait4(self.pid, 0)
        return os.waitstatus_to_exitcode(status), 1024 * used.ru_maxrss

    def said(self) -> str:
        """What it said on stderr."""
        return self.log.read_text(errors="replace")

    def printed(self) -> str:
        """What it said on stdout."""
        return self.log.with_suffix(".out").read_text(errors="replace")


def start(argv: list[str], log: Path) -> Run:
    """Start ``denoise`` with ``argv``."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return Run(pid, log)
    code: object = 1
    try:
        for number, path in ((1, log.with_suffix(".out")), (2, log)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        sys.argv = ["denoise", *argv]
        from denoise_cli.__main__ import entry

        entry()
    except SystemExit as leaving:
        code = leaving.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0)


def make_folder(folder: Path, count: int, seed: int) -> None:
    """Put ``count`` small images of several formats into ``folder``, half of them deeper in."""
    random = np.random.default_rng(seed)
    for index in range(count):
        suffix = (".png", ".jpg", ".tif", ".webp", ".gif")[index % 5]
        place = folder / ("sub" if index % 2 else "") / f"{index:03}{suffix}"
        place.parent.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(random.integers(0, 256, (40, 56, 3), dtype=np.uint8)).save(place)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below ``folder`` under a final name; neither the journal nor what a kill leaves of temporary files."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
