"""What is written and read again is the same image, and other programs read the same from our files."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from denoise_cli.image import CORE, Image, Jpeg, Source, decode, encode, load_opencv, png, read, write

cv2 = load_opencv()
DEEPEST = {"png": 16, "tiff": 32, "ppm": 16}
TYPES: dict[int, Any] = {8: np.uint8, 16: np.uint16, 32: np.float32}


def plane(*shape: int, depth: int, seed: int = 0) -> Any:
    random = np.random.default_rng(seed)
    if depth == 32:
        return random.random(shape, dtype=np.float32)
    return random.integers(0, 2**depth, shape).astype(TYPES[depth])


def image(channels: int, height: int, width: int, depth: int, alpha: bool = False, **about: Any) -> Image:
    pixels = plane(channels, height, width, depth=depth)
    if depth < 32:
        pixels = pixels.astype(np.float32) / np.float32(2**depth - 1)
    shade = plane(height, width, depth=depth, seed=1) if alpha else None
    return Image(pixels, Source("made", depth=depth, alpha=shade, **about))


def at_depth(pixels: Any, depth: int) -> Any:
    if depth == 32:
        return pixels
    return np.rint(pixels * np.float32(2**depth - 1)).astype(np.float32) / np.float32(2**depth - 1)


@pytest.mark.parametrize("alpha", [False, True], ids=["opaque", "alpha"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("depth", [8, 16, 32])
@pytest.mark.parametrize("format", ["png", "tiff", "webp", "bmp", "ppm"])
def test_lossless_formats_give_back_every_sample(format: str, depth: int, channels: int, alpha: bool) -> None:
    if alpha and format == "ppm":
        pytest.skip("PPM has no alpha")
    before = image(channels, 37, 53, depth, alpha)
    after = decode(encode(before, format), "again")
    held = min(depth, DEEPEST.get(format, 8))
    assert after.source.depth == held and after.source.format == format
    assert after.pixels.dtype == np.float32 and (after.height, after.width) == (37, 53)
    assert after.channels == (3 if format == "webp" or (format == "bmp" and alpha) else channels)
    assert (after.pixels == at_depth(before.pixels, held)).all()
    assert (after.source.alpha is not None) == alpha
    if alpha and held == depth:
        assert after.source.alpha is not None and before.source.alpha is not None
        assert after.source.alpha.dtype == before.source.alpha.dtype
        assert (after.source.alpha == before.source.alpha).all()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("depth", [8, 16, 32])
def test_jpeg_stays_near(depth: int, channels: int) -> None:
    ramp = np.linspace(0, 1, 40 * 60, dtype=np.float32).reshape(1, 40, 60).repeat(channels, axis=0)
    after = decode(encode(Image(ramp, Source("made", depth=depth)), "jpeg"), "again")
    assert after.source.depth == 8 and after.channels == channels
    assert np.abs(after.pixels - ramp).max() < 0.02


@pytest.mark.parametrize("format", CORE)
@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (2, 3), (16, 16)], ids=str)
@pytest.mark.parametrize("channels", [1, 3])
def test_odd_sizes(format: str, size: tuple[int, int], channels: int) -> None:
    before = image(channels, *size, depth=8)
    after = decode(encode(before, format), "again")
    assert (after.height, after.width) == size
    if format not in ("jpeg", "gif"):
        assert (after.pixels == before.pixels).all()


def test_large_images_cross_the_bands_and_strips() -> None:
    before = image(3, 700, 900, 16)
    for format in ("png", "tiff"):
        assert (decode(encode(before, format), "again").pixels == before.pixels).all()


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 2), (5, 7, 3), (5, 7, 4)], ids=str)
def test_other_programs_read_our_8_bit_files(shape: tuple[int, ...]) -> None:
    samples = plane(*shape, depth=8)
    before = decode(pillow_file(samples, "PNG"), "made")
    for format in ("png", "tiff", "bmp"):
        seen = np.asarray(Pillow.open(io.BytesIO(encode(before, format))))
        if format == "bmp" and shape[2:] == (2,):
            assert (seen[:, :, 2:] == samples).all()
        else:
            assert (seen == samples).all()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("depth", [16, 32])
def test_other_programs_read_our_deep_files(channels: int, alpha: bool, depth: int) -> None:
    before = image(channels, 9, 13, depth, alpha)
    colour = before.pixels.transpose(1, 2, 0)
    wanted = colour if depth == 32 else np.rint(colour * 65535).astype(np.uint16)
    if alpha:
        assert before.source.alpha is not None
        wanted = np.concatenate([wanted, before.source.alpha[:, :, None]], axis=2)
    assert (tifffile.imread(io.BytesIO(encode(before, "tiff"))).reshape(wanted.shape) == wanted).all()
    if depth == 16:
        seen = cv2.imdecode(np.frombuffer(encode(before, "png"), np.uint8), cv2.IMREAD_UNCHANGED)
        order = [[0], [0, 0, 0, 1], [2, 1, 0], [2, 1, 0, 3]][(channels == 3) * 2 + alpha]
        assert (seen.reshape(9, 13, -1) == wanted[:, :, order]).all()


def pillow_file(samples: Any, format: str, **how: Any) -> bytes:
    stream = io.BytesIO()
    (samples if isinstance(samples, Pillow.Image) else Pillow.fromarray(samples)).save(stream, format, **how)
    return stream.getvalue()


def cv2_file(samples: Any, suffix: str, *how: int) -> bytes:
    done, data = cv2.imencode(suffix, samples, list(how))
    assert done
    return bytes(data.tobytes())


@pytest.mark.parametrize("suffix", [".png", ".ppm", ".tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_16_bit_files_of_others_are_exact(suffix: str, channels: int) -> None:
    samples = plane(11, 6, channels, depth=16)
    found = decode(cv2_file(samples[:, :, ::-1], ".pgm" if suffix == ".ppm" and channels == 1 else suffix), "other")
    assert found.source.depth == 16
    assert (np.rint(found.pixels * 65535) == samples.transpose(2, 0, 1)).all()


@pytest.mark.parametrize("compression", [1, 5, 8, 32773], ids=["none", "lzw", "deflate", "packbits"])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_compressed_tiff_of_others(compression: int, channels: int, kind: Any) -> None:
    samples = plane(11, 6, channels, depth=16 if kind is np.uint16 else 32)
    order = [2, 1, 0, 3][:channels] if channels > 1 else [0]
    found = decode(cv2_file(samples[:, :, order], ".tif", cv2.IMWRITE_TIFF_COMPRESSION, compression), "other")
    colour = samples[:, :, :3].transpose(2, 0, 1)
    assert (found.pixels == (colour / np.float32(65535) if kind is np.uint16 else colour)).all()
    assert (found.source.alpha is not None) == (channels == 4)


@pytest.mark.parametrize(
    "how",
    [
        {"planarconfig": "separate", "photometric": "rgb"},
        {"bigtiff": True, "photometric": "rgb"},
        {"byteorder": ">", "photometric": "rgb"},
        {"tile": (16, 16), "photometric": "rgb"},
    ],
    ids=["planar", "bigtiff", "big-endian", "tiled"],
)
def test_tiff_layouts(how: dict[str, Any]) -> None:
    samples = plane(20, 30, 3, depth=16)
    stream = io.BytesIO()
    tifffile.imwrite(stream, samples.transpose(2, 0, 1) if "planarconfig" in how else samples, **how)
    found = decode(stream.getvalue(), "other")
    assert (np.rint(found.pixels * 65535) == samples.transpose(2, 0, 1)).all()


def test_white_is_zero() -> None:
    samples = plane(5, 6, depth=16)
    stream = io.BytesIO()
    tifffile.imwrite(stream, samples, photometric="miniswhite")
    assert (np.rint(decode(stream.getvalue(), "other").pixels * 65535) == 65535 - samples[None].astype(float)).all()


def test_premultiplied_alpha_is_divided_out() -> None:
    samples = np.array([[[1000, 2000, 500, 32768], [7, 7, 7, 0]]], np.uint16)
    stream = io.BytesIO()
    tifffile.imwrite(stream, samples, photometric="rgb", extrasamples=["assocalpha"])
    found = np.rint(decode(stream.getvalue(), "other").pixels * 65535)[:, 0, :]
    assert (found == np.array([[2000, 7], [4000, 7], [1000, 7]])).all()


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF"])
def test_one_bit(format: str) -> None:
    bits = plane(9, 11, depth=8) > 128
    found = decode(pillow_file(Pillow.fromarray(bits), format), "bits")
    assert found.channels == 1 and (found.pixels[0] == bits).all()
    assert found.source.depth == 8 and (decode(encode(found), "again").pixels == found.pixels).all()


def test_palettes_come_out_as_colour_or_gray() -> None:
    indices = Pillow.new("P", (8, 8))
    indices.putdata([place % 4 for place in range(64)])
    indices.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 8, 7])
    found = decode(pillow_file(indices, "PNG"), "palette")
    assert found.source.mode == "P" and found.channels == 3
    assert (np.rint(found.pixels[:, 0, 3] * 255) == [9, 8, 7]).all()
    clear = decode(pillow_file(indices, "PNG", transparency=2), "palette")
    assert clear.source.alpha is not None and clear.source.alpha[0].tolist() == [255, 255, 0, 255, 255, 255, 0, 255]
    indices.putpalette([0, 0, 0, 50, 50, 50, 100, 100, 100, 255, 255, 255])
    assert decode(pillow_file(indices, "PNG"), "gray palette").channels == 1


def test_transparent_colours_become_alpha() -> None:
    gray = np.array([[0, 9], [9, 3]], np.uint8)
    found = decode(pillow_file(gray, "PNG", transparency=9), "gray")
    assert found.source.alpha is not None and found.channels == 1
    assert found.source.alpha.tolist() == [[255, 0], [0, 255]]


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_a_transparent_level_of_few_bits_becomes_alpha(bits: int) -> None:
    header = struct.pack(">IIBBBBB", 8 // bits, 1, bits, 0, 0, 0, 0)
    levels = 8 // bits
    body = zlib.compress(bytes([0, sum((level % 2) << (8 - bits * (level + 1)) for level in range(levels))]))
    chunks = [(b"IHDR", header), (b"tRNS", b"\0\x01"), (b"IDAT", body), (b"IEND", b"")]
    found = decode(png.join(chunks), "gray")
    assert found.source.alpha is not None and found.channels == 1
    assert found.source.alpha.tolist() == [[255, 0] * (levels // 2)]
    assert (found.pixels[0, 0, 1::2] == np.float32(1 / (2**bits - 1))).all()


def test_a_transparent_level_of_16_bits_becomes_alpha() -> None:
    gray = np.array([[0, 900], [900, 3]], np.uint16)[:, :, None]
    found = decode(png.pack(gray, [(b"tRNS", (900).to_bytes(2, "big"))]), "gray")
    assert found.source.alpha is not None and found.channels == 1 and found.source.depth == 16
    assert found.source.alpha.tolist() == [[65535, 0], [0, 65535]]


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_cmyk_becomes_rgb_and_says_so(format: str) -> None:
    ink = Pillow.new("CMYK", (8, 8), (0, 255, 255, 0))
    found = decode(pillow_file(ink, format), "ink.tif")
    assert found.source.mode == "CMYK" and found.source.warnings == ("ink.tif is CMYK; it was converted to RGB.",)
    assert np.abs(found.pixels[:, 4, 4] - [1, 0, 0]).max() < 0.02
    assert decode(encode(found), "again").channels == 3


def test_deep_cmyk() -> None:
    ink = np.zeros((2, 2, 4), np.uint16)
    ink[..., 1:] = 65535, 32768, 0
    stream = io.BytesIO()
    tifffile.imwrite(stream, ink, photometric="separated")
    found = decode(stream.getvalue(), "ink.tif")
    assert found.source.depth == 16 and "CMYK" in found.source.warnings[0]
    assert np.rint(found.pixels[:, 0, 0] * 65535).tolist() == [65535, 0, 32767]


@pytest.mark.parametrize("header", [b"P3 2 1 1023\n", b"P3\n# note\n2 # two\n1\n1023\n"])
def test_plain_ppm_of_any_range(header: bytes) -> None:
    found = decode(header + b"0 1 2\n1021 1022 1023\n", "plain")
    assert found.source.depth == 16 and np.rint(found.pixels[:, 0, 1] * 1023).tolist() == [1021, 1022, 1023]


@pytest.mark.parametrize("data", [b"P1\n3 2\n101\n0 1 0\n", b"P4\n3 2\n\xa0\x40"], ids=["plain", "packed"])
def test_pbm(data: bytes) -> None:
    assert decode(data, "bits").pixels.tolist() == [[[0, 1, 0], [1, 0, 1]]]


def test_floating_point_beyond_one_is_scaled_and_scaled_back() -> None:
    values = np.array([[-1.0, 0.0], [0.5, 3.0]], np.float32)
    stream = io.BytesIO()
    tifffile.imwrite(stream, values)
    found = decode(stream.getvalue(), "hdr.tif")
    assert (found.source.scale, found.source.offset) == (4.0, -1.0)
    assert found.pixels.tolist() == [[[0, 0.25], [0.375, 1]]]
    assert tifffile.imread(io.BytesIO(encode(found))).tolist() == values.tolist()


def test_jpeg_is_compressed_as_it_was() -> None:
    photo = Pillow.fromarray(plane(32, 48, 3, depth=8))
    data = pillow_file(photo, "JPEG", quality=61, subsampling=1, comment=b"hello")
    found = decode(data, "photo.jpg")
    assert found.source.jpeg is not None and found.source.jpeg.subsampling == 1
    again = Pillow.open(io.BytesIO(encode(found)))
    assert again.quantization == Pillow.open(io.BytesIO(data)).quantization and again.info["comment"] == b"hello"


def test_a_jpeg_that_lost_nothing_has_no_tables() -> None:
    source = Source("x.jpg", "jpeg", jpeg=Jpeg((), 0))
    image = Image(plane(32, 48, 3, depth=8).transpose(2, 0, 1), source)
    assert source.jpeg is not None and source.jpeg.quality == 100
    again = decode(encode(image.finer(85)), "again.jpg").source.jpeg
    assert again is not None and again.quality > 90


@pytest.mark.parametrize("quality", [8, 30, 75, 90, 97])
def test_jpeg_can_be_compressed_less_than_it_was(quality: int) -> None:
    data = pillow_file(Pillow.fromarray(plane(32, 48, 3, depth=8)), "JPEG", quality=quality)
    found = decode(data, "photo.jpg").finer(85)
    again = decode(encode(found), "again.jpg").source.jpeg
    assert again is not None and again.quality == pytest.approx(max(quality, 85), abs=1)
    assert min(step for table in again.tables for step in table) >= 1
    assert quality < 85 or encode(found) == encode(decode(data, "photo.jpg"))


@pytest.mark.parametrize("lossless", [False, True])
def test_webp_stays_lossy_or_lossless(lossless: bool) -> None:
    found = decode(pillow_file(plane(32, 48, 3, depth=8), "WEBP", lossless=lossless), "photo.webp")
    assert found.source.lossless is lossless
    assert decode(encode(found), "again").source.lossless is lossless


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
def test_the_first_of_several_frames(format: str) -> None:
    frames = [Pillow.fromarray(plane(6, 5, 3, depth=8, seed=seed)) for seed in range(3)]
    data = pillow_file(
        frames[0], format, save_all=True, append_images=frames[1:], **({"lossless": True} if format == "WEBP" else {})
    )
    found = decode(data, "many")
    assert (
        len(found.source.warnings) == 1 and "3" in found.source.warnings[0] and "2 left out" in found.source.warnings[0]
    )
    assert (np.rint(found.pixels * 255) == np.asarray(frames[0]).transpose(2, 0, 1)).all()


def test_files_on_disk(tmp_path: Path) -> None:
    before = image(3, 4, 5, 16)
    write(before, tmp_path / "new" / "a.PNG")
    after = read(tmp_path / "new" / "a.PNG")
    assert (after.pixels == before.pixels).all() and after.source.name == str(tmp_path / "new" / "a.PNG")
    clean = after.with_pixels(after.pixels[:1] * 0)
    write(clean, tmp_path / "new" / "a.PNG", force=True)
    assert read(tmp_path / "new" / "a.PNG").channels == 1
