"""Every page of a TIFF file and every frame of an animation is read, and written as it was shown."""

import io
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from denoise_cli.errors import InputError, OutputError
from denoise_cli.image import Image, decode, decode_frames, encode_frames, load_opencv, tiff

KINDS: dict[int, Any] = {8: np.uint8, 16: np.uint16, 32: np.float32}


def pictures(count: int = 3, mode: str = "RGB") -> list[Pillow.Image]:
    """Flat pictures in a few colours each, so that a palette holds them."""
    random = np.random.default_rng(0)
    shape = (6, 5) if mode == "L" else (6, 5, len(mode))
    return [Pillow.fromarray(random.integers(0, 256, shape, dtype=np.uint8)) for _ in range(count)]


def animation(format: str, frames: list[Pillow.Image], **how: Any) -> bytes:
    stream = io.BytesIO()
    exact = {"lossless": True, "exact": True} if format == "WEBP" else {}
    frames[0].save(stream, format, save_all=True, append_images=frames[1:], **exact, **how)
    return stream.getvalue()


def shown(data: bytes) -> list[Any]:
    """The frames as Pillow shows them."""
    with Pillow.open(io.BytesIO(data)) as opened:
        return [np.asarray((opened.seek(index), opened.convert("RGB"))[1]) for index in range(opened.n_frames)]


def samples(frames: list[Image]) -> list[Any]:
    return [np.rint(frame.pixels * 255).astype(np.uint8).transpose(1, 2, 0) for frame in frames]


@pytest.mark.parametrize("target", ["png", "webp", "gif", "tiff"])
@pytest.mark.parametrize("origin", ["PNG", "WEBP", "GIF"])
def test_animations_there_and_back(origin: str, target: str) -> None:
    data = animation(origin, pictures(), duration=[40, 120, 80], loop=2)
    found = decode_frames(data, "a")
    assert [frame.source.milliseconds for frame in found] == [40, 120, 80] and found[0].source.loops == 2
    for seen, wanted in zip(samples(found), shown(data), strict=True):
        assert (seen == wanted).all()
    again = encode_frames(found, target)
    for seen, wanted in zip(shown(again), shown(data), strict=True):
        assert (seen == wanted).all()
    if target != "tiff":
        after = decode_frames(again, "b")
        assert [frame.source.milliseconds for frame in after] == [40, 120, 80] and after[0].source.loops == 2


@pytest.mark.parametrize("target", ["png", "webp", "gif"])
def test_alpha_of_animations(target: str) -> None:
    frames = pictures(mode="RGBA")
    for frame in frames:
        frame.putalpha(frame.getchannel("A").point(lambda alpha: 255 if alpha > 127 else 0))
    data = animation("PNG", frames, duration=50)
    for before, after in zip(frames, decode_frames(encode_frames(decode_frames(data, "a"), target), "b"), strict=True):
        alpha = np.asarray(before)[:, :, 3]
        assert after.source.alpha is not None and (after.source.alpha == alpha).all()
        visible = alpha > 0
        assert (samples([after])[0][visible] == np.asarray(before)[:, :, :3][visible]).all()


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("depth", [8, 16, 32])
def test_pages(depth: int, channels: int) -> None:
    random = np.random.default_rng(0)
    stack = (random.random((4, 7, 9, channels)) * (255 if depth < 32 else 1)).astype(KINDS[depth])
    stream = io.BytesIO()
    how: dict[str, Any] = {"photometric": "rgb" if channels > 1 else "minisblack"}
    tifffile.imwrite(stream, stack if channels > 1 else stack[..., 0], resolution=(300, 150), **how)
    found = decode_frames(stream.getvalue(), "stack.tif")
    again = encode_frames(found)
    assert len(found) == 4 and all(frame.source.warnings == () for frame in found)
    assert (tifffile.imread(io.BytesIO(again)).reshape(stack.shape) == stack).all()
    assert found[3].source.dpi == (300, 150) == decode_frames(again, "b")[3].source.dpi
    assert decode(stream.getvalue(), "stack.tif").source.warnings != ()


