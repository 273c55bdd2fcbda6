"""Pictures that tests of commands start from."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow

from denoise_cli.inference import journal

Draw = Callable[..., NDArray[np.uint8]]


def _drawn(
    path: str | Path, noise: str = "", height: int = 24, width: int = 32, channels: int = 3, seed: int = 0
) -> NDArray[np.uint8]:
    """Write a smooth gray or colour picture away from black and white, with ``salt`` or ``grain`` if wanted.

    Returns its pixels (H, W, C); in files of OpenCV's the colours come the other way round.
    """
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [128 + 70 * np.sin((rows + seed) / (5 + c)) * np.cos(columns / (7 + c)) for c in range(channels)]
    pixels = np.stack(waves, axis=2).round()
    if noise == "salt":
        chance = np.random.default_rng(1).random(pixels.shape[:2])
        pixels[chance < 0.2] = 255
        pixels[chance < 0.1] = 0
    elif noise == "grain":
        pixels = np.clip(np.rint(pixels + np.random.default_rng(2).normal(0, 25, pixels.shape)), 0, 255)
    place, found = Path(path), pixels.astype(np.uint8)
    place.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(place), found[:, :, ::-1] if channels == 3 else found)
    return found


@pytest.fixture
def draw() -> Draw:
    """Writes a picture: ``draw("a.png", "grain", seed=1)``."""
    return _drawn


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with ``a.png`` and a folder ``photos`` with a folder in it, all with salt and pepper."""
    folder = tmp_path / "here"
    _drawn(folder / "a.png", "salt")
    _drawn(folder / "photos" / "b.png", "salt", seed=1)
    _drawn(folder / "photos" / "sub" / "c.png", "salt", seed=2)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def take() -> Callable[[Path], NDArray[np.uint8]]:
    """The pixels of an image file: ``take(path)``."""

    def taken(path: Path) -> NDArray[np.uint8]:
        with Pillow.open(path) as picture:
            return np.asarray(picture)

    return taken


@pytest.fixture
def about() -> Callable[[Path], tuple[str | None, tuple[int, int]]]:
    """The format and the size of an image file: ``about(path)``."""

    def told(path: Path) -> tuple[str | None, tuple[int, int]]:
        with Pillow.open(path) as picture:
            return picture.format, picture.size

    return told


@pytest.fixture
def all_files() -> Callable[[Path], list[str]]:
    """The files below a folder but for journals, which tests of journals look at: ``all_files(folder)``."""

    def listed(folder: Path) -> list[str]:
        found = (path for path in folder.rglob("*") if path.is_file() and path.name != journal.NAME)
        return sorted(path.relative_to(folder).as_posix() for path in found)

    return listed
