"""Whatever is wrong with a file is one clear error, never half a picture."""

import errno
import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from denoise_cli.errors import DenoiseError, InputError, OutputError, UsageError
from denoise_cli.image import (
    CORE,
    Image,
    Source,
    decode,
    encode,
    encode_frames,
    is_image,
    load_opencv,
    png,
    read,
    write,
)


def made(format: str, depth: int = 8, channels: int = 3) -> bytes:
    pixels = np.random.default_rng(0).random((channels, 24, 20), dtype=np.float32)
    return encode(Image(pixels, Source("made", depth=depth)), format)


def pillow_file(format: str, **how: Any) -> bytes:
    stream = io.BytesIO()
    samples = np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)
    Pillow.fromarray(samples).save(stream, format, **how)
    return stream.getvalue()


def tifffile_file(kind: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, (np.random.default_rng(0).random((24, 20, 3)) * 255).astype(kind), photometric="rgb")
    return stream.getvalue()


WHOLE = {
    **{f"{format}-8": made(format) for format in CORE},
    **{f"{format}-16": made(format, 16) for format in ("png", "tiff", "ppm")},
    "tiff-32": made("tiff", 32),
    "gif-animated": pillow_file("GIF", save_all=True, append_images=[Pillow.new("RGB", (20, 24), "red")]),
    "webp-lossy": pillow_file("WEBP", quality=50),
    "jpeg-progressive": pillow_file("JPEG", progressive=True),
    "tiff-pillow": pillow_file("TIFF"),
    "tiff-lzw": pillow_file("TIFF", compression="tiff_lzw"),
    "tiff-tifffile": tifffile_file(np.uint16),
    "tiff-tifffile-float": tifffile_file(np.float32),
    "ppm-plain": b"P3 2 2 255 1 2 3 4 5 6 7 8 9 10 11 12\n",
}


