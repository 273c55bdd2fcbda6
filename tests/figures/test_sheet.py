"""Contact sheets."""

import numpy as np
import pytest

from denoise_cli.errors import InputError
from denoise_cli.figures.sheet import contact_sheet
from denoise_cli.image import Image, Source


def _flat(value: float, channels: int = 3, height: int = 20, width: int = 30) -> Image:
    return Image(np.full((channels, height, width), value, dtype=np.float32), Source(f"{value}"))


def test_images_lie_in_rows_and_keep_their_pixels() -> None:
    sheet = contact_sheet([_flat(0.2), _flat(0.4, channels=1), _flat(0.6)], ["a", "b", "c"], columns=2)
    assert sheet.width == 2 * (30 + 8) + 8
    assert np.allclose(sheet.pixels[:, 8:28, 8:38], 51 / 255)
    assert np.allclose(sheet.pixels[:, 8:28, 46:76], 102 / 255)
    second_row = 8 + (sheet.height - 8) // 2
    assert np.allclose(sheet.pixels[:, second_row : second_row + 20, 8:38], 153 / 255)


def test_zoom_repeats_pixels() -> None:
    image = Image(np.random.default_rng(0).random((3, 4, 5), dtype=np.float32), Source("random"))
    sheet = contact_sheet([image], [""], columns=1, zoom=3)
    assert np.allclose(sheet.pixels[:, 8:20:3, 8:23:3], image.pixels, atol=0.5 / 255 + 1e-6)


def test_cells_are_as_wide_as_their_captions_need() -> None:
    sheet = contact_sheet([_flat(0.2, width=6), _flat(0.4, width=6)], ["a", "b"], columns=2, least=30)
    assert sheet.width == 2 * (30 + 8) + 8
    assert np.allclose(sheet.pixels[:, 8:28, 20:26], 51 / 255) and sheet.pixels[:, 8:28, 8:20].min() == 1
    assert np.allclose(sheet.pixels[:, 8:28, 58:64], 102 / 255)


def test_the_caption_is_drawn() -> None:
    with_words, without = (contact_sheet([_flat(1)], [words], columns=1).pixels for words in ("noisy", ""))
    assert without.min() == 1
    assert with_words.min() < 0.5


def test_sizes_that_differ_are_named() -> None:
    with pytest.raises(InputError, match=r"0\.2 30x20, 0\.4 31x20"):
        contact_sheet([_flat(0.2), _flat(0.4, width=31)], ["a", "b"], columns=2)
