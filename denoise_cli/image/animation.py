"""Build animations: GIF, WebP and PNG of several frames; and a GIF of one."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

from denoise_cli.image import png
from denoise_cli.image.picture import Source

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image as PillowImage

ANIMATED = ("gif", "webp", "png")
_CLEAR = 255  # the index of a GIF's transparent colour


def pack(
    frames: Sequence[NDArray[Any]],
    sources: Sequence[Source],
    format: str,
    *,
    icc: bytes,
    chunks: list[tuple[bytes, bytes]],
) -> bytes:
    """A file in ``format``, one of ANIMATED, of ``frames``, each (H, W, 1 to 4) uint8, shown as ``sources`` say.

    What is true of the whole file comes from the first source; ``chunks`` go into a PNG file, ``icc`` into a WebP file.
    """
    from PIL import Image as pillow

    mode = _mode(frames)
    pictures = [pillow.fromarray(frame[:, :, 0] if frame.shape[2] == 1 else frame) for frame in frames]
    pictures = [picture if picture.mode == mode else picture.convert(mode) for picture in pictures]
    first, stream = sources[0], BytesIO()
    how: dict[str, Any] = {} if first.loops is None else {"loop": first.loops}
    if len(pictures) > 1:
        how |= {"save_all": True, "duration": [source.milliseconds for source in sources]}
    if format == "gif":
        clear = {"transparency": _CLEAR, "disposal": 2} if mode in ("LA", "RGBA") else {}
        indexed = [_indexed(picture) for picture in pictures]
        indexed[0].save(stream, "GIF", append_images=indexed[1:], comment=first.comment, optimize=False, **how, **clear)
        return stream.getvalue()
    if format == "webp":
        how |= {"icc_profile": icc, "exif": first.exif, "xmp": first.xmp}
        how |= {"lossless": first.lossless, "quality": 80 if first.lossless else 95, "exact": True}
        how["duration"] = [round(source.milliseconds) for source in sources]
        pictures[0].save(stream, "WEBP", append_images=pictures[1:], **how)
        return stream.getvalue()
    pictures[0].save(stream, "PNG", append_images=pictures[1:], **how)
    header, *rest = png.chunks(stream.getvalue())
    return png.join([header, *chunks, *rest])


def _mode(frames: Sequence[NDArray[Any]]) -> str:
    """The plainest mode that holds all frames."""
    counts = {frame.shape[2] for frame in frames}
    return ("RGB" if counts & {3, 4} else "L") + ("A" if counts & {2, 4} else "")


def _indexed(picture: PillowImage) -> PillowImage:
    """``picture`` in its 255 best colours and one that is clear; not dithered, which would be noise again."""
    from PIL import Image as pillow

    colours = picture.convert("RGB").quantize(_CLEAR, dither=pillow.Dither.NONE)
    if picture.mode in ("LA", "RGBA"):
        colours.paste(_CLEAR, mask=picture.getchannel("A").point(lambda alpha: 255 * (alpha < 128)))
    return colours
