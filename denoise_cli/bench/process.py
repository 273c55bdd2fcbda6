"""A command run as a process of its own, and what it took."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from denoise_cli.errors import DenoiseError

# small, because on Linux the peak of a process begins with that of the one that started it
_LAUNCHER = """
import json, resource, subprocess, sys, time
began = time.monotonic()
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
peak = used.ru_maxrss if sys.platform == "darwin" else 1024 * used.ru_maxrss
wall = time.monotonic() - began
print(json.dumps([done.returncode, done.stdout.decode(), peak, used.ru_utime + used.ru_stime, wall]))
"""


@dataclass(frozen=True)
class Ran:
    """What a process took."""

    stdout: str
    peak: int  # bytes that were resident at most
    seconds: float  # of the processor, all threads together
    wall: float  # seconds that passed


def run(words: Sequence[str], environment: Mapping[str, str] | None = None) -> Ran:
    """Run Python with ``words``, such as ``["-c", "import torch"]``, and wait; raises ``DenoiseError`` if it fails.

    ``environment`` takes the place of this process's own.
    """
    launched = subprocess.run(
        [sys.executable, "-c", _LAUNCHER, sys.executable, *words],
        stdout=subprocess.PIPE,
        check=True,
        env=environment,
    )
    code, stdout, peak, seconds, wall = json.loads(launched.stdout)
    if code:
        raise DenoiseError(
            f"python {' '.join(words)} ended with exit code {code}.", "What it said is above; see `denoise --help`."
        )
    return Ran(stdout, peak, seconds, wall)


def denoise(*words: str) -> Ran:
    """Run the command line with ``words``."""
    return run(["-m", "denoise_cli", *words])
