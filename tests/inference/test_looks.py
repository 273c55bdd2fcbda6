"""Blends and residuals."""

import numpy as np
import pytest

from denoise_cli.image import Image, Source
from denoise_cli.inference.looks import Looks, blend, residual, residual_gain


def flat(value: float, **about: object) -> Image:
    return Image(np.full((3, 4, 5), value, np.float32), Source("x.png", **about))  # type: ignore[arg-type]


def test_a_blend_lies_between() -> None:
    noisy, clean = flat(0.2), flat(0.6, comment=b"kept")
    assert blend(noisy, clean, 1) is clean
    assert blend(noisy, clean, 0).pixels == pytest.approx(0.2)
    half = blend(noisy, clean, 0.5)
    assert half.pixels == pytest.approx(0.4) and half.pixels.dtype == np.float32 and half.source is clean.source


def test_the_residual_is_gray_where_nothing_was_taken() -> None:
    noisy, clean = flat(0.5), flat(0.5, alpha=np.zeros((4, 5), np.uint8), scale=2.0)
    noisy.pixels[0, 0, 0], noisy.pixels[0, 0, 1], noisy.pixels[0, 0, 2] = 0.6, 0.45, 0.9
    shown = residual(noisy, clean, 2)
    assert shown.pixels[1:] == pytest.approx(0.5) and shown.source.alpha is None and shown.source.scale == 1
    assert shown.pixels[0, 0, :3].tolist() == pytest.approx([0.7, 0.4, 1])


@pytest.mark.parametrize(("difference", "gain"), [(0.0, 64), (0.5, 1), (0.06, 8), (1.0, 0.5)])
def test_the_gain_uses_the_range(difference: float, gain: float) -> None:
    assert residual_gain(flat(1), [flat(1), flat(1 - difference)]) == gain


def test_marks_and_pictures_come_in_one_order() -> None:
    looks = Looks((0.5, 1.0), residual=True)
    marks = looks.marks((1, 20))
    assert marks == [
        *("iters1-strength0.5", "iters1-strength1", "iters20-strength0.5", "iters20-strength1"),
        *("iters1-residual", "iters20-residual"),
    ]
    pictures = looks.pictures(flat(0), [flat(0.4), flat(0.5)], 1.0)
    assert [float(picture.pixels.mean()) for picture in pictures] == pytest.approx([0.2, 0.4, 0.25, 0.5, 0.1, 0])
    assert Looks().marks((20,)) == Looks().marks(None) == [""]
    assert Looks(residual=True).marks(None) == ["", "residual"]
