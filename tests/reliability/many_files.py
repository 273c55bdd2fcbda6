"""What very many files in one folder cost before and beside the work on them.

    python tests/reliability/many_files.py [COUNT] [DRY]

Lists COUNT images, finds where their results go and that nothing is in the way; reads a journal of as many lines, made
by as many results; and does ``denoise run --dry-run`` over DRY of them and over four times as many. Prints processor
seconds and memory as JSON.
"""

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import forks
import numpy as np
from PIL import Image as Pillow

MOST_LINKS = 30_000  # of one file, where a file system counts them


def fill(folder: Path, count: int) -> None:
    """``count`` images of 16 x 16 pixels in ``folder``."""
    folder.mkdir()
    for index in range(count):
        path, first = folder / f"{index:06}.png", folder / f"{index - index % MOST_LINKS:06}.png"
        if path == first:
            noise = np.random.default_rng(index).integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Pillow.fromarray(noise).save(path)
        else:
            os.link(first, path)


def planned(folder: Path) -> int:
    """As ``denoise run`` does it: inputs, results, clashes; the number of images."""
    from denoise_cli.inference.inputs import gather
    from denoise_cli.inference.outputs import Layout, check

    items = gather([str(folder)]).items
    check(items, Layout.of(items, str(folder.with_name("out")), None))
    return len(items)


def written(folder: Path, count: int) -> None:
    """A journal as the run of a net leaves it."""
    from denoise_cli.inference.journal import NAME, digest

    folder.mkdir()
    told = {"model": "dncnn.color-blind", "weights": "0" * 64, "device": "cpu", "precision": "float32", "seconds": 0.1}
    with (folder / NAME).open("w") as file:
        for index in range(count):
            name = f"{index:06}.png"
            marks = {"settings": digest(b"settings"), "content": digest(name.encode()), "results": {name: "0" * 32}}
            file.write("\n" + json.dumps({"input": f"in/{name}", "output": [f"out/{name}"]} | told | marks))


def read(folder: Path) -> int:
    """The number of results that a journal knows."""
    from denoise_cli.inference.journal import Journal

    journal = Journal(folder)
    return sum(journal.knows(folder / f"{index:06}.png", None) for index in range(0, 1000))


def cost(work: Callable[[], int], expected: int) -> dict[str, float]:
    """Processor seconds and MiB that ``work`` adds to a process, in one of its own."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        began, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert work() == expected
        more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        told = {"seconds": round(time.process_time() - began, 2), "mib": round(more / 1024, 1)}
        os.write(into, json.dumps(told).encode())
        os._exit(0)
    os.close(into)
    found: dict[str, float] = json.loads(os.read(out, 1000))
    os.waitpid(child, 0)
    return found


def dry(folder: Path, place: Path) -> dict[str, Any]:
    """Processor seconds for an image, and the memory, of a dry run over ``folder``."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    argv = ["run", str(folder), "-o", str(place / "nowhere"), "-m", "median", "--dry-run"]
    run = forks.start(argv, place / "log")
    code, memory = run.wait(3600)
    assert code == 0, run.said()
    count = len(run.printed().splitlines())
    seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    return {"images": count, "milliseconds_an_image": round(1000 * seconds / count, 2), "mib": memory >> 20}


def main(count: int, few: int) -> None:
    """Measure all of it."""
    forks.preload()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        fill(place / "in", count)
        written(place / "journal", count)
        told: dict[str, Any] = {"files": count, "planning": cost(lambda: planned(place / "in"), count)}
        told["journal"] = cost(lambda: read(place / "journal"), 1000)
        fill(place / "few", few)
        fill(place / "more", 4 * few)
        told["dry runs"] = [dry(place / "few", place), dry(place / "more", place)]
        sys.stdout.write(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    words = [int(word) for word in sys.argv[1:]]
    main(words[0] if words else 100_000, words[1] if len(words) > 1 else 1000)
