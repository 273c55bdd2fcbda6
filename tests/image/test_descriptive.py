"""What a TIFF file tells about its picture comes out byte for byte, from files of either size and byte order."""

import io
import struct
from typing import Any, Literal

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from denoise_cli.image import Image, Source, decode, encode
from denoise_cli.image.descriptive import described, turned
from denoise_cli.image.exif import entries, orientation

TEXTS = {270: "a boat", 305: "by hand", 306: "2026:01:02 03:04:05", 315: "Jürgen Groß"}


def tiff(big: bool = False, byteorder: Literal["<", ">"] = "<", depth: Any = np.uint8) -> bytes:
    stream = io.BytesIO()
    tags: Any = [(tag, 2, 0, text.encode(), True) for tag, text in TEXTS.items()]
    with tifffile.TiffWriter(stream, bigtiff=big, byteorder=byteorder) as file:
        file.write(np.zeros((4, 5), depth), metadata=None, software=False, extratags=tags)
    return stream.getvalue()


def texts(exif: bytes) -> dict[int, str]:
    """The texts in the first directory."""
    order, found = entries(exif)
    places = {entry.tag: struct.unpack_from(f"{order}II", entry.raw, 4) for entry in found}
    return {tag: exif[start : start + size - 1].decode() for tag, (size, start) in places.items()}


@pytest.mark.parametrize(
    ("big", "byteorder", "depth"),
    [
        (False, "<", np.uint8),
        (False, ">", np.uint8),
        (True, "<", np.uint8),
        (True, "<", np.uint16),
        (True, ">", np.uint16),
    ],
)
def test_texts_come_out_as_they_are(big: bool, byteorder: Literal["<", ">"], depth: Any) -> None:
    found = decode(tiff(big, byteorder, depth), "a.tif").source
    assert texts(found.exif) == TEXTS and found.warnings == ()
    assert texts(decode(encode(decode(tiff(big, byteorder, depth), "a.tif"), "png"), "b").source.exif) == TEXTS


def test_directories_below_come_along() -> None:
    tags = Pillow.Exif()
    tags[271] = "Maker"
    tags.get_ifd(0x8825)[1] = "N"
    camera = tags.get_ifd(0x8769)
    camera[0x829A] = 0.125
    camera[0xA005] = {1: "R98"}  # interoperability
    data = encode(Image(np.zeros((1, 4, 5), np.float32), Source("a", exif=tags.tobytes()[6:])), "tiff")
    after = Pillow.Exif()
    after.load(decode(data, "a.tif").source.exif)
    assert after[271] == "Maker" and after.get_ifd(0x8825)[1] == "N" and after.get_ifd(0x8769)[0x829A] == 0.125
    assert after.get_ifd(0xA005)[1] == "R98"


def test_damage_is_said_and_the_picture_read() -> None:
    data = tiff(depth=np.uint16)
    _, found = entries(data)
    place = next(entry.position for entry in found if entry.tag == 315)
    broken = data[: place + 8] + struct.pack("<I", len(data)) + data[place + 12 :]
    with pytest.raises(ValueError, match="the tag 315 lies outside"):
        described(broken)
    found_image = decode(broken, "a.tif")
    assert found_image.source.exif == b"" and "its EXIF is damaged" in found_image.source.warnings[0]
    with pytest.raises(ValueError, match="a directory lies outside"):
        described(data[:4] + struct.pack("<I", len(data)))


def test_values_that_are_all_the_whole_file_are_refused() -> None:
    values = [struct.pack("<HHII", tag, 7, 40, 0) for tag in (270, 271, 272)]
    data = struct.pack("<2sHIH", b"II", 42, 8, 3) + b"".join(values) + bytes(4)
    with pytest.raises(ValueError, match="lies outside"):
        described(data)


def test_an_orientation_alone() -> None:
    assert orientation(turned(6)) == 6
