"""Several images fitted at once: the same answers, and nothing lost where a process ends early."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from denoise_cli.cli.app import main
from denoise_cli.image import Image, Source, read, write

TINY = ["--set", "width=4", "--set", "inputs=2", "--set", "depth=1"]
COMMAND = [sys.executable, "-m", "denoise_cli", "fit-dip", *TINY]
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks for the processes in /proc")


def pictures(folder: Path, names: str) -> list[str]:
    for seed, name in enumerate(names):
        pixels = np.random.default_rng(seed).random((3, 11, 14), dtype=np.float32)
        write(Image(pixels, Source(name, mode="RGB", depth=8)), folder / f"{name}.png", force=False)
    return [str(folder / f"{name}.png") for name in names]


def started(words: list[str]) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    return subprocess.Popen([*COMMAND, *words], stdout=pipe, stderr=pipe, text=True, start_new_session=True)


def until(process: "subprocess.Popen[str]", told: Callable[[str], bool]) -> str:
    """The line of ``process`` that says so."""
    assert process.stderr is not None
    return next(line for line in process.stderr if told(line))


def children(process: int) -> list[int]:
    """The workers of a process; the one that Python keeps for shared names is none."""
    found = map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split())
    return [child for child in found if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def test_as_if_one_after_the_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noisies = pictures(tmp_path, "abc")
    (tmp_path / "d.png").write_bytes(b"no image")
    for workers in ("1", "2"):
        words = ["-o", str(tmp_path / workers), "--iters", "3", "--workers", workers, "--json", *TINY]
        assert main(["fit-dip", *noisies, str(tmp_path / "d.png"), *words]) == 7
        out, err = capsys.readouterr()
        records = {Path(record["input"]).stem: record for record in map(json.loads, out.splitlines())}
        assert sorted(records) == ["a", "b", "c", "d"] and "is not an image" in records["d"]["error"]
        assert [records[name]["steps"] for name in "abc"] == [3, 3, 3]
        assert err.count("on cpu (") == 1 and ("2 processes at once" in err) == (workers == "2")
        assert "1 of 4 images failed" in err
    for name in "abc":
        one, other = (read(tmp_path / workers / f"{name}.png").pixels for workers in ("1", "2"))
        np.testing.assert_allclose(one, other, atol=1.5 / 255)


def test_what_no_image_can_do_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--stop", "sometimes", "--workers", "2", *TINY]
    assert main(["fit-dip", *pictures(tmp_path, "ab"), *words]) == 2
    assert capsys.readouterr().err.count("sometimes") == 1
    assert main(["fit-dip", *pictures(tmp_path / "more", "ab"), "--workers", "0"]) == 2


@linux_only
def test_an_interrupt_writes_what_is_under_way(tmp_path: Path) -> None:
    words = ["--iters", "1000000", "--save-every", "5", "--workers", "2", "--batch", "1"]
    process = started([*pictures(tmp_path, "abc"), *words])
    while process.poll() is None and len(list(tmp_path.glob("*-denoised-step5.png"))) < 2:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err.count("interrupted after") == 2 and "Traceback" not in err
    assert len(list(tmp_path.glob("*-denoised.png"))) == 2


@linux_only
def test_an_interrupt_before_the_first_step_writes_nothing(tmp_path: Path) -> None:
    process = started([*pictures(tmp_path, "ab"), "--iters", "1000000", "--workers", "2"])
    until(process, lambda line: "processes at once" in line)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err and "failed" not in err
    assert not list(tmp_path.glob("*-denoised.png"))


@linux_only
def test_what_lost_its_process_is_fitted_again(tmp_path: Path) -> None:
    process = started([*pictures(tmp_path, "ab"), "--iters", "60", "--workers", "2"])
    until(process, lambda line: "at most 60 steps" in line)
    os.kill(children(process.pid)[0], signal.SIGKILL)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "Its process ended before the fit did" in err and "once more, alone" in err
    assert len(list(tmp_path.glob("*-denoised.png"))) == 2


@linux_only
def test_no_process_outlives_the_first(tmp_path: Path) -> None:
    process = started([*pictures(tmp_path, "ab"), "--iters", "1000000", "--workers", "2"])
    until(process, lambda line: "at most 1000000 steps" in line)
    workers = children(process.pid)
    process.kill()
    process.communicate(timeout=60)
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert workers and not list(tmp_path.glob("*-denoised.png"))
