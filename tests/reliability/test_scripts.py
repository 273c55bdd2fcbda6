"""The scripts beside this file, in short; with DENOISE_LONG=1 as long as in ``docs/reliability.md``."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

LONG = bool(os.environ.get("DENOISE_LONG"))
HERE = Path(__file__).parent
pytestmark = pytest.mark.skipif(os.name != "posix", reason="the scripts fork")


def counted(script: str, *words: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, str(HERE / script), *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", ["KILL", "INT", "TERM"] if LONG else ["KILL"])
@pytest.mark.parametrize("more", [[], ["in-place"]])
def test_a_folder_run_can_be_ended_at_any_moment(name: str, more: list[str]) -> None:
    count = 100 if LONG else 4
    found = counted("interruptions.py", name, str(count), *more)
    assert found["ended by it"] + found["done before"] == count and found["ended by it"] > 0


def test_mutated_files_end_in_a_result_or_a_message() -> None:
    count = 10_000 if LONG else 120
    found = counted("fuzz.py", str(count))
    assert found["results"] + found["messages"] == count and found["results"] > 0 and found["kinds"] > 10
