"""Ends runs over a folder at random moments, by a signal, and looks at what they leave.

    python tests/reliability/interruptions.py KILL|INT|TERM [COUNT] [SEED] [in-place]

After each, every file under a final name must be one of an undisturbed run, byte for byte; after every fourth the run
is started once more and must complete to the same files. With `in-place` the runs replace their inputs (but for GIF,
which would lose colours), and what was not replaced yet is right too. Prints what was counted as JSON; exit code 1
where anything was wrong.
"""

import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import forks

CODES = {"KILL": (-9, 0), "INT": (130, 0), "TERM": (143, 0)}  # 0: it was done before


def main(name: str, count: int, seed: int, in_place: bool) -> int:
    """Do it ``count`` times with the signal ``name``."""
    forks.preload()
    chance = random.Random(seed)
    counted = {"signal": name, "moments": count, "ended by it": 0, "done before": 0, "files seen": 0, "parts left": 0}
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        here = Path(place)
        forks.make_folder(here / "in", 20, seed)
        for path in (here / "in").rglob("*.gif") if in_place else ():
            path.unlink()
        given = forks.contents(here / "in") if in_place else {}
        argv = _argv(here / "wanted", here, in_place)
        began = time.monotonic()
        run = forks.start(argv, here / "log")
        if run.wait(120)[0]:
            sys.stderr.write(run.said())
            return 1
        usual, wanted = time.monotonic() - began, forks.contents(here / "wanted")
        for moment in range(count):
            out = here / f"out{moment // 4}"
            argv = _argv(out, here, in_place)
            run = forks.start(argv, here / "log")
            time.sleep(chance.uniform(0, usual))
            if run.poll():
                os.kill(run.pid, getattr(signal, f"SIG{name}"))
            code, _ = run.wait(120)
            counted["ended by it" if code else "done before"] += 1
            if code not in CODES[name] or "Traceback" in run.said():
                wrong.append(f"moment {moment}: exit code {code}: {run.said()[-2000:]}")
            found = forks.contents(out)
            counted["files seen"] += len(found)
            wrong += [
                f"moment {moment}: {file} differs"
                for file in found
                if found[file] not in (wanted.get(file), given.get(file))
            ]
            counted["parts left"] += len(list(out.rglob("*.part")))
            if moment % 4 == 3 or moment == count - 1:
                run = forks.start(argv, here / "log")
                code, _ = run.wait(120)
                if code or forks.contents(out) != wanted:
                    wrong.append(f"moment {moment}: the next run did not complete: {code}: {run.said()[-2000:]}")
    sys.stdout.write(json.dumps(counted | {"wrong": wrong}) + "\n")
    return 1 if wrong else 0


def _argv(out: Path, here: Path, in_place: bool) -> list[str]:
    if not in_place:
        return ["run", str(here / "in"), "-o", str(out), "-m", "median"]
    if not out.exists():
        shutil.copytree(here / "in", out)
    return ["run", str(out), "--in-place", "-m", "median"]


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "in-place"]
    count, seed = (*map(int, words[1:]), *(100, 0)[len(words) - 1 :])
    sys.exit(main(words[0], count, seed, "in-place" in sys.argv))