@pytest.mark.parametrize("kind", WHOLE)
def test_truncated_anywhere(kind: str) -> None:
    data = WHOLE[kind]
    decode(data, "whole")
    last = len(data) - 4 if kind == "ppm-plain" else len(data)  # less could be another, shorter number
    for length in {*range(1, last, max(1, last // 60)), *range(max(1, last - 12), last)}:
        with pytest.raises(InputError) as caught:
            decode(data[:length], "cut")
        assert caught.value.what.startswith("cut ") and caught.value.hint, length


@pytest.mark.parametrize("kind", WHOLE)
def test_damage_is_an_error_or_a_picture_of_the_same_size(kind: str) -> None:
    random = np.random.default_rng(1)
    for _ in range(30):
        data = bytearray(WHOLE[kind])
        for place in random.integers(0, len(data), 3):
            data[place] = random.integers(0, 256)
        try:
            found = decode(bytes(data), "damaged", max_pixels=10**6)
        except InputError:
            continue
        assert np.isfinite(found.pixels).all()


def test_a_wrong_checksum() -> None:
    data = bytearray(WHOLE["png-16"])
    data[len(data) // 2] ^= 1
    with pytest.raises(InputError, match="the checksum of its IDAT chunk is wrong"):
        decode(bytes(data), "a")


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("interlaced", [0, 1])
def test_a_png_with_too_few_rows(depth: int, interlaced: int) -> None:
    header = struct.pack(">IIBBBBB", 5, 3, depth, 2, 0, 0, interlaced)
    # 5 x 3 pixels in seven passes: 1x1, 1x1, none, 2x1, 3x1, 2x2, 5x1 of them, each row with its filter in front
    count = 15 * 3 * depth // 8 + (7 if interlaced else 3)
    for missing in (0, 1, 20):
        data = png.join([(b"IHDR", header), (b"IDAT", zlib.compress(bytes(count - missing))), (b"IEND", b"")])
        if missing:
            with pytest.raises(InputError, match=f"take {count} bytes and it has {count - missing}"):
                decode(data, "a")
        else:
            assert decode(data, "a").pixels.shape == (3, 3, 5)


@pytest.mark.parametrize("data", [b"hello", b"BM", b"<html></html>", b"\x89PNG\r\n\x1a\n", b"GIF89a;", b"\0" * 99])
def test_no_image(data: bytes) -> None:
    with pytest.raises(InputError) as caught:
        decode(data, "a.png")
    assert caught.value.what.startswith("a.png ") and caught.value.hint


def test_empty() -> None:
    with pytest.raises(InputError, match=r"a.png is empty"):
        decode(b"", "a.png")


@pytest.mark.parametrize("format", CORE)
def test_too_many_pixels(format: str) -> None:
    data = made(format)
    assert decode(data, "a", max_pixels=480).width == 20
    with pytest.raises(InputError, match=r"a declares 20 x 24 = 480 pixels, more than the limit of 479") as caught:
        decode(data, "a", max_pixels=479)
    assert "--max-pixels 480" in caught.value.hint


def test_a_bomb_is_not_decoded() -> None:
    header = struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 2, 0, 0, 0)
    bombs = {
        "png": png.join([(b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")]),
        "ppm": b"P6 99999999 99999999 255\n",
        "bmp": made("bmp")[:18] + struct.pack("<ii", 10**6, 10**6) + made("bmp")[26:],
    }
    for data in bombs.values():
        with pytest.raises(InputError, match="--max-pixels"):
            decode(data, "bomb")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(value: float) -> None:
    samples = np.zeros((4, 4), np.float32)
    samples[1, 1:3] = value
    stream = io.BytesIO()
    tifffile.imwrite(stream, samples)
    with pytest.raises(InputError, match="has 2 values of 16 that are not finite"):
        decode(stream.getvalue(), "a.tif")


def test_transparency_that_is_not_finite() -> None:
    samples = np.zeros((4, 4, 4), np.float32)
    samples[1, 1, 3] = np.nan
    stream = io.BytesIO()
    tifffile.imwrite(stream, samples, photometric="rgb", extrasamples=["unassalpha"])
    with pytest.raises(InputError, match="has 1 values of 64 that are not finite"):
        decode(stream.getvalue(), "a.tif")


@pytest.mark.parametrize("kind", [np.int8, np.int32])
def test_samples_of_another_kind(kind: type[np.integer[Any]]) -> None:
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.zeros((4, 4), kind))
    with pytest.raises(InputError, match=kind.__name__):
        decode(stream.getvalue(), "a.tif")


def test_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "boat.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"bota.png does not exist") as caught:
        read(tmp_path / "bota.png")
    assert "boat.png" in caught.value.hint
    with pytest.raises(InputError, match="does not exist") as caught:
        read(tmp_path / "no" / "boat.png")
    assert "folder" in caught.value.hint


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        read(tmp_path)


def test_no_permission(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (tmp_path / "a.png").write_bytes(made("png"))
    (tmp_path / "a.png").chmod(0)
    with pytest.raises(InputError, match="permission denied"):
        read(tmp_path / "a.png")


@pytest.mark.parametrize(("code", "words"), [(errno.EACCES, "permission denied"), (errno.EIO, "error")])
def test_a_system_that_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    (tmp_path / "a.png").write_bytes(WHOLE["png-8"])
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match=words):
        read(tmp_path / "a.png")


def test_opencv_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    data = WHOLE["png-16"]
    monkeypatch.setitem(sys.modules, "cv2", None)
    for attempt in (load_opencv, lambda: decode(data, "a.png")):
        with pytest.raises(DenoiseError, match="OpenCV cannot be imported") as caught:
            attempt()
        assert "opencv-python-headless" in caught.value.hint
    assert decode(WHOLE["png-8"], "a.png").channels == 3  # files of 8 bits do not need it


def test_importing_is_cheap() -> None:
    heavy = "{'numpy', 'cv2', 'PIL', 'tifffile', 'torch'}"
    code = f"import sys, denoise_cli.image; print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_transparency_that_a_format_cannot_hold() -> None:
    pixels, alpha = np.zeros((3, 4, 4), np.float32), np.full((4, 4), 255, np.uint8)
    for format in ("jpeg", "ppm"):
        opaque = decode(encode(Image(pixels, Source("a.png", alpha=alpha)), format), "b")
        assert opaque.source.alpha is None
        with pytest.raises(OutputError, match=r"a.png is partly transparent") as caught:
            encode(Image(pixels, Source("a.png", alpha=alpha - 1)), format)
        assert "PNG" in caught.value.hint


@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_an_image_too_large_for_its_format(format: str) -> None:
    with pytest.raises(OutputError, match="1 x 70000") as caught:
        encode(Image(np.zeros((1, 70000, 1), np.float32), Source("a")), format)
    assert "PNG" in caught.value.hint


@pytest.mark.parametrize("about", [{"loops": 100_000}, {"milliseconds": 700_000.0}])
def test_what_an_animation_cannot_say_is_an_error_of_one_image(about: dict[str, Any]) -> None:
    frames = [Image(np.full((1, 4, 4), value, np.float32), Source("a.png", **about)) for value in (0, 1)]
    with pytest.raises(OutputError, match=r"a.png \(4 x 4\) does not fit into a GIF file"):
        encode_frames(frames, "gif")


def test_a_gif_that_would_be_too_wide() -> None:
    with pytest.raises(OutputError, match=r"70000 x 1\) does not fit into a GIF file"):
        encode(Image(np.zeros((1, 1, 70000), np.float32), Source("a.png")), "gif")


@pytest.mark.parametrize("format", ["png", "bmp", "jpeg", "tiff"])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("dpi", [1e-4, 100_000.0, 5.08e6, 4e9, 1e11])
def test_a_resolution_is_written_as_it_is_or_not_at_all(dpi: float, alpha: bool, format: str) -> None:
    opaque = np.full((4, 4), 255, np.uint8) if alpha else None
    image = Image(np.zeros((3, 4, 4), np.float32), Source("a", dpi=(dpi, dpi), alpha=opaque))
    after = decode(encode(image, format), "b").source.dpi
    held = {"png": (1, 5e7), "bmp": (1, 5e7), "jpeg": (1, 65535), "tiff": (1e-5, 2**32)}[format]
    if held[0] <= dpi <= held[1]:
        assert after == pytest.approx((dpi, dpi), rel=1e-3)
    else:
        assert after is None


def test_pixels_that_are_not_finite_are_not_written() -> None:
    with pytest.raises(OutputError, match="16 pixels"):
        encode(Image(np.full((1, 4, 4), np.nan, np.float32), Source("a")))


def test_values_beyond_the_range_are_clipped() -> None:
    pixels = np.array([[[-0.5, 0.5, 1.5]]], np.float32)
    for depth in (8, 16):
        after = decode(encode(Image(pixels, Source("a", depth=depth))), "b").pixels
        assert after[0, 0, 0] == 0 and after[0, 0, 2] == 1


def test_unknown_formats(tmp_path: Path) -> None:
    image = decode(made("png"), "a")
    with pytest.raises(UsageError, match="'pgn'") as caught:
        encode(image, "pgn")
    assert "Did you mean 'png'" in caught.value.hint
    for name in ("out.xyz", "out"):
        with pytest.raises(UsageError, match="names no image format"):
            write(image, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_not_overwritten(tmp_path: Path) -> None:
    image = decode(made("png"), "a")
    (tmp_path / "a.png").write_bytes(b"old")
    with pytest.raises(OutputError, match="exists already"):
        write(image, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("name", "answer"),
    [("a.png", True), ("b/A.JPEG", True), ("a.tif", True), ("a.txt", False), ("png", False), (".a.png.7.part", False)],
)
def test_names_of_images(name: str, answer: bool) -> None:
    assert is_image(name) is answer and is_image(Path(name)) is answer
