"""``denoise run`` as its users meet it."""

import io
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

from denoise_cli import shelf
from denoise_cli.cli.app import main
from denoise_cli.inference import journal

Caught = pytest.CaptureFixture[str]
PROCESS = [sys.executable, "-m", "denoise_cli"]


def photo(height: int = 24, width: int = 32, channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    """A smooth gray or colour picture away from black and white, (H, W, C)."""
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [128 + 70 * np.sin((rows + seed) / (5 + c)) * np.cos(columns / (7 + c)) for c in range(channels)]
    return np.stack(waves, axis=2).round().astype(np.uint8)


def salted(pixels: NDArray[np.uint8], share: float = 0.2) -> NDArray[np.uint8]:
    chance = np.random.default_rng(1).random(pixels.shape[:2])
    noisy = pixels.copy()
    noisy[chance < share] = 255
    noisy[chance < share / 2] = 0
    return noisy


def grainy(pixels: NDArray[np.uint8], sigma: float = 25) -> NDArray[np.uint8]:
    noise = np.random.default_rng(2).normal(0, sigma, pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


def put(path: Path, pixels: NDArray[np.uint8]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels[:, :, ::-1] if pixels.shape[2] == 3 else pixels)
    return path


def take(path: Path) -> NDArray[np.uint8]:
    with Pillow.open(path) as picture:
        return np.asarray(picture)


def about(path: Path) -> tuple[str | None, tuple[int, int]]:
    """The format and the size of an image file."""
    with Pillow.open(path) as picture:
        return picture.format, picture.size


def all_files(folder: Path) -> list[str]:
    """The files below ``folder`` but for journals, which tests of journals look at."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != journal.NAME)
    return sorted(path.relative_to(folder).as_posix() for path in found)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with ``a.png`` and a folder ``photos`` with a folder in it, all with salt and pepper."""
    folder = tmp_path / "here"
    put(folder / "a.png", salted(photo()))
    put(folder / "photos" / "b.png", salted(photo(seed=1)))
    put(folder / "photos" / "sub" / "c.png", salted(photo(seed=2)))
    monkeypatch.chdir(folder)
    return folder


# Where results go


@pytest.mark.usefixtures("here")
def test_one_file_gets_a_result_beside_it(capsys: Caught) -> None:
    assert main(["run", "a.png", "--model", "impulse"]) == 0
    out, err = capsys.readouterr()
    assert out == "" and "a.png: impulse" in err and "-> a-denoised.png" in err
    clean, noisy, estimate = (
        pixels.astype(float) for pixels in (photo(), take(Path("a.png")), take(Path("a-denoised.png")))
    )
    assert np.square(estimate - clean).mean() < 0.02 * np.square(noisy - clean).mean()


def test_a_folder_is_mirrored_beside_it(here: Path) -> None:
    (here / "photos/.thumbs").mkdir()
    put(here / "photos/.thumbs/t.png", photo())
    (here / "photos/notes.txt").write_text("no image")
    assert main(["run", "photos/", "-m", "median"]) == 0
    assert all_files(here / "photos-denoised") == ["b.png", "sub/c.png"]
    assert all_files(here / "photos") == [".thumbs/t.png", "b.png", "notes.txt", "sub/c.png"]


def test_files_folders_globs_and_lists_into_a_folder(here: Path) -> None:
    put(here / "x y\u00fc.png", photo())
    put(here / "globbed/d1.png", photo())
    put(here / "globbed/d2.png", photo())
    (here / "globbed/readme.txt").write_text("no image")
    (here / "list.txt").write_text("x y\u00fc.png\n\n")
    assert main(["run", "a.png", "photos", "globbed/*", "@list.txt", "-o", "out", "-m", "median"]) == 0
    assert all_files(here / "out") == ["a.png", "b.png", "d1.png", "d2.png", "sub/c.png", "x y\u00fc.png"]


def test_a_format_and_a_file_name(here: Path) -> None:
    assert main(["run", "a.png", "-o", "new/clean.tif", "-m", "median"]) == 0
    assert main(["run", "a.png", "photos", "-o", "out", "-m", "median", "--format", "jpeg"]) == 0
    assert all_files(here / "out") == ["a.jpg", "b.jpg", "sub/c.jpg"]
    assert about(here / "out/a.jpg")[0] == "JPEG" and about(here / "new/clean.tif")[0] == "TIFF"
    (here / "bare").write_bytes((here / "a.png").read_bytes())
    assert main(["run", "bare", "-m", "median"]) == 0
    assert about(here / "bare-denoised.png") == ("PNG", (32, 24))


@pytest.mark.usefixtures("shelved")
def test_several_budgets_are_several_files(here: Path, capsys: Caught) -> None:
    assert main(["run", "a.png", "--model", "dt", "--iters", "3,1", "-o", "out", "--precision", "float32"]) == 0
    assert all_files(here / "out") == ["a-iters1.png", "a-iters3.png"]
    assert "1,3 iterations" in capsys.readouterr().err
    assert main(["run", "a.png", "--model", "dt", "--iters", "3", "-o", "alone.png", "--precision", "float32"]) == 0
    assert (take(here / "alone.png") == take(here / "out/a-iters3.png")).all()
    assert (take(here / "alone.png") != take(here / "out/a-iters1.png")).any()


# No input is ever lost, no result ever an input


def test_what_exists_is_not_overwritten(here: Path, capsys: Caught) -> None:
    put(here / "a-denoised.png", photo())
    before = (here / "a-denoised.png").read_bytes()
    assert main(["run", "a.png", "-m", "median"]) == 4
    assert "'a-denoised.png' exists already" in capsys.readouterr().err
    assert (here / "a-denoised.png").read_bytes() == before
    assert main(["run", "a.png", "-m", "median", "--force"]) == 0
    assert (here / "a-denoised.png").read_bytes() != before


@pytest.mark.parametrize("output", ["a.png", ".", "../here"])
def test_an_input_is_never_overwritten(here: Path, capsys: Caught, output: str) -> None:
    before = (here / "a.png").read_bytes()
    assert main(["run", "a.png", "-m", "median", "-o", output, "--force"]) == 4
    assert "The input 'a.png' would be overwritten" in capsys.readouterr().err
    assert (here / "a.png").read_bytes() == before


def test_results_are_no_inputs_the_next_time(here: Path, capsys: Caught) -> None:
    assert main(["run", "photos/b.png", "-m", "median"]) == 0
    for _ in range(2):
        assert main(["run", "photos", "-m", "median", "-o", "photos/out", "--force"]) == 0
        assert main(["run", "photos", "-m", "median", "--force"]) == 0
    assert all_files(here / "photos/out") == ["b.png", "sub/c.png"]
    assert "results of earlier runs are left out" in capsys.readouterr().err
    assert main(["run", "photos/b.png", "photos/b-denoised.png", "-m", "median", "--force"]) == 4
    assert "'photos/b-denoised.png' would be overwritten" in capsys.readouterr().err
    assert main(["run", "photos/b-denoised.png", "-m", "median"]) == 0
    assert (here / "photos/b-denoised-denoised.png").exists()


def test_clashing_names_are_found_before_work(here: Path, capsys: Caught) -> None:
    put(here / "other/a.png", photo())
    assert main(["run", "a.png", "other/a.png", "-o", "out", "-m", "median"]) == 4
    assert "'a.png' and 'other/a.png' would both become 'out/a.png'" in capsys.readouterr().err
    assert not (here / "out").exists()


# Streams


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


def test_a_closed_pipe_ends_quietly(here: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 500, 3), dtype=np.uint8)  # more bytes than a pipe holds
    put(here / "large.png", noise)
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


# Which model


@pytest.mark.usefixtures("shelved")
def test_without_a_model_the_image_decides(here: Path, capsys: Caught) -> None:
    put(here / "in/salt.png", salted(photo()))
    put(here / "in/grain.png", grainy(photo()))
    put(here / "in/gray.png", grainy(photo(channels=1)))
    assert main(["run", "in", "-o", "out", "--json"]) == 0
    chosen = {Path(line["input"]).stem: line["model"] for line in map(json.loads, capsys.readouterr().out.splitlines())}
    assert chosen == {"salt": "dt.sp", "grain": "dt.gaussian", "gray": "dncnn.gray-25"}
    assert main(["run", "in/gray.png", "-o", "out2", "-m", "dncnn", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == "dncnn.gray-25"
    assert main(["run", "in/gray.png", "-o", "out3", "--iters", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == "dt.gaussian"
    assert take(here / "out3/gray.png").shape == (24, 32)


@pytest.mark.usefixtures("here", "shelved")
@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--model", "dtt"], 2, "There is no model 'dtt'.\nDid you mean 'dt'?"),
        (["--model", "dt.spp"], 5, "Did you mean 'dt.sp'?"),
        (["--model", "dncnn.color-blind", "--iters", "5"], 2, "dncnn does not iterate: it has no --iters"),
        (["--model", "feedforward", "--iters", "5"], 2, "feedforward does not iterate"),
        (["--model", "median", "--iters", "5"], 2, "or use a model that can: bf-rcnn, dip, dt, rnn"),
        (["--model", "median", "--set", "widow=5"], 2, "Did you mean 'window'?"),
        (["--model", "median", "--set", "window=4"], 2, "no window of 4 pixels"),
        (["--model", "median", "--set", "window=big"], 2, "window cannot be 'big'"),
        (["--model", "median", "--sigma", "25"], 2, "median has no knob 'sigma'"),
        (["--model", "feedforward"], 5, "No weights here are for impulses"),
        (["--iters", "0"], 2, "0 is no number of iterations"),
        (["--device", "gpu"], 2, "There is no device 'gpu'.\nDid you mean 'cpu'?"),
        (["--precision", "half"], 2, "There is no precision 'half'"),
        (["--format", "heic"], 2, "There is no format 'heic'"),
        (["--format", "jpeg", "-o", "x.png"], 2, "contradict each other"),
        (["-o", "x.heic"], 2, "'x.heic' ends in no known image format"),
        (["--max-pixels", "100", "--model", "median"], 3, "more than the limit of 100"),
        (["--weights", "nowhere.safetensors"], 5, "There is no weights file 'nowhere.safetensors'"),
        (["--weights", "a.png"], 5, "'a.png' is damaged or is no weights file"),
        (["-o", "-", "--json"], 2, "would share stdout"),
        (["-o", "-", "--iters", "1,2"], 2, "stdout takes a single image"),
    ],
)
def test_what_cannot_be(flags: list[str], code: int, said: str, capsys: Caught) -> None:
    before = all_files(Path())
    assert main(["run", "a.png", *flags]) == code
    out, err = capsys.readouterr()
    assert said in err and out == "" and "Traceback" not in err
    assert all_files(Path()) == before


@pytest.mark.usefixtures("here")
def test_knobs_of_the_classical_methods(capsys: Caught) -> None:
    assert main(["run", "a.png", "-m", "median", "--set", "window=5", "-o", "five.png"]) == 0
    assert main(["run", "a.png", "-m", "median", "-o", "three.png"]) == 0
    assert (take(Path("five.png")) != take(Path("three.png"))).any()
    assert main(["run", "a.png", "-m", "nlm", "--sigma", "25", "-o", "nlm.png"]) == 0


@pytest.mark.usefixtures("here", "shelved")
def test_a_noise_level_for_every_pixel(stock: Callable[..., shelf.Entry], capsys: Caught) -> None:
    put(Path("even.png"), np.full((24, 32, 1), 51, np.uint8))
    put(Path("uneven.png"), np.arange(768, dtype=np.uint8).reshape(24, 32, 1))
    put(Path("small.png"), photo(8, 8, 1))
    stock("ffdnet.tiny", depth=3, features=4)
    flags = ["run", "a.png", "-m", "ffdnet.tiny", "--precision", "float32"]
    assert main([*flags, "-o", "level.png", "--sigma", "51"]) == 0
    assert main([*flags, "-o", "map.png", "--sigma-map", "even.png"]) == 0
    assert main([*flags, "-o", "other.png", "--sigma-map", "uneven.png", "--tile", "16"]) == 0
    assert (take(Path("map.png")) == take(Path("level.png"))).all()
    assert (take(Path("other.png")) != take(Path("map.png"))).any()
    for wrong, code, said in (
        ([*flags, "--sigma-map", "small.png"], 3, "a.png has 32x24 pixels, the map of its noise levels 8x8"),
        ([*flags, "--sigma-map", "none.png"], 3, "none.png does not exist"),
        ([*flags, "--sigma-map", "even.png", "--sigma", "5"], 2, "--sigma and --sigma-map both name"),
        (["run", "a.png", "-m", "dt", "--sigma-map", "even.png"], 2, "dt takes no map of noise levels"),
    ):
        assert main(wrong) == code
        assert said in capsys.readouterr().err
    assert not Path("a-denoised.png").exists()


@pytest.mark.usefixtures("here")
def test_a_device_that_is_not_there(monkeypatch: pytest.MonkeyPatch, capsys: Caught) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(["run", "a.png", "-m", "median", "--device", "cuda"]) == 6
    assert "finds no CUDA device" in capsys.readouterr().err
    assert main(["run", "a.png", "-m", "median", "--device", "auto"]) == 0


@pytest.mark.usefixtures("shelved")
def test_weights_that_are_damaged_missing_or_of_another_model(here: Path, capsys: Caught) -> None:
    place = shelf.folder()
    assert main(["run", "a.png", "--weights", str(place / "dncnn.gray-25.safetensors"), "-m", "dt"]) == 5
    assert "holds weights of dncnn, not of dt" in capsys.readouterr().err
    assert main(["run", "a.png", "--weights", str(place / "dncnn.gray-25.safetensors"), "-o", "own.png"]) == 0
    assert take(here / "own.png").shape == (24, 32, 3)
    damaged = bytearray((place / "dt.sp.safetensors").read_bytes())
    damaged[-1] ^= 1
    (place / "dt.sp.safetensors").write_bytes(damaged)
    assert main(["run", "a.png", "photos", "-o", "out"]) == 5
    assert "None of the 3 images" in (err := capsys.readouterr().err) and err.count("'dt.sp' are damaged") >= 1
    put(here / "in/grain.png", grainy(photo()))
    put(here / "in/salt.png", salted(photo()))
    assert main(["run", "in", "-o", "out"]) == 7
    assert all_files(here / "out") == ["grain.png"]
    (place / "dt.sp.safetensors").unlink()
    assert main(["run", "a.png", "-m", "dt.sp"]) == 5
    assert "'dt.sp' are missing" in capsys.readouterr().err


# Bad and unusual input


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("empty.png", b"", "empty.png is empty"),
        ("words.jpg", b"no image at all", "words.jpg is not an image"),
        ("cut.png", None, "cut.png cannot be decoded as PNG"),
    ],
)
def test_bad_files(here: Path, capsys: Caught, name: str, data: bytes | None, said: str) -> None:
    (here / name).write_bytes((here / "a.png").read_bytes()[:-200] if data is None else data)
    assert main(["run", name, "-m", "median"]) == 3
    assert said in capsys.readouterr().err and not (here / "empty-denoised.png").exists()
    put(here / "good.png", photo())
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


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the system does not refuse root anything")
def test_a_read_only_target(here: Path, capsys: Caught) -> None:
    (here / "shut").mkdir(mode=0o500)
    assert main(["run", "a.png", "-o", "shut/x.png", "-m", "median"]) == 4
    assert "shut/x.png cannot be written: permission denied" in capsys.readouterr().err


def test_a_file_in_the_way_of_a_folder(here: Path, capsys: Caught) -> None:
    assert main(["run", "a.png", "-o", "photos/b.png/x.png", "-m", "median"]) == 4
    assert "a part of the path is a file" in capsys.readouterr().err
    assert take(here / "photos/b.png").shape == (24, 32, 3)


@pytest.mark.usefixtures("shelved")
@pytest.mark.parametrize(
    "model", ["dt", "dncnn.color-blind", "dncnn.gray-25", "feedforward.small", "median", "nlm", "impulse"]
)
def test_every_model_takes_every_image(here: Path, model: str) -> None:
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
def test_being_stopped_leaves_no_part_of_a_file(here: Path, number: signal.Signals, code: int) -> None:
    for index in range(200):
        put(here / f"many/{index:03}.png", grainy(photo(128, 128, seed=index)))
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
