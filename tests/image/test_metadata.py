"""Orientation is applied; EXIF, profile, XMP and resolution survive wherever the format can carry them."""

import io
import struct
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow
from PIL import ImageCms, ImageOps

from denoise_cli.image import Image, Source, decode, encode, png
from denoise_cli.image.exif import entries, orientation, reset

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="%d" dc:title="a"/></x:xmpmeta>'


def camera(turned: int = 1, packet: bytes = b"") -> bytes:
    tags = Pillow.Exif()
    if packet:
        tags[700] = packet
    tags[0x010F], tags[0x0112] = "Maker & Sons", turned
    tags.get_ifd(0x8769)[0x829A] = 0.125  # exposure time
    tags.get_ifd(0x8825)[1] = "N"
    return tags.tobytes()


def photo(turned: int = 1, format: str = "PNG", mode: str = "RGB", **how: Any) -> bytes:
    random = np.random.default_rng(0)
    samples = random.integers(0, 256, (6, 9, len(mode)) if mode != "L" else (6, 9), dtype=np.uint8)
    stream = io.BytesIO()
    about = {"exif": camera(turned), "icc_profile": ICC, "xmp": XMP % turned, "dpi": (300, 150)}
    if format == "TIFF":
        del about["xmp"]
        about["exif"] = camera(turned, packet=XMP % turned)
    if format == "PNG":
        from PIL.PngImagePlugin import PngInfo

        text = PngInfo()
        text.add_itxt("XML:com.adobe.xmp", (XMP % turned).decode(), zip=True)
        text.add_text("Title", "old boat")
        about["pnginfo"] = text
    Pillow.fromarray(samples).save(stream, format, **(about | how))
    return stream.getvalue()


def check_camera(exif: bytes) -> None:
    tags = Pillow.Exif()
    tags.load(exif)
    assert tags[0x010F] == "Maker & Sons" and tags.get(0x0112, 1) == 1
    assert tags.get_ifd(0x8769)[0x829A] == 0.125 and tags.get_ifd(0x8825)[1] == "N"


