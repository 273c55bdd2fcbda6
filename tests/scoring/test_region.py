import numpy as np
import pytest

from denoise_cli.errors import InputError, UsageError
from denoise_cli.scoring.region import Region


def test_parse_and_write_again() -> None:
    assert Region.parse("center:16") == Region(width=16, height=16)
    assert Region.parse("center:16x24") == Region(width=16, height=24)
    assert [str(Region.parse(word)) for word in ("center:16", "center:16x24")] == ["center:16", "center:16x24"]


@pytest.mark.parametrize("word", ["", "16", "center", "center:", "center:0", "center:16x0", "center:-4", "left:16"])
def test_parse_refuses(word: str) -> None:
    with pytest.raises(UsageError, match="is no region"):
        Region.parse(word)


def test_crop_by_hand() -> None:
    pixels = np.arange(5 * 6, dtype=np.float32).reshape(1, 5, 6)
    assert Region(width=2, height=3).crop(pixels).tolist() == [[[8, 9], [14, 15], [20, 21]]]
    assert Region(width=1, height=2).crop(pixels).tolist() == [[[8], [14]]]  # spare row below, spare column right
    assert Region(width=6, height=5).crop(pixels).shape == (1, 5, 6)


def test_crop_refuses_a_small_image() -> None:
    with pytest.raises(InputError, match="center:16 does not fit into 20x15"):
        Region(16, 16).crop(np.zeros((3, 15, 20), np.float32))
