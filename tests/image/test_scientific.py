"""TIFF files of scientists, agencies and cameras: no plane and no band is lost without a word."""

import io
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow
from PIL.TiffImagePlugin import IFDRational, ImageFileDirectory_v2

from denoise_cli.errors import InputError
from denoise_cli.image import decode, decode_frames, encode, scientific
from denoise_cli.image.rasters import opened_by_pillow

RANDOM = np.random.default_rng(0)
PLANE = RANDOM.integers(0, 256, (7, 9), dtype=np.uint8)
UNFIT = "a.tif has tags that the result has no place for ({}); they were left out."


def tiff(samples: Any, photometric: str = "minisblack", **how: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, samples, photometric=photometric, **how)
    return stream.getvalue()


@pytest.mark.parametrize("imagej", [False, True])
def test_planes_without_directories_are_not_passed_over(imagej: bool) -> None:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream, imagej=imagej) as file:
        file.write(np.stack([PLANE] * 4), photometric="minisblack", truncate=True)
    with pytest.raises(InputError, match=r"a.tif holds 4 planes, of which only 1 can be found"):
        decode_frames(stream.getvalue(), "a.tif")
    assert "a.tif has 4 frames; the first was read, 3 left out." in decode(stream.getvalue(), "a.tif").source.warnings


def test_a_preview_is_not_taken_for_the_picture() -> None:
    files = []
    for first, below in ((PLANE[:2, :2], PLANE), (PLANE, PLANE[:2, :2])):
        stream = io.BytesIO()
        with tifffile.TiffWriter(stream) as file:
            file.write(first, subifds=1)
            file.write(below)
        files.append(stream.getvalue())
    with pytest.raises(InputError, match=r"a.tif shows a small preview"):
        decode(files[0], "a.tif")
    found = decode(files[1], "a.tif")
    assert found.width == 9 and "further pictures below its pages" in found.source.warnings[1]


@pytest.mark.parametrize("bands", [2, 4])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_band_that_is_no_alpha_is_not_called_so(kind: Any, bands: int) -> None:
    samples = RANDOM.integers(0, 256, (7, 9, bands)).astype(kind)
    photometric = "rgb" if bands > 2 else "minisblack"
    data = tiff(samples, photometric, planarconfig="contig", extrasamples=["unspecified"])
    (found,) = decode_frames(data, "a.tif")
    assert found.source.alpha is None and found.source.mode == ("RGB" if bands > 2 else "L")
    assert found.source.warnings == ("a.tif has bands that are neither colour nor alpha (1); they were left out.",)
    top = np.iinfo(kind).max
    assert (np.rint(found.pixels * top) == samples[:, :, : bands - 1].transpose(2, 0, 1)).all()


@pytest.mark.parametrize("turned", [1, 6])
@pytest.mark.parametrize("bands", [1, 3, 4])
def test_eight_bits_in_a_big_file_of_the_other_byte_order(bands: int, turned: int) -> None:
    """Pillow opens no BigTIFF of Motorola's byte order."""
    samples = RANDOM.integers(0, 256, (7, 9, bands), dtype=np.uint8)
    photometric = "rgb" if bands > 2 else "minisblack"
    how: dict[str, Any] = {"bigtiff": True, "resolution": (150, 150), "resolutionunit": "inch", "metadata": None}
    how["extratags"] = [(274, 3, 1, turned, True)]
    data = tiff(samples if bands > 1 else samples[:, :, 0], photometric, byteorder=">", **how)
    found, same = decode(data, "a.tif"), decode(tiff(samples[:, :, :3].squeeze(), photometric, **how), "a.tif")
    np.testing.assert_array_equal(found.pixels, same.pixels)
    assert (found.source.depth, found.source.dpi, found.source.mode[:3]) == (8, (150, 150), same.source.mode)
    assert (found.source.alpha is not None) == (bands == 4) and not found.source.warnings
    assert decode(encode(found), "b.tif").pixels.shape == found.pixels.shape


def test_pages_of_8_bits_are_opened_once(monkeypatch: pytest.MonkeyPatch) -> None:
    openings = []

    def counted(*what: Any) -> Any:
        openings.append(what)
        return opened_by_pillow(*what)

    monkeypatch.setattr(scientific, "opened_by_pillow", counted)
    assert len(decode_frames(tiff(np.stack([PLANE] * 5)), "a.tif")) == 5 and len(openings) == 1


@pytest.mark.parametrize(
    ("tag", "kind", "value", "name"),
    [
        (33550, 12, (1.0, 1.0, 0.0), "ModelPixelScaleTag"),
        (34735, 3, (1, 1, 0, 0), "GeoKeyDirectoryTag"),
        (37724, 7, b"layers", "ImageSourceData"),
        (270, 2, "ImageJ=1.54\nunit=micron\n", "ImageDescription"),
    ],
)
def test_tags_that_do_not_fit_the_result_are_told(tag: int, kind: int, value: Any, name: str) -> None:
    data = tiff(PLANE, metadata=None, extratags=[(tag, kind, len(value), value, True)])
    assert decode(data, "a.tif").source.warnings == (UNFIT.format(name),)


def test_names_of_later_pages_are_told() -> None:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as file:
        for name in ("front", "back"):
            file.write(PLANE, description=name, metadata=None)
    first, second = decode_frames(stream.getvalue(), "a.tif")
    assert first.source.warnings == ()
    assert second.source.warnings == (UNFIT.format("ImageDescription"),)


def test_double_precision_is_rounded_and_says_so() -> None:
    assert decode(tiff(PLANE / 255), "a.tif").source.warnings == (
        "a.tif has values of 64 bits; they were rounded to 32.",
    )
    assert decode(tiff((PLANE / 255).astype(np.float32)), "a.tif").source.warnings == ()


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    ("unit", "kind", "value", "dpi"),
    [
        (2, 5, IFDRational(300), (300, 300)),
        (3, 5, IFDRational(100), (254, 254)),
        (1, 5, IFDRational(300), None),
        (2, 11, 300.0, (300, 300)),
        (2, 5, IFDRational(0), None),
        (2, 5, IFDRational(300, 0), None),
        (2, 11, float("inf"), None),
    ],
)
def test_resolution(unit: int, kind: int, value: Any, dpi: Any, depth: Any) -> None:
    tags, stream = ImageFileDirectory_v2(), io.BytesIO()
    for tag, type_of in ((296, 3), (282, kind), (283, kind)):
        tags.tagtype[tag] = type_of
        tags[tag] = unit if tag == 296 else value
    Pillow.fromarray(PLANE.astype(depth)).save(stream, "TIFF", tiffinfo=tags)
    assert decode(stream.getvalue(), "a.tif").source.dpi == dpi


def test_a_carried_name_is_found_by_others() -> None:
    tags = [(269, 2, 0, "survey", True), (285, 2, 0, "sheet 7", True), (33723, 7, 6, b"\x1c\x02\x05\0\x01a", True)]
    found = decode(tiff(PLANE, metadata=None, extratags=tags), "a.tif")
    assert found.source.warnings == ()
    with tifffile.TiffFile(io.BytesIO(encode(found))) as file:
        values = [file.pages[0].tags.valueof(tag) for tag in (269, 285, 33723)]
    assert values == ["survey", "sheet 7", b"\x1c\x02\x05\0\x01a"]
