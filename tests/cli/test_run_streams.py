"""``denoise run`` in a pipe, on a terminal, with ``--json``."""

import io
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow

from denoise_cli.cli.app import main

Caught = pytest.CaptureFixture[str]
Draw = Callable[..., NDArray[np.uint8]]
PROCESS = [sys.executable, "-m", "denoise_cli"]


def test_a_pipe(here: Path) -> None:
    noisy = (here / "a.png").read_bytes()
    for extra in ([], ["-o", "-"]):
        done = subprocess.run([*PROCESS, "run", "-", *extra, "-m", "impulse", "-q"], input=noisy, capture_output=True)
        assert done.returncode == 0 and done.stderr == b""
        assert np.asarray(Pillow.open(io.BytesIO(done.stdout))).shape == (24, 32, 3)
    done = subprocess.run(
        [*PROCESS, "run", "-", "-m", "median", "--format", "webp"], input=noisy, capture_output=True, check=True
    )
    assert Pillow.open(io.BytesIO(done.stdout)).format == "WEBP"
    assert b"-> stdout" in done.stderr


@pytest.mark.parametrize(("data", "said"), [(b"", b"stdin is empty"), (b"hello", b"- is not an image")])
def test_stdin_that_is_no_image(here: Path, data: bytes, said: bytes) -> None:
    done = subprocess.run([*PROCESS, "run", "-", "-o", "-", "-m", "median"], input=data, capture_output=True)
    assert (done.returncode, done.stdout) == (3, b"") and said in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="a shell of Unix")
@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("run a.png -o b.png -m median <&-", 0),
        ("run a.png -o b.png -m median >&-", 0),
        ("run a.png -o b.png -m median <&- >&- 2>&-", 0),
        ("models >&-", 0),
        ("run - -o b.png -m median <&-", 3),
        ("run --files-from - -m median <&-", 3),
    ],
)
def test_closed_streams_are_empty_ones(here: Path, words: str, code: int) -> None:
    done = subprocess.run(f"{shlex.join(PROCESS)} {words}", shell=True, stderr=subprocess.PIPE)
    assert done.returncode == code and b"Traceback" not in done.stderr
    assert (here / "b.png").exists() == ("a.png" in words)


def test_shards_and_lists_that_hold_stdin(here: Path) -> None:
    noisy = (here / "a.png").read_bytes()
    for more, data, said in (
        (["-", "--shard", "1/2"], noisy, b"stdout takes one"),
        (["-", "--shard", "2/2"], noisy, b"stdout takes one"),
        (["--files-from", "-", "-o", "out"], b"a.png\n-\n", b"stdin is named twice"),
    ):
        done = subprocess.run([*PROCESS, "run", *more, "-m", "median"], input=data, capture_output=True)
        assert done.returncode == 2 and said in done.stderr
    (here / "list").write_text("photos/b.png\n")
    done = subprocess.run([*PROCESS, "run", "-", "--files-from", "list", "-o", "out", "-m", "median"], input=noisy)
    assert done.returncode == 0 and (here / "out/stdin.png").exists() and (here / "out/photos/b.png").exists()


def test_a_closed_pipe_ends_quietly(here: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 500, 3), dtype=np.uint8)  # more bytes than a pipe holds
    Pillow.fromarray(noise).save(here / "large.png")
    with subprocess.Popen(
        [*PROCESS, "run", "large.png", "-o", "-", "-m", "median", "-q"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.read(1) == b"\x89"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_target(here: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*PROCESS, "run", "a.png", "-o", "-", "-m", "median"], stdout=full, stderr=subprocess.PIPE
        )
        assert done.returncode == 4 and b"No space left" in done.stderr and b"Traceback" not in done.stderr
        done = subprocess.run([*PROCESS, "models"], stdout=full, stderr=subprocess.PIPE)
        assert done.returncode == 4 and b"No space left" in done.stderr and b"Traceback" not in done.stderr


@pytest.mark.usefixtures("here")
def test_a_terminal_gets_no_image(monkeypatch: pytest.MonkeyPatch, capsys: Caught) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["run", "a.png", "-o", "-", "-m", "median"]) == 2
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    assert main(["run", "-", "-o", "x.png", "-m", "median"]) == 2
    err = capsys.readouterr().err
    assert "written to the terminal" in err and "stdin is the terminal" in err


@pytest.mark.usefixtures("here", "shelved")
def test_quiet_and_json(capsys: Caught) -> None:
    assert main(["run", "photos", "-o", "out", "-n", "2", "--json", "-q"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    first, second = map(json.loads, out.splitlines())
    assert first["input"] == str(Path("photos/b.png")) and first["output"] == [str(Path("out/b.png"))]
    assert first["model"] == "dt.sp" and first["iters"] == [2] and first["error"] is None
    assert first["noise"]["impulse_share"] == pytest.approx(0.2, abs=0.06)
    assert second["input"] == str(Path("photos/sub/c.png")) and second["device"] == "cpu"
    assert main(["run", "photos", "-o", "other", "-m", "median", "--json"]) == 0
    assert [json.loads(line)["noise"] for line in capsys.readouterr().out.splitlines()] == [
        first["noise"],
        second["noise"],
    ]
