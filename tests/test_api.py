"""``denoise_cli.denoise``: the command line for arrays."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow

import denoise_cli
from denoise_cli.cli.app import main
from denoise_cli.errors import UsageError

CPU: dict[str, Any] = {"device": "cpu", "precision": "float32"}


@pytest.fixture
def noisy() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(1, 255, (24, 32, 3), dtype=np.uint8)


@pytest.mark.usefixtures("shelved")
def test_the_same_as_the_command(noisy: NDArray[np.uint8], tmp_path: Path) -> None:
    Pillow.fromarray(noisy).save(tmp_path / "a.png")
    flags = ["--iters", "3", "--strength", "0.5", "--crop", "3,4,20,10", "--tta", "--precision", "float32"]
    call = ["run", str(tmp_path / "a.png"), "-m", "dt", *flags, "--device", "cpu", "-o", str(tmp_path / "b.png")]
    assert main(call) == 0
    wanted = np.asarray(Pillow.open(tmp_path / "b.png"))
    wishes: dict[str, Any] = {"iters": 3, "strength": 0.5, "crop": (3, 4, 20, 10), "tta": True, **CPU}
    assert (denoise_cli.denoise(noisy, "dt", **wishes) == wanted).all()
    assert (denoise_cli.denoise(tmp_path / "a.png", "dt", **wishes) == wanted).all()
    picture = Pillow.fromarray(noisy)
    picture.info["dpi"] = (72, 72)
    clean = denoise_cli.denoise(picture, model="dt", **wishes)
    assert isinstance(clean, Pillow.Image) and clean.info["dpi"] == (72, 72)
    assert (np.asarray(clean) == wanted).all()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 1), (9, 7, 2), (9, 7, 3), (9, 7, 4)])
def test_what_comes_out_is_like_what_went_in(dtype: str, shape: tuple[int, ...]) -> None:
    top = 1 if dtype.startswith("f") else np.iinfo(dtype).max
    array = (np.random.default_rng(0).random(shape) * top).astype(dtype)
    before = array.copy()
    clean = denoise_cli.denoise(array, "median", options={"window": 5}, **CPU)
    assert clean.shape == shape and clean.dtype == array.dtype and (array == before).all()
    if len(shape) == 3 and shape[2] in (2, 4):
        assert clean[:, :, -1] == pytest.approx(array[:, :, -1], rel=1e-7)  # float64 goes through float32
    assert (clean.reshape(9, 7, -1)[:, :, 0] != array.reshape(9, 7, -1)[:, :, 0]).any()


@pytest.mark.usefixtures("shelved")
def test_without_a_model_the_image_decides_and_iterations_can_stop(noisy: NDArray[np.uint8]) -> None:
    flat = noisy // 8 + 100
    by_itself = denoise_cli.denoise(flat, iters="auto", **CPU)
    assert (by_itself == denoise_cli.denoise(flat, "dt.gaussian", iters="auto", **CPU)).all()


@pytest.mark.usefixtures("shelved")
def test_a_model_that_learned_other_noise_warns(noisy: NDArray[np.uint8]) -> None:
    struck = noisy.copy()
    struck[::3, ::3] = 255
    struck[1::3, ::3] = 0
    with pytest.warns(UserWarning, match=r"feedforward.small learned gaussian:25, and this shows .* salt and pepper"):
        assert denoise_cli.denoise(struck, "feedforward").shape == struck.shape


def test_a_map_of_levels(noisy: NDArray[np.uint8], stock: Any) -> None:
    stock("ffdnet.tiny", depth=3, features=4)
    levels = np.full((24, 32), 51, np.uint8)
    one = denoise_cli.denoise(noisy, "ffdnet.tiny", sigma_map=levels, **CPU)
    assert (one == denoise_cli.denoise(noisy, "ffdnet.tiny", sigma=51, **CPU)).all()


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"strength": 2}, "2 is no strength"),
        ({"strength": "x"}, "'x' is no strength"),
        ({"sigma": "x"}, "'x' is no noise level"),
        ({"sigma": [25]}, "[25] is no noise level"),
        ({"iters": 0}, "0 is no number of iterations"),
        ({"crop": (1, 2, 3)}, "is no part of an image"),
        ({"crop": (0, 0, 10.5, 10)}, "is no part of an image"),
        ({"iters": "AUTO"}, "'AUTO' is no number of iterations"),
        ({"iters": 2.5}, "2.5 is no number of iterations"),
        ({"tile": -5}, "-5 is no side of a tile"),
        ({"options": {"widow": 3}}, "Did you mean 'window'"),
        ({"options": {"window": [3]}}, "The option window cannot be [3]"),
        ({"sigma": 5, "sigma_map": "x.png"}, "both name the noise level"),
    ],
)
def test_what_cannot_be(noisy: NDArray[np.uint8], wishes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        denoise_cli.denoise(noisy, "median", **wishes)
    assert said in str(caught.value)


def test_weights_that_changed_on_the_disk_are_read_anew(noisy: NDArray[np.uint8], stock: Any, tmp_path: Path) -> None:
    file = tmp_path / "mine.safetensors"
    results = []
    for tag, seed in (("one", 1), ("two", 2), ("one", 1)):
        stock(f"dt.{tag}", width=4, blocks=1, seed=seed)
        file.write_bytes((tmp_path / "shelf" / f"dt.{tag}.safetensors").read_bytes())
        results.append(denoise_cli.denoise(noisy, weights=file, iters=2, **CPU))
    assert (results[0] != results[1]).any() and (results[0] == results[2]).all()


@pytest.mark.usefixtures("shelved")
def test_numbers_of_numpy_are_numbers(noisy: NDArray[np.uint8]) -> None:
    counted = denoise_cli.denoise(noisy, "dt", iters=np.int64(3), **CPU)
    assert (counted == denoise_cli.denoise(noisy, "dt", iters=3, **CPU)).all()
    told = denoise_cli.denoise(noisy, "tv", sigma=np.float32(25), **CPU)
    assert (told == denoise_cli.denoise(noisy, "tv", sigma=25, **CPU)).all()


def test_a_profile_of_inks_is_not_one_of_lights(noisy: NDArray[np.uint8]) -> None:
    picture = Pillow.fromarray(noisy).convert("CMYK")
    picture.info |= {"icc_profile": b"inks", "dpi": (72, 72)}
    clean = denoise_cli.denoise(picture, "median", **CPU)
    assert clean.mode == "RGB" and clean.info == {"dpi": (72, 72)}


def test_the_package_is_light_until_it_is_asked() -> None:
    code = "import sys, denoise_cli; sys.exit(bool({'torch', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    with pytest.raises(AttributeError, match="no attribute 'denoize'"):
        denoise_cli.denoize  # noqa: B018


@pytest.mark.usefixtures("shelved")
def test_salt_and_pepper_is_removed_before_the_noise_beside_it(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    noisy = (draw.normal(120, 25, (64, 64, 3))).round().clip(1, 254).astype(np.uint8)
    chance = draw.random((64, 64))
    noisy[chance < 0.05], noisy[chance > 0.95] = 0, 255
    array = noisy / np.float32(255)
    wishes = {"iters": 2, **CPU}
    both = denoise_cli.denoise(array, **wishes)
    alone = denoise_cli.denoise(array, "dt.sp", **wishes)
    assert both == pytest.approx(denoise_cli.denoise(alone, "dt.gaussian", **wishes), abs=1e-6)
    part = denoise_cli.denoise(array, crop=(10, 20, 30, 16), **wishes)
    assert part == pytest.approx(both[20:36, 10:40], abs=1e-5)
    Pillow.fromarray(noisy).save(tmp_path / "a.png")
    assert main(["run", str(tmp_path / "a.png"), "--iters", "1,2", "--dry-run"]) == 0


@pytest.mark.usefixtures("shelved")
def test_salt_and_pepper_of_each_channel_by_itself() -> None:
    draw = np.random.default_rng(0)
    clean = np.full((64, 48, 3), (90, 120, 200), np.uint8)
    chance = draw.random(clean.shape)
    noisy = np.where(chance < 0.1, 0, np.where(chance > 0.9, 255, clean)).astype(np.uint8)
    found = denoise_cli.denoise(noisy, iters=2, **CPU)
    assert (found[noisy == clean] == clean[noisy == clean]).all() and (found != noisy)[noisy != clean].mean() > 0.9
