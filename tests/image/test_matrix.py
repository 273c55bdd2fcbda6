"""Formats x depth x kind x metadata: what goes in comes out of the same format, or the format cannot hold it."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageCms

from denoise_cli.errors import OutputError
from denoise_cli.image import FORMATS, Image, Source, decode, encode

DEPTHS = {"png": (8, 16), "tiff": (8, 16, 32), "ppm": (8, 16), "exr": (32,)}
ALPHA = {"png": True, "tiff": True, "webp": True, "bmp": True, "gif": True, "jpeg": False, "ppm": False, "exr": True}
HOLDS = {  # what a file of each format can say besides its pixels
    "png": {"exif", "icc", "xmp", "dpi"},
    "tiff": {"exif", "icc", "xmp", "dpi"},
    "jpeg": {"exif", "icc", "xmp", "dpi", "comment"},
    "webp": {"exif", "icc", "xmp"},
    "gif": {"comment"},
    "bmp": {"dpi"},
    "ppm": set(),
    "exr": set(),
}


def about() -> dict[str, Any]:
    tags = Pillow.Exif()
    tags[0x010F] = "Maker"
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = tags.tobytes().removeprefix(b"Exif\0\0")
    return {"exif": exif, "icc": icc, "xmp": b"<x:xmpmeta/>", "dpi": (300.0, 300.0), "comment": b"by hand"}


def made(channels: int, depth: int, alpha: bool, metadata: dict[str, Any]) -> Image:
    """Large flat areas, which a lossy or indexed format holds too."""
    pixels = np.zeros((channels, 16, 24), np.float32)
    pixels[:, :8, :8], pixels[0, 8:], pixels[-1, :, 16:] = 0.8, 0.6, 0.4
    shade = np.full((16, 24), {8: 255, 16: 65535, 32: 1}[depth], {8: np.uint8, 16: np.uint16, 32: np.float32}[depth])
    shade[:8, :8] = 0
    return Image(pixels, Source("a", depth=depth, alpha=shade if alpha else None, **metadata))


def maker(image: Image) -> Any:
    tags = Pillow.Exif()
    if image.source.exif:
        tags.load(image.source.exif)
    return tags.get(0x010F)


CASES = [
    (format, depth, channels, alpha, metadata)
    for format in FORMATS
    if format != "dicom"  # which is only written from one: see test_dicom.py
    for depth in DEPTHS.get(format, (8,))
    for channels in (1, 3)
    for alpha in (False, True)
    for metadata in (False, True)
]


@pytest.mark.parametrize(("format", "depth", "channels", "alpha", "metadata"), CASES)
def test_what_goes_in_comes_out(format: str, depth: int, channels: int, alpha: bool, metadata: bool) -> None:
    if format == "exr":
        pytest.importorskip("OpenEXR", reason="OpenEXR is not installed: pip install 'denoise-cli[exr]'")
    before = made(channels, depth, alpha, about() if metadata else {})
    if alpha and not ALPHA[format]:
        with pytest.raises(OutputError, match="partly transparent"):
            encode(before, format)
        return
    data = encode(before, format)
    after = decode(data, "b")
    assert after.source.format == format and after.source.depth == depth
    wanted = np.broadcast_to(before.pixels, after.pixels.shape)
    opaque = np.full((16, 24), True) if before.source.alpha is None else before.source.alpha > 0
    near = {"jpeg": 0.03, "gif": 0.5 / 255 + 1e-6}.get(format, 0.5 / (255 if depth == 8 else 65535) + 1e-6)
    assert np.abs(after.pixels - wanted)[:, opaque].max() <= near
    assert (after.source.alpha is None) == (before.source.alpha is None)
    if before.source.alpha is not None and after.source.alpha is not None:
        assert (after.source.alpha == before.source.alpha).all()
    assert (maker(after) == "Maker") == (metadata and "exif" in HOLDS[format])
    for field in HOLDS[format] - {"exif"} if metadata else ():
        if field == "dpi":
            assert after.source.dpi == pytest.approx((300, 300), abs=0.02)
        elif field != "icc" or channels == 3:
            assert getattr(after.source, field) == getattr(before.source, field), field
    with Pillow.open(io.BytesIO(data)) if depth == 8 else io.BytesIO() as seen:  # another program finds an image
        assert depth > 8 or seen.size == (24, 16)
    stripped = decode(encode(after.stripped(), format), "c")
    assert (maker(stripped), stripped.source.xmp, stripped.source.comment) == (None, b"", b"")
    assert stripped.source.icc == after.source.icc
    assert format == "jpeg" or (stripped.pixels == after.pixels).all()


def test_stripping_keeps_what_colours_depend_on() -> None:
    chunks = ((b"gAMA", b"\0\0\xb1\x8f"), (b"tEXt", b"Author\0me"))
    source = replace(made(3, 8, False, {}).source, chunks=chunks)
    image = Image(made(3, 8, False, {}).pixels, source)
    assert decode(encode(image), "a").source.chunks == chunks
    assert decode(encode(image.stripped()), "a").source.chunks == chunks[:1]