@pytest.mark.parametrize("target", ["png", "jpeg", "tiff", "webp"])
@pytest.mark.parametrize("origin", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_everything_survives(origin: str, target: str) -> None:
    found = decode(photo(6, origin), "a")
    check_camera(found.source.exif)
    assert found.source.icc == ICC and found.source.xmp == XMP % 1
    after = decode(encode(found, target), "b")
    check_camera(after.source.exif)
    assert (after.source.icc, after.source.xmp) == (found.source.icc, found.source.xmp)
    if origin != "WEBP" and target != "webp":
        assert found.source.dpi == pytest.approx((150, 300), abs=0.02)
        assert after.source.dpi == pytest.approx((150, 300), abs=0.02)


@pytest.mark.parametrize("target", ["png", "jpeg", "tiff", "webp"])
def test_another_program_finds_everything(target: str) -> None:
    seen = Pillow.open(io.BytesIO(encode(decode(photo(), "a"), target)))
    check_camera(seen.getexif().tobytes())
    assert seen.getexif().get_ifd(0x8769)[0x829A] == 0.125
    assert seen.info["icc_profile"] == ICC and seen.info["xmp"] == XMP % 1
    if target != "webp":
        assert seen.info["dpi"] == pytest.approx((300, 150), abs=0.02)


@pytest.mark.parametrize("depth", [16, 32])
@pytest.mark.parametrize("target", ["png", "tiff"])
def test_deep_files_carry_it_too(depth: int, target: str) -> None:
    about = decode(photo(), "a").source
    pixels = np.random.default_rng(0).random((3, 6, 9), dtype=np.float32)
    source = Source("deep", depth=depth, icc=about.icc, exif=about.exif, xmp=about.xmp, dpi=about.dpi)
    after = decode(encode(Image(pixels, source), target), "b").source
    check_camera(after.exif)
    assert (after.icc, after.xmp) == (about.icc, about.xmp) and after.dpi == pytest.approx((300, 150), abs=0.02)


def test_bmp_carries_the_resolution() -> None:
    for mode in ("RGB", "RGBA"):
        assert decode(encode(decode(photo(mode=mode), "a"), "bmp"), "b").source.dpi == pytest.approx(
            (300, 150), abs=0.02
        )


@pytest.mark.parametrize("turned", range(1, 9))
@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP", "JPEG"])
def test_every_orientation(format: str, turned: int) -> None:
    data = photo(
        turned,
        format,
        "RGB" if format == "JPEG" else "RGBA",
        **({"lossless": True, "exact": True} if format == "WEBP" else {}),
    )
    wanted = np.asarray(ImageOps.exif_transpose(Pillow.open(io.BytesIO(data)))).transpose(2, 0, 1)
    found = decode(data, "a")
    assert (np.rint(found.pixels * 255) == wanted[:3]).all()
    if format != "JPEG":
        assert found.source.alpha is not None and (found.source.alpha == wanted[3]).all()
    again = decode(encode(found, "png"), "b")
    assert (again.pixels == found.pixels).all() and orientation(again.source.exif) == 1


@pytest.mark.parametrize("big", [False, True], ids=["classic", "big"])
@pytest.mark.parametrize("depth", [8, 16, 32])
def test_orientation_in_tiff_of_every_depth(depth: int, big: bool) -> None:
    kind = {8: np.uint8, 16: np.uint16, 32: np.float32}[depth]
    samples = np.arange(6 * 9 * 3).reshape(6, 9, 3).astype(kind)
    samples = samples / samples.max() if depth == 32 else samples
    stream = io.BytesIO()
    tifffile.imwrite(stream, samples, photometric="rgb", bigtiff=big, extratags=[(274, 3, 1, 6, True)])
    found = decode(stream.getvalue(), "a")
    top = {8: 255, 16: 65535, 32: 1}[depth]
    assert (found.pixels == samples.transpose(2, 1, 0)[:, :, ::-1].astype(np.float32) / np.float32(top)).all()
    assert found.source.exif == b"" or orientation(found.source.exif) == 1


def test_png_text_and_gamma_stay() -> None:
    found = decode(photo(), "a")
    assert (b"tEXt", b"Title\0old boat") in found.source.chunks
    assert Pillow.open(io.BytesIO(encode(found))).text["Title"] == "old boat"


def test_resetting_changes_the_orientation_alone() -> None:
    for data in (camera(6)[6:], struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, 0x0112, 3, 1, 6, 0, 0)):
        after = reset(data)
        assert orientation(data) == 6 and orientation(after) == 1 and len(after) == len(data)
        assert sum(a != b for a, b in zip(data, after, strict=True)) == 1


def test_a_makers_note_keeps_its_place() -> None:
    note = struct.pack("<HHIII", 9, 0x927C, 7, 0, 0)  # any content; its own offsets count from the start of the stream
    exif = struct.pack("<2sHIHHHIII", b"II", 42, 8, 1, 0x8769, 4, 1, 26, 0)
    exif += struct.pack("<HHHIII", 1, 0x927C, 7, len(note), 44, 0) + note
    pixels = np.zeros((3, 2, 2), np.float32)
    for format in ("png", "jpeg", "webp"):
        assert decode(encode(Image(pixels, Source("a", exif=exif)), format), "b").source.exif == exif
    data = encode(Image(pixels, Source("a", exif=exif)), "tiff")
    assert data[8 : len(exif)] == exif[8:]
    check = Pillow.open(io.BytesIO(data)).getexif().get_ifd(0x8769)
    assert check[0x927C] == note


