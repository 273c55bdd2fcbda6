"""OpenEXR files: values beyond 1, half and single precision, what lies beside the colours."""

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from denoise_cli.errors import InputError, OutputError
from denoise_cli.image import Box, decode, encode

OpenEXR: Any = pytest.importorskip("OpenEXR", reason="OpenEXR is not installed: pip install 'denoise-cli[exr]'")
HDR = np.random.default_rng(0).random((6, 8, 3)) * 50 - 1


def written(channels: dict[str, Any], **header: Any) -> bytes:
    stream = io.BytesIO()
    about = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage} | header
    OpenEXR.File(about, dict(channels)).write(stream)
    return stream.getvalue()


def channels(data: bytes) -> dict[str, Any]:
    return {name: channel.pixels for name, channel in OpenEXR.File(io.BytesIO(data), True).channels().items()}


@pytest.mark.parametrize("kind", ["f2", "f4"])
def test_values_beyond_one_and_everything_else_come_back(kind: str) -> None:
    depth = np.arange(48, dtype="f4").reshape(6, 8)
    given = {"RGB": HDR.astype(kind), "A": np.full((6, 8), 0.25, kind), "Z": depth}
    data = written(given, comments="by hand", dataWindow=(np.array([2, 3], "i4"), np.array([9, 8], "i4")))
    image = decode(data, "a.exr")
    assert image.source.format == "exr" and image.source.alpha is not None
    assert image.pixels.min() == 0 and image.pixels.max() == 1
    again = encode(image)
    found = channels(again)
    assert set(found) == {"R", "G", "B", "A", "Z"} and found["R"].dtype == kind and (found["Z"] == depth).all()
    assert (found["A"] == 0.25).all()
    for index, name in enumerate("RGB"):
        near = 2e-3 if kind == "f2" else 1e-5
        np.testing.assert_allclose(found[name], given["RGB"][..., index], rtol=near, atol=1e-4)
    header = OpenEXR.File(io.BytesIO(again), True, True).header()
    assert header["comments"] == "by hand" and list(header["dataWindow"][0]) == [2, 3]
    assert "comments" not in OpenEXR.File(io.BytesIO(encode(image.stripped())), True, True).header()
    part = channels(encode(image.cut(Box(1, 1, 3, 2))))
    assert set(part) == {"R", "G", "B", "A"} and part["A"].shape == (2, 3)


def test_gray_and_other_formats() -> None:
    gray = decode(written({"Y": HDR[..., 0].astype("f4")}), "a.exr")
    assert gray.channels == 1 and set(channels(encode(gray))) == {"Y"}
    assert decode(encode(gray, "tiff"), "a.tif").source.depth == 32
    assert decode(encode(gray, "png"), "a.png").source.depth == 16
    from_png = channels(encode(decode(encode(gray, "png"), "a.png"), "exr"))
    assert from_png["Y"].dtype == np.float32 and from_png["Y"].max() == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"Z": np.ones((6, 8), "f4")}, "its channels are Z, not R, G and B"),
        ({"R": np.ones((6, 8), "u4"), "G": np.ones((6, 8), "u4"), "B": np.ones((6, 8), "u4")}, "in floating point"),
        ({"Y": np.full((6, 8), np.nan, "f4")}, "not finite"),
        ({"Y": np.ones((60, 80), "f4")}, "more than the limit"),
    ],
)
def test_what_cannot_be_read(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        decode(written(given), "a.exr", 1000)


def test_a_damaged_file() -> None:
    data = written({"RGB": HDR.astype("f2")})
    for cut in (8, len(data) // 2, len(data) - 1):
        with pytest.raises(InputError, match="cannot be decoded as EXR"):
            decode(data[:cut], "a.exr")


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    image = decode(written({"Y": HDR[..., 0].astype("f4")}), "a.exr")
    monkeypatch.setitem(sys.modules, "OpenEXR", None)
    with pytest.raises(OutputError) as unwritten:
        encode(image)
    with pytest.raises(InputError) as unread:
        decode(b"v/1\x01" + bytes(100), "a.exr")
    assert unwritten.value.hint == unread.value.hint == "pip install 'denoise-cli[exr]'"
