"""Coverage-guided fuzzing of ``image.read``, by libFuzzer through atheris (``pip install atheris``).

    python tests/reliability/coverage_fuzz.py [MINUTES] [SEED]

It starts from written files of every format and keeps what reaches new lines of this project, Pillow and tifffile.
Every input must end in frames within the limits or in an ``InputError``, within a minute and a gibibyte. Prints what
was counted as JSON; exit code 1 where anything was wrong, with the inputs kept in ``coverage-fuzz-findings``.
"""

import importlib
import importlib.util
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

MOST_PIXELS = 250_000
MOST_BYTES = 1 << 15
SECONDS, MEBIBYTES = 60, 1024  # for each input
FINDINGS = Path("coverage-fuzz-findings")
_PLUGINS = ("Png", "Jpeg", "WebP", "Gif", "Bmp", "Tiff", "Ppm")


def check(data: bytes, place: Path) -> None:
    """Read ``data`` as a file. Raises whatever is no message for a user."""
    import numpy as np

    from denoise_cli import image
    from denoise_cli.errors import InputError

    place.write_bytes(data)
    try:
        first = image.read(place, MOST_PIXELS)
        frames = image.decode_frames(data, place.name, MOST_PIXELS)
    except InputError as error:
        assert error.what.strip(), "no message"
        return
    assert sum(frame.height * frame.width for frame in frames) <= MOST_PIXELS, "more pixels than the limit"
    for frame in (first, *frames):
        assert np.isfinite(frame.pixels).all(), "values that are not finite"
        assert frame.pixels.min() >= 0 and frame.pixels.max() <= 1, "values outside of [0, 1]"


def mutate(data: bytes, most: int, seed: int) -> bytes:
    """libFuzzer's own mutation, or one of ``fuzz``; checksums of PNG files made right again for every other."""
    import atheris
    import fuzz

    chance = Random(seed)
    if chance.random() < 0.3:
        return fuzz.mutated(data, seeds(), chance)[:most]
    changed = atheris.Mutate(data, most)
    return fuzz.checked(changed)[:most] if chance.random() < 0.5 else changed


@cache
def seeds() -> list[bytes]:
    """The files that mutation begins with; imported late, so that decoders are instrumented before."""
    import fuzz

    from denoise_cli import image

    found = fuzz.seeds()
    if importlib.util.find_spec("OpenEXR"):
        found.append(image.encode(image.decode(found[0], "seed"), "exr"))
    return found


def child(arguments: list[str]) -> None:
    """Fuzz in this process until libFuzzer ends it."""
    import atheris

    with atheris.instrument_imports(include=["denoise_cli.image", "PIL", "tifffile"]):
        for name in ("tifffile", "denoise_cli.image.reading", *(f"PIL.{kind}ImagePlugin" for kind in _PLUGINS)):
            importlib.import_module(name)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "input")
        atheris.Setup(
            [sys.argv[0], *arguments],
            lambda data: check(data, place),
            custom_mutator=mutate,
            enable_python_coverage=True,
        )
        atheris.Fuzz()


def main(minutes: float, seed: int) -> int:
    """Fuzz for so long, beginning again where an input ended it."""
    FINDINGS.mkdir(exist_ok=True)
    ends = time.monotonic() + 60 * minutes
    runs: list[dict[str, Any]] = []
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        corpus = Path(place)
        for index, data in enumerate(seeds()):
            (corpus / f"seed-{index}").write_bytes(data)
        while (left := round(ends - time.monotonic())) > 0:
            flags = [
                f"-max_total_time={left}", f"-timeout={SECONDS}", f"-rss_limit_mb={MEBIBYTES}", "-print_final_stats=1",
                f"-seed={seed + len(runs) + 1}", f"-max_len={MOST_BYTES}", f"-artifact_prefix={FINDINGS}/",
            ]  # fmt: skip
            words = [sys.executable, __file__, "--child", *flags, place]
            done = subprocess.run(words, capture_output=True, text=True, errors="replace")
            runs.append(_counts(done.stderr))
            if done.returncode != 0:
                wrong.append(f"exit code {done.returncode}: {(done.stdout + done.stderr)[-3000:]}")
            if not runs[-1]["inputs"]:
                break  # it cannot even begin
        kept = len(list(corpus.iterdir()))
    counted = {
        "minutes": minutes, "seed": seed, "inputs": sum(run["inputs"] for run in runs), "seeds": len(seeds()),
        "kept": kept, "covered": [run["covered"] for run in runs], "peak_mib": max(run["mib"] for run in runs),
        "slowest_seconds": max(run["slowest"] for run in runs),
        "processor_seconds": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime), "wrong": wrong,
    }  # fmt: skip
    sys.stdout.write(json.dumps(counted, indent=1) + "\n")
    return 1 if wrong else 0


def _counts(said: str) -> dict[str, Any]:
    """What libFuzzer tells at its end: inputs, points of the code reached at its beginning and end, memory, time."""
    statistics = dict(re.findall(r"^stat::(\w+):\s*(\d+)", said, re.MULTILINE))
    covered = [int(number) for number in re.findall(r"cov: (\d+)", said)]
    executed = re.findall(r"^#(\d+)\s", said, re.MULTILINE)
    return {
        "inputs": int(statistics.get("number_of_executed_units", executed[-1] if executed else 0)),
        "covered": [covered[0], covered[-1]] if covered else [],
        "mib": int(statistics.get("peak_rss_mb", 0)),
        "slowest": int(statistics.get("slowest_unit_time_sec", 0)),
    }


if __name__ == "__main__":
    given = sys.argv[1:]
    if given[:1] == ["--child"]:
        child(given[1:])
    else:
        sys.exit(main(float(given[0]) if given else 10.0, int(given[1]) if len(given) > 1 else 0))