def test_damaged_exif_is_left_out_and_said() -> None:
    broken = b"Exif\0\0II*\0" + struct.pack("<I", 5000)
    data = io.BytesIO()
    Pillow.new("L", (4, 4)).save(data, "PNG", exif=broken)
    found = decode(data.getvalue(), "a.png")
    assert (
        found.source.exif == b"" and len(found.source.warnings) == 1 and "EXIF is damaged" in found.source.warnings[0]
    )
    for damaged in (b"", b"nonsense", broken[6:]):
        with pytest.raises(ValueError, match=r"start|outside"):
            entries(damaged)


def test_a_profile_of_the_wrong_kind_is_not_written() -> None:
    found = decode(photo(), "a")
    gray = found.with_pixels(found.pixels[:1])
    assert decode(encode(gray), "b").source.icc == b"" and decode(encode(found), "b").source.icc == ICC


def test_an_orientation_of_any_whole_type_counts() -> None:
    for order, mark in (("<", b"II"), (">", b"MM")):
        for kind, letter in ((1, "B"), (3, "H"), (4, "I")):
            value = struct.pack(order + letter, 6).ljust(4, b"\0")
            exif = struct.pack(f"{order}2sHIHHHI", mark, 42, 8, 1, 0x0112, kind, 1) + value + bytes(4)
            assert orientation(exif) == 6 and orientation(reset(exif)) == 1


def segment(number: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 255, 0xE0 + number, 2 + len(content)) + content


def test_a_jpeg_keeps_what_agencies_write_and_long_xmp() -> None:
    data = photo(format="JPEG", comment=b"by hand")
    iptc = segment(13, b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x08\x1c\x02\x05\0\x03cat")
    more = segment(1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(40))
    other = segment(11, b"JP of another kind")
    found = decode(data[:2] + iptc + more + other + data[2:], "a.jpg")
    again = encode(found)
    assert iptc in again and more in again and other not in again
    assert Pillow.open(io.BytesIO(again)).info["photoshop"][0x0404].endswith(b"cat")
    assert decode(again, "b.jpg").source.xmp == found.source.xmp == XMP % 1
    bare = encode(found.stripped())
    assert iptc not in bare and more not in bare and b"by hand" not in bare


def test_png_keeps_how_bright_its_screen_was() -> None:
    header, *rest = png.chunks(photo())
    light = [(b"mDCV", bytes(24)), (b"cLLI", bytes(8))]
    assert set(light) <= set(png.chunks(encode(decode(png.join([header, *light, *rest]), "a.png"))))


def test_png_keeps_a_background_that_fits() -> None:
    back = (b"bKGD", bytes((0, 200, 0, 100, 0, 50)))
    header, *rest = png.chunks(photo())
    found = decode(png.join([header, back, *rest]), "a.png")
    assert back in png.chunks(encode(found))
    assert back not in png.chunks(encode(found.with_pixels(found.pixels[:1])))
    stream = io.BytesIO()
    Pillow.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8)).quantize(8).save(stream, "PNG")
    header, *rest = png.chunks(stream.getvalue())
    rest.insert(1, (b"bKGD", b"\x03"))
    assert b"bKGD" not in dict(png.chunks(encode(decode(png.join([header, *rest]), "b.png"))))


def test_a_gray_palette_keeps_its_profile() -> None:
    stream, picture = io.BytesIO(), Pillow.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8), "L").convert("P")
    picture.save(stream, "PNG", icc_profile=ICC)
    found = decode(stream.getvalue(), "a.png")
    assert found.channels == 3 and decode(encode(found), "b.png").source.icc == ICC


def test_a_webp_has_no_profile_for_gray() -> None:
    gray = ICC[:16] + b"GRAY" + ICC[20:]
    image = Image(np.full((1, 6, 8), 0.5, np.float32), Source("a", icc=gray))
    assert "icc_profile" not in Pillow.open(io.BytesIO(encode(image, "webp"))).info
    assert Pillow.open(io.BytesIO(encode(image, "png"))).info["icc_profile"] == gray
