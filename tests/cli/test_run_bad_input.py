"""``denoise run``: bad and unusual input, and being stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow

from denoise_cli.cli.app import main

Caught = pytest.CaptureFixture[str]
Draw = Callable[..., NDArray[np.uint8]]
Take = Callable[[Path], NDArray[np.uint8]]
About = Callable[[Path], tuple[str | None, tuple[int, int]]]
AllFiles = Callable[[Path], list[str]]
PROCESS = [sys.executable, "-m", "denoise_cli"]


# Bad and unusual input


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("empty.png", b"", "empty.png is empty"),
        ("words.jpg", b"no image at all", "words.jpg is not an image"),
        ("cut.png", None, "cut.png cannot be decoded as PNG"),
    ],
)
def test_bad_files(
    here: Path, draw: Draw, capsys: Caught, name: str, data: bytes | None, said: str, all_files: AllFiles
) -> None:
    (here / name).write_bytes((here / "a.png").read_bytes()[:-200] if data is None else data)
    assert main(["run", name, "-m", "median"]) == 3
    assert said in capsys.readouterr().err and not (here / "empty-denoised.png").exists()
    draw(here / "good.png")
    assert main(["run", name, "good.png", "missing.png", "-o", "out", "-m", "median", "--json"]) == 7
    out, err = capsys.readouterr()
    assert "2 of 3 images failed, the others are done" in err and said in err and "missing.png does not exist" in err
    assert all_files(here / "out") == ["good.png"]
    assert [json.loads(line)["error"] is None for line in out.splitlines()] == [False, True, False]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("nowhere.png", "nowhere.png does not exist"),
        ("bare", "There are no images in the folder 'bare'"),
        ("no*.png", "No file matches 'no*.png'"),
        ("@missing.txt", "The list 'missing.txt' cannot be read"),
    ],
)
def test_inputs_that_are_not_there(word: str, said: str, capsys: Caught) -> None:
    Path("bare").mkdir()
    assert main(["run", word, "-m", "median"]) == 3
    assert said in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_an_input_without_a_name_is_not_the_current_folder(capsys: Caught) -> None:
    assert main(["run", "--in-place", "", "-m", "median"]) == 2
    assert "An input has no name" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("model", [[], ["-m", "dt"]])
def test_weights_that_are_not_there(model: list[str], capsys: Caught) -> None:
    assert main(["run", "a.png", "--weights", "nope.safetensors", *model]) == 5
    assert "nope.safetensors" in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the system does not refuse root anything")
def test_a_read_only_target(here: Path, capsys: Caught) -> None:
    (here / "shut").mkdir(mode=0o500)
    assert main(["run", "a.png", "-o", "shut/x.png", "-m", "median"]) == 4
    assert "shut/x.png cannot be written: permission denied" in capsys.readouterr().err


def test_a_file_in_the_way_of_a_folder(here: Path, capsys: Caught, take: Take) -> None:
    assert main(["run", "a.png", "-o", "photos/b.png/x.png", "-m", "median"]) == 4
    assert "a part of the path is a file" in capsys.readouterr().err
    assert take(here / "photos/b.png").shape == (24, 32, 3)


@pytest.mark.usefixtures("shelved")
@pytest.mark.parametrize(
    "model", ["dt", "dncnn.color-blind", "dncnn.gray-25", "feedforward.small", "median", "nlm", "impulse"]
)
def test_every_model_takes_every_image(here: Path, model: str, take: Take, about: About, all_files: AllFiles) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (37, 53, 4), dtype=np.uint8)
    folder = here / "odd"
    folder.mkdir()
    Pillow.fromarray(noise[:1, :1, :3]).save(folder / "pixel.png")
    Pillow.fromarray(np.resize(noise, (1, 5000))).save(folder / "wide.png")
    Pillow.fromarray(np.resize(noise, (5000, 1))).save(folder / "tall.png")
    Pillow.fromarray(noise).save(folder / "alpha.png")
    Pillow.frombytes("CMYK", (53, 37), noise.tobytes()).save(folder / "cmyk.jpg")
    Pillow.fromarray(noise[:, :, :3]).quantize(16).save(folder / "palette.png")
    Pillow.frombytes("LA", (53, 37), noise[:, :, :2].tobytes()).save(folder / "gray-alpha.png")
    assert cv2.imwrite(str(folder / "deep.png"), noise[:, :, :3].astype(np.uint16) * 257)
    turned = Pillow.Exif()
    turned[0x112] = 6
    Pillow.fromarray(noise[:, :, :3]).save(folder / "turned.jpg", exif=turned)
    assert main(["run", "odd", "-o", "out", "-m", model, *(["-n", "2"] if model == "dt" else [])]) == 0
    sizes = {name: about(here / "out" / name) for name in all_files(here / "out")}
    assert sizes.pop("turned.jpg") == ("JPEG", (37, 53))
    assert sizes == {path.name: about(path) for path in folder.iterdir() if path.name != "turned.jpg"}
    assert (take(here / "out/alpha.png")[:, :, 3] == noise[:, :, 3]).all()
    assert cv2.imread(str(here / "out/deep.png"), cv2.IMREAD_UNCHANGED).dtype == np.uint16


def test_opencv_that_cannot_be_imported(here: Path) -> None:
    (here / "broken/cv2").mkdir(parents=True)
    (here / "broken/cv2/__init__.py").write_text("raise ImportError('libGL.so.1: no such file')\n")
    done = subprocess.run(
        [*PROCESS, "run", "a.png", "-m", "nlm"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(here / "broken"), *sys.path])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "opencv-python-headless" in done.stderr and "Traceback" not in done.stderr


# Being stopped


@pytest.mark.skipif(os.name != "posix", reason="Windows has other signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_being_stopped_leaves_no_part_of_a_file(
    here: Path, draw: Draw, number: signal.Signals, code: int, take: Take, all_files: AllFiles
) -> None:
    for index in range(200):
        draw(here / f"many/{index:03}.png", "grain", 128, 128, seed=index)
    with subprocess.Popen(
        [*PROCESS, "run", "many", "-o", "out", "-m", "nlm", "--set", "window=41"],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while not (here / "out/001.png").exists() and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(number)
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    assert process.returncode == code
    written = all_files(here / "out")
    assert 2 <= len(written) < 200 and all(name.endswith(".png") and name[0] != "." for name in written)
    assert all(take(here / "out" / name).shape == (128, 128, 3) for name in written)