def test_pages_of_different_kinds() -> None:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream, bigtiff=True) as file:
        file.write(np.full((4, 5), 7, np.uint16))
        file.write(np.full((8, 3, 3), 9, np.uint8), photometric="rgb")
        file.write(np.full((2, 2), 0.5, np.float32), extratags=[(274, 3, 1, 6, True)])
    found = decode_frames(stream.getvalue(), "a.tif")
    assert [frame.source.depth for frame in found] == [16, 8, 32] and [frame.channels for frame in found] == [1, 3, 1]
    again = decode_frames(encode_frames(found), "b.tif")
    assert all((one.pixels == other.pixels).all() for one, other in zip(found, again, strict=True))
    with pytest.raises(OutputError, match=r"The 3 pages of a.tif differ in size"):
        encode_frames(found, "png")
    with pytest.raises(OutputError, match=r"a.tif has 3 frames, which JPEG cannot hold"):
        encode_frames(found, "jpeg")
    with pytest.raises(OutputError, match="deeper than 8 bits"):
        encode_frames(found[:1] * 2, "webp")


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", None])
def test_pages_of_other_programs(compression: str | None) -> None:
    frames = pictures()
    data = animation("TIFF", frames, **({"compression": compression} if compression else {}))
    assert all(
        (seen == np.asarray(frame)).all() for seen, frame in zip(samples(decode_frames(data, "a")), frames, strict=True)
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_compressed_deep_pages_of_other_programs(channels: int) -> None:
    cv2, random = load_opencv(), np.random.default_rng(0)
    stack = random.integers(0, 65536, (3, 6, 5, channels)).astype(np.uint16)
    done, data = cv2.imencodemulti(".tif", [page[:, :, ::-1] for page in stack], [cv2.IMWRITE_TIFF_COMPRESSION, 5])
    found = decode_frames(data.tobytes(), "a.tif")
    assert done and len(found) == 3
    for frame, page in zip(found, stack, strict=True):
        assert (np.rint(frame.pixels * 65535) == page.transpose(2, 0, 1)).all()


def test_beyond_four_gibibytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff, "LARGEST", 500)
    frames = decode_frames(animation("PNG", pictures(mode="RGBA")), "a")
    data = encode_frames(frames, "tiff")
    assert data[2:4] == b"+\0"
    for before, after in zip(frames, decode_frames(data, "b"), strict=True):
        assert (before.pixels == after.pixels).all() and before.source.alpha is not None
        assert (before.source.alpha == after.source.alpha).all()


@pytest.mark.parametrize("format", ["PNG", "WEBP", "GIF", "TIFF"])
def test_the_limit_is_for_all_frames(format: str) -> None:
    data = animation(format, pictures())
    assert len(decode_frames(data, "a", max_pixels=90)) == 3
    with pytest.raises(InputError, match="more than the limit of 89"):
        decode_frames(data, "a", max_pixels=89)
    assert decode(data, "a", max_pixels=89).width == 5


def test_a_gif_says_what_it_cannot_hold() -> None:
    found = decode(animation("GIF", pictures(1), comment=b"made by hand"), "a.gif")
    assert found.source.warnings == ("a.gif: a GIF holds 256 colours; as PNG or WebP the result keeps all of its own.",)
    again = decode(encode_frames([found]), "b.gif")
    assert again.source.comment == b"made by hand" and (again.pixels == found.pixels).all()


def test_a_colour_frame_behind_a_plain_gray_one() -> None:
    gray = Pillow.fromarray(np.random.default_rng(0).integers(0, 256, (16, 20), dtype=np.uint8))
    colour = Pillow.fromarray(np.random.default_rng(1).integers(0, 256, (16, 20, 3), dtype=np.uint8)).quantize(16)
    found = decode_frames(animation("GIF", [gray, colour, gray], optimize=False), "a.gif")
    assert [frame.channels for frame in found] == [1, 3, 1]
    for seen, frame in zip(samples(found), (gray, colour, gray), strict=True):
        assert (seen == np.asarray(frame.convert("RGB"))).all()


def test_a_still_picture_beside_an_animation_is_no_frame() -> None:
    still, *frames = pictures(4)
    stream = io.BytesIO()
    still.save(stream, "PNG", save_all=True, append_images=frames, default_image=True, duration=50)
    found = decode_frames(stream.getvalue(), "a.png")
    assert [frame.source.milliseconds for frame in found] == [50, 50, 50]
    assert all((seen == np.asarray(frame)).all() for seen, frame in zip(samples(found), frames, strict=True))
    assert found[0].source.warnings == ("a.png has a still picture beside its frames; it was left out.",)
