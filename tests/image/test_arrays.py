"""Images from arrays and Pillow's images, and back."""

import numpy as np
import pytest
from PIL import Image as Pillow

from denoise_cli.errors import InputError
from denoise_cli.image import from_array, from_pillow, to_array, to_pillow


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float16"])
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 2), (5, 7, 3), (5, 7, 4)])
def test_there_and_back(shape: tuple[int, ...], dtype: str) -> None:
    top = 1 if dtype.startswith("f") else np.iinfo(dtype).max
    array = (np.random.default_rng(0).random(shape) * top).astype(dtype)
    array.flags.writeable = False
    image = from_array(array)
    assert image.channels == (1 if len(shape) == 2 or shape[2] == 2 else 3)
    assert (image.source.alpha is None) == (len(shape) == 2 or shape[2] == 3)
    assert (to_array(image).astype(dtype) == array).all() and to_array(image).shape == shape


def test_values_beyond_the_range_come_back() -> None:
    array = np.array([[-3.0, 10.0], [0.5, 2.0]], np.float32)
    image = from_array(array)
    assert image.pixels.min() == 0 and image.pixels.max() == 1
    assert to_array(image) == pytest.approx(array, abs=1e-5)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros(3, np.uint8), r"the shape \(3,\)"),
        (np.zeros((2, 2, 5), np.uint8), r"the shape \(2, 2, 5\)"),
        (np.zeros((0, 2), np.uint8), r"the shape \(0, 2\)"),
        (np.zeros((2, 2), np.int64), "is of int64"),
        (np.array([[np.nan]]), "not finite"),
    ],
)
def test_what_is_no_image(array: np.ndarray, said: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(InputError, match=said):
        from_array(array)


@pytest.mark.parametrize(
    ("mode", "comes_back"),
    [("L", "L"), ("LA", "LA"), ("RGB", "RGB"), ("RGBA", "RGBA"), ("1", "L"), ("P", "L"), ("I;16", "I;16"), ("F", "F")],
)
def test_pillows_images(mode: str, comes_back: str) -> None:
    gray = Pillow.fromarray(np.arange(30, dtype=np.uint8).reshape(5, 6) * 8)
    picture = Pillow.fromarray(np.asarray(gray).astype(np.uint16) * 257) if mode == "I;16" else gray.convert(mode)
    if mode == "F":
        picture = Pillow.fromarray(np.asarray(gray).astype(np.float32) / 255)
    back = to_pillow(from_pillow(picture))
    assert back.mode == comes_back and back.size == (6, 5)
    assert (np.asarray(back) == np.asarray(picture.convert(comes_back))).all()


def test_pillows_integers_are_refused() -> None:
    with pytest.raises(InputError, match="its colours are I, not gray"):
        from_pillow(Pillow.new("I", (2, 2)))
