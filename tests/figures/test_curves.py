"""Curves as a picture."""

from io import BytesIO

import numpy as np
from PIL import Image

from denoise_cli.figures.curves import draw


def _pixels(**more: bool) -> np.ndarray:
    data = draw({"ours": [(1, 30.0), (10, 20.0)], "ours, the paper": [(1, 25.0), (10, 21.0)]}, "level", "PSNR", **more)
    assert data is not None
    return np.asarray(Image.open(BytesIO(data)).convert("RGB"))


def test_a_paper_has_the_colour_of_the_line_before() -> None:
    colours = {tuple(pixel) for pixel in _pixels().reshape(-1, 3) if int(pixel.max()) - int(pixel.min()) > 100}
    assert (31, 119, 180) in colours and (255, 127, 14) not in colours


def test_a_logarithmic_axis_is_another_picture() -> None:
    assert not np.array_equal(_pixels(), _pixels(logarithmic=True))
