import errno
import json
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

from denoise_cli import checkpoint
from denoise_cli.cli.app import main
from denoise_cli.training import loop
from denoise_cli.training.folder import BEST, CURVE, LAST, LOG
from denoise_cli.training.log import rows
from denoise_cli.training.state import progress_of

SMALL = ["--set", "width=4", "--set", "recall=impulses", "--set", "max-iters=2", "--set", "free-iters=2"]
SMALL += ["--patch", "16", "--batch", "2", "--val", "2", "--noise", "sp:0.2"]


def _picture(path: Path, seed: int, side: int = 24) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(30, 220, (4, 4, 3), dtype=np.uint8)
    assert cv2.imwrite(str(path), cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight small photos in the folder ``photos`` of the current folder."""
    for number in range(8):
        _picture(tmp_path / "photos" / f"{number}.png", number)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _train(*more: str, data: str = "photos", model: str = "dt") -> int:
    return main(["train", model, "--data", data, *SMALL, *more])


def _same(one: Path, other: Path) -> bool:
    ours, theirs = load_file(one), load_file(other)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.usefixtures("here")
def test_a_run_leaves_weights_a_log_and_a_curve(capsys: pytest.CaptureFixture[str]) -> None:
    assert _train("--steps", "6", "-o", "run") == 0
    out, err = capsys.readouterr()
    assert out == "run/best.safetensors\n"
    assert "6 images, 6 steps of 2 patches of 16 pixels" in err
    assert "step 6/6" in err
    assert "done: 6 steps" in err
    assert {path.name for path in Path("run").iterdir()} == {LAST, BEST, "safe.safetensors", LOG, CURVE}
    loaded = checkpoint.load(Path("run") / BEST)
    assert loaded.model == "dt"
    assert (loaded.config["width"], loaded.config["recall"]) == (4, "impulses")
    assert (loaded.recipe["noise"], loaded.recipe["max_iters"]) == ("sp:0.2", 2)
    assert loaded.provenance["data"] == ["photos"]


def test_help_shows_how_a_mixture_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help"]) == 0
    assert "0.6*gaussian:0..55 +" in capsys.readouterr().out


@pytest.mark.usefixtures("here")
def test_the_folder_has_a_name_by_itself_and_quiet_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    assert _train("--steps", "1", "-q") == 0
    out, err = capsys.readouterr()
    assert out == "runs/dt-sp-0.2/best.safetensors\n"
    assert err == ""


@pytest.mark.usefixtures("here")
def test_time_limits_do_not_change_the_weights(capsys: pytest.CaptureFixture[str]) -> None:
    assert _train("--steps", "5", "-o", "straight") == 0
    for step in range(1, 5):
        assert _train("--steps", "5", "-o", "limited", "--time-limit", "0.0001s") == 0
        assert f"time is up at step {step}; the same command goes on" in capsys.readouterr().err
    assert _train("--steps", "5", "-o", "limited") == 0
    assert "going on from step 4" in capsys.readouterr().err
    assert _same(Path("straight") / BEST, Path("limited") / BEST)


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_terminated_and_then_killed_it_ends_in_the_same_weights(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = ["--steps", "150"]
    words = [sys.executable, "-m", "denoise_cli", "train", "dt", "--data", "photos", *SMALL, *steps, "-o", "broken"]
    log = here / "broken" / LOG
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    for number in (signal.SIGTERM, signal.SIGKILL):
        known = len(rows(log))
        process = subprocess.Popen(words, env=os.environ | threads, stderr=subprocess.DEVNULL)
        while len(rows(log)) < known + 2 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(number)
        assert process.wait() == (143 if number == signal.SIGTERM else -signal.SIGKILL)
        assert 0 < progress_of(here / "broken" / LAST).step < 150
    (here / "broken" / f".{LAST}.1.00000000.part").touch()
    assert _train(*steps, "-o", "broken", "-q") == 0
    assert _train(*steps, "-o", "straight", "-q") == 0
    assert _same(here / "broken" / BEST, here / "straight" / BEST)
    assert [path.name for path in (here / "broken").iterdir() if path.name.startswith(".")] == []


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_after_the_step(
    number: signal.Signals, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    step, count = loop._step, 0

    def interrupted(*args: object) -> None:
        nonlocal count
        count += 1
        if count == 3:
            signal.raise_signal(number)
        step(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "_step", interrupted)
    assert _train("--steps", "9", "-o", "run") == code
    assert "stopped; the same command goes on from step 3" in capsys.readouterr().err
    assert progress_of(Path("run") / LAST).step == 3


@pytest.mark.usefixtures("here")
def test_the_second_signal_stops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("not reached")

    monkeypatch.setattr(loop, "_step", interrupted)
    assert _train("--steps", "9", "-o", "run") == 130
    assert not Path("run").exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("here")
def test_pairs_of_make_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["make-data", "photos", "--noise", "sp", "--levels", "0.1,0.3", "-o", "set", "-q"]) == 0
    assert _train("--steps", "2", "-o", "run", "--noise", "pairs", data="set") == 0
    assert "12 images, 2 steps" in capsys.readouterr().err
    assert checkpoint.load(Path("run") / BEST).recipe["noise"] == "pairs"
    assert _train("--steps", "2", "-o", "other", "--noise", "pairs") == 3
    assert "photos has no manifest.jsonl" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["train", "dtt", "--data", "photos"], 2, "There is no model 'dtt'.\nDid you mean 'dt'?"),
        (["train", "median", "--data", "photos"], 2, "median has nothing to train.\nModels that learn: "),
        (["train", "dt", "--data", "photos", "--set", "widht=4"], 2, "no knob 'widht'.\nDid you mean 'width'?"),
        (
            ["train", "dt", "--data", "photos", "--set", "width=wide"],
            2,
            "width cannot be 'wide'.\nIt is a whole number",
        ),
        (["train", "dt", "--data", "photos", "--set", "width"], 2, "--set 'width' is no setting."),
        (["train", "dt", "--data", "photos", "--set", "recall=impulse"], 2, "Did you mean 'impulses'?"),
        (["train", "dt", "--data", "photos", "--noise", "sp:2"], 2, "more than all pixels"),
        (["train", "dt", "--data", "photos", "--noise", "salt:0.1"], 2, "There is no noise 'salt'."),
        (["train", "dt", "--data", "photos", "--noise", "sp"], 2, "The noise 'sp' has no level."),
        (["train", "dt", "--data", "photos", "--loss", "l7"], 2, "There is no loss 'l7'."),
        (["train", "dt", "--data", "photos", "--steps", "0"], 2, "steps cannot be 0."),
        (["train", "dt", "--data", "photos", "--time-limit", "soon"], 2, "'soon' is no duration."),
        (["train", "dt", "--data", "photos", "--time-limit", ""], 2, "'' is no duration."),
        (["train", "dt", "--data", "photos", "--precision", "float16"], 2, "There is no precision 'float16'."),
        (["train", "dt", "--data", "photos", "--device", "gpu"], 2, "There is no device 'gpu'."),
        (["train", "dt", "--data", "nowhere"], 3, "nowhere does not exist."),
        (["train", "dt", "--data", "empty"], 3, "There is no image in empty."),
        (["train", "dt", "--data", "photos"], 2, "8 images are too few to keep 32 of them for validation."),
        (
            ["train", "dncnn", "--data", "photos", "--val", "1", "--patch", "25"],
            3,
            "24x24 pixels is smaller than the patch",
        ),
        (["train", "dsc", "--data", "photos", "--patch", "18"], 2, "multiples of 16.\nUse --patch 16 or 32."),
        (["train", "ffdnet", "--data", "photos", "--patch", "1"], 2, "multiples of 2.\nUse --patch 2."),
        (["train", "dt", "--data", "broken", "--val", "1"], 3, "broken/a.png"),
        (["train", "dt", "--data", "photos", "-o", "photos/1.png"], 4, "photos/1.png cannot be made"),
    ],
)
def test_mistakes(here: Path, words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "empty").mkdir()
    (here / "broken").mkdir()
    (here / "broken" / "a.png").write_text("no image")
    assert main(words) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert not list(here.glob("runs/*"))


@pytest.mark.usefixtures("here")
def test_a_full_disk_while_the_log_is_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    Path("run").mkdir()
    (Path("run") / LOG).symlink_to("/dev/full")
    monkeypatch.setattr("denoise_cli.training.keeper.discard", lambda folder: None)
    assert _train("--steps", "3", "-o", "run") == 4
    assert "run/log.jsonl cannot be written: No space left on device." in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_a_full_disk_while_the_state_is_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _train("--steps", "4", "-o", "straight") == 0
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    flushed, room = os.fsync, 8

    def flush(descriptor: int) -> None:
        nonlocal room
        room -= 1
        if room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flushed(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", flush)
        assert _train("--steps", "4", "-o", "run") == 4
    err = capsys.readouterr().err
    assert "safetensors cannot be written: the disk is full.\nFree some space" in err
    step = progress_of(Path("run") / LAST).step
    assert 0 < step < 4
    assert [path.name for path in Path("run").iterdir() if path.name.startswith(".")] == []
    assert _train("--steps", "4", "-o", "run") == 0
    assert f"going on from step {step}" in capsys.readouterr().err
    assert _same(Path("run") / BEST, Path("straight") / BEST)


def test_gray_images_among_colour_ones_are_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        picture = cv2.imread(str(here / "photos" / f"{number}.png"), cv2.IMREAD_GRAYSCALE)
        assert cv2.imwrite(str(here / "photos" / f"{number}.png"), picture)
    assert _train("--steps", "1", "-o", "run") == 0
    assert "gray images, repeated in all 3 channels: 3" in capsys.readouterr().err
    assert _train("--steps", "1", "-o", "gray", "--set", "channels=1") == 0
    assert "colour images, taken as their luma: 5" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_smaller_parts_give_the_same_weights() -> None:
    assert _train("--steps", "3", "-o", "whole", "--precision", "float32") == 0
    assert _train("--steps", "3", "-o", "parts", "--precision", "float32", "--micro-batch", "1") == 0
    ours, theirs = load_file(Path("parts") / BEST), load_file(Path("whole") / BEST)
    for key, value in theirs.items():
        torch.testing.assert_close(ours[key], value, rtol=1e-3, atol=1e-4)


@pytest.mark.usefixtures("here")
def test_a_gpu_without_memory_is_no_bug(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def full(*args: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(loop.Validation, "judge", full)
    assert _train("--steps", "1", "-o", "run") == 6
    err = capsys.readouterr().err
    assert "Error: the GPU is out of memory." in err
    assert "bug in denoise" not in err


@pytest.mark.usefixtures("here")
def test_the_log_is_json_lines() -> None:
    assert _train("--steps", "3", "-o", "run", "-q") == 0
    entries = [json.loads(line) for line in (Path("run") / LOG).read_text().splitlines()]
    assert [entry["step"] for entry in entries] == [1, 2, 3]
    assert {"loss", "rate", "score", "best", "seconds", "attempt"} <= entries[0].keys()


def test_help_does_not_import_torch() -> None:
    code = "import sys; from denoise_cli.cli.app import main; main(['train', '--help']); "
    code += "print('torch' in sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--time-limit" in done.stdout
    assert done.stderr == "False\n"


@pytest.mark.usefixtures("here")
def test_one_gray_net_for_noise_jpeg_and_small_versions() -> None:
    mixture = "0.34*gaussian:0..55 + 0.33*jpeg:5..99 + 0.33*lowres:2..4"
    small = ["--set", "channels=1", "--set", "depth=3", "--set", "features=4", "--patch", "16", "--batch", "6"]
    for _ in range(2):  # the second command finds it done
        assert main(["train", "dncnn", "-d", "photos", "--noise", mixture, *small, "--val", "2", "--steps", "3"]) == 0
    best = Path("runs/dncnn-0.34-gaussian-0..55+0.33-jpeg-5..99+0.33-lowres-2..4/best.safetensors")
    loaded = checkpoint.load(best)
    assert loaded.recipe["noise"] == mixture and loaded.config["channels"] == 1
    assert main(["run", "photos/0.png", "--weights", str(best), "-o", "clean.png"]) == 0
    assert Path("clean.png").exists()


@pytest.mark.usefixtures("here")
def test_cbdnet_learns_from_camera_noise_by_itself() -> None:
    small = ["--set", "estimator=2", "--set", "features=2", "--patch", "16", "--batch", "4", "--val", "2"]
    assert main(["train", "cbdnet", "-d", "photos", *small, "--steps", "2", "-o", "run"]) == 0
    assert checkpoint.load(Path("run") / BEST).recipe["noise"] == "camera:0..0.16+0..0.06+60..100"
