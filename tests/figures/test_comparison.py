"""Versions of images side by side."""

import numpy as np
import pytest

from denoise_cli.figures.comparison import Comparison, Version, page, sheet
from denoise_cli.image import Image, Source


@pytest.mark.parametrize(
    ("width", "height", "zoom"), [(1, 250, 4), (2, 2, 128), (100, 100, 3), (100, 2000, 1), (256, 256, 1), (300, 1, 1)]
)
def test_small_pictures_are_enlarged_but_no_thin_ones_without_end(width: int, height: int, zoom: int) -> None:
    image = Image(np.zeros((1, height, width), np.float32), Source("a.png"))
    comparison = Comparison("a.png", "", [Version("noisy", image)])
    drawn = sheet([comparison])
    assert drawn.width == zoom * width + 16 and zoom * height < drawn.height < zoom * height + 100
    assert f'width="{zoom * width}" height="{zoom * height}"' in page([comparison], [], "")
