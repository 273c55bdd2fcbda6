"""Training by two processes under torchrun: one of them is killed, and the next start goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from denoise_cli.cli.app import main
from denoise_cli.training.folder import BEST, LAST, LOG
from denoise_cli.training.log import rows
from denoise_cli.training.state import progress_of

STEPS = 100
WORDS = ["train", "dncnn", "--data", "photos", "--set", "depth=3", "--set", "features=4", "--set", "warmup=0"]
WORDS += ["--set", "ema=0.9"]
WORDS += ["--patch", "12", "--batch", "8", "--val", "2", "--noise", "gaussian:25", "--precision", "float32"]
WORDS += ["--rate", "0.02", "--steps", str(STEPS), "--device", "cpu"]

LEAVES = """
import os
from pathlib import Path

from denoise_cli.training.distributed import joined

def threads():
    return [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]

with joined() as team:
    import torch._dynamo
    import torch.distributed.nn.functional
    team.wait()
    during = threads()
after = threads()
words = [str(sum("gloo" in name for name in names) > 0) for names in (during, after)]
os.write(1, (" ".join(words) + "\\n").encode())  # at once: the two processes write to the same place
"""

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not torch.distributed.is_gloo_available(), reason="looks for its processes in /proc"
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight small photos in the folder ``photos`` of the current folder."""
    (tmp_path / "photos").mkdir()
    for number in range(8):
        coarse = np.random.default_rng(number).integers(30, 220, (4, 4, 3), dtype=np.uint8)
        assert cv2.imwrite(str(tmp_path / "photos" / f"{number}.png"), cv2.resize(coarse, (24, 24)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _start(*words: str) -> "subprocess.Popen[str]":
    words = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *words)
    quick = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(words, env=quick, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _worker(launcher: int, rank: int) -> int:
    """The process with that number among those that ``launcher`` started."""
    for child in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split():
        if f"\0RANK={rank}\0" in "\0" + Path(f"/proc/{child}/environ").read_text():
            return int(child)
    raise AssertionError(f"torchrun started no process {rank}")


def test_two_processes_train_one_is_killed_and_the_next_start_goes_on(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = here / "two" / LOG
    process = _start("-m", "denoise_cli", *WORDS, "-o", "two")
    while len(rows(log)) < 3 and process.poll() is None:
        time.sleep(0.01)
    os.kill(_worker(process.pid, 1), signal.SIGKILL)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert out == ""
    assert err.count("\nError: ") == err.count("Error: Another process of this training has ended") <= 1
    assert "Signal 9 (SIGKILL)" in err  # torchrun's word; it may end the others before they notice by themselves
    assert err.count("The same command goes on from the last saved step.") == err.count("\nError: ")
    assert "bug in denoise" not in err
    step = progress_of(here / "two" / LAST).step
    assert step < STEPS

    process = _start("-m", "denoise_cli", *WORDS, "-o", "two")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert out == "two/best.safetensors\n"
    assert err.count(f"going on from step {step}") == 1
    assert err.count("8 patches of 12 pixels, shared by 2 processes") == 1
    assert err.count("of the time went into waiting for data") == 1
    assert err.count(f"done: {STEPS} steps") == 1

    assert main([*WORDS, "-o", "one", "-q"]) == 0
    one, two = (progress_of(here / folder / LAST).best for folder in ("one", "two"))
    assert one > 21  # the noisy images are at 20.2 dB
    assert abs(one - two) < 0.2
    assert load_file(here / "one" / BEST).keys() == load_file(here / "two" / BEST).keys()


def test_no_thread_of_the_team_is_left_behind(here: Path) -> None:
    (here / "leaves.py").write_text(LEAVES)
    out, err = _start("leaves.py").communicate(timeout=120)
    assert sorted(out.splitlines()) == ["True False", "True False"], out + err
