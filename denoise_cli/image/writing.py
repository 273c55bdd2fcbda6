"""Encode images into files: as deep as the format holds, with everything that came along."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from denoise_cli.errors import DenoiseError, OutputError, UsageError, did_you_mean
from denoise_cli.files import write_atomically
from denoise_cli.image import animation, dicom, exif, exr, png, tiff
from denoise_cli.image.picture import FORMATS, Image, format_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TYPES = {8: "uint8", 16: "uint16", 32: "float32"}  # of samples by their bits
_DEEPEST = {"png": 16, "tiff": 32, "ppm": 16, "exr": 32}  # bits of a sample; 8 in other formats
_LOSSY = {"quality": 95, "subsampling": 0}  # where the source does not say how

_METRE = 1 / 0.0254  # inches
_BAND = 1 << 20  # pixels that are rounded at once


def write(image: Image, path: str | Path, *, force: bool = False) -> None:
    """Write ``image`` to ``path`` whole or not at all, in the format of its suffix.

    Raises UsageError for an unknown suffix, OutputError where the file exists (and not ``force``), cannot be written,
    or cannot hold the image.
    """
    write_atomically(path, encode(image, format_of(path)), force=force)


def encode(image: Image, format: str | None = None) -> bytes:
    """The bytes of a file of ``image`` in ``format``; see ``encode_frames``."""
    return encode_frames([image], format)


def encode_frames(images: Sequence[Image], format: str | None = None) -> bytes:
    """The bytes of a file of ``images`` in ``format``, one of FORMATS; None is the format they came from.

    Several are the pages of a TIFF file, or the frames of an animation. The depth is that of the source, or the
    greatest below that the format holds. Raises UsageError for an unknown format, OutputError where the format cannot
    hold the images or a pixel is not finite.
    """
    import numpy as np

    first = images[0]
    format = format or first.source.format
    if format not in FORMATS:
        raise UsageError(f"There is no image format {format!r}.", did_you_mean(format, FORMATS))
    # a sum that is finite spares the count, which takes memory
    broken = [image.samples for image in images if not np.isfinite(image.samples.sum())]
    wrong = sum(int(samples.size - np.isfinite(samples).sum()) for samples in broken)
    if wrong:
        raise OutputError(f"{first.source.name}: {wrong} pixels to be written are not finite.", "Try another model.")
    try:
        return _encoded(images, format)
    except DenoiseError:
        raise
    except MemoryError as error:
        raise OutputError(
            f"{first.source.name} does not fit into memory as {format.upper()}.",
            "Free some memory, or write less of it.",
        ) from error
    except Exception as error:  # whatever an encoder finds wrong with what a stranger's file told
        size, reason = f"{first.width} x {first.height}", str(error).rstrip(".") or type(error).__name__
        raise OutputError(
            f"{first.source.name} ({size}) does not fit into a {format.upper()} file: {reason}.",
            "PNG and TIFF hold any size; choose one of them with -o or --format.",
        ) from error


def _encoded(images: Sequence[Image], format: str) -> bytes:
    """See ``encode_frames``; whatever error an encoder has."""
    first = images[0]
    if format == "dicom":
        return dicom.encode_dicom(images)
    if len(images) > 1:
        _check_frames(images, format)
    deepest = 8 if len(images) > 1 and format == "png" else _DEEPEST.get(format, 8)
    depths = [32 if format == "exr" else min(image.source.depth, deepest) for image in images]
    samples = [to_samples(image, depth, _alpha(image, format)) for image, depth in zip(images, depths, strict=True)]
    if format == "tiff":
        return _tiff(images, samples)
    if format == "gif" or len(images) > 1:
        sources = [image.source for image in images]
        return animation.pack(samples, sources, format, icc=_profile(first, format), chunks=_png_chunks(first))
    if format == "png":
        return png.pack(samples[0], _png_chunks(first))
    if format == "exr":
        return exr.encode_exr(first, samples[0])
    if format == "ppm":
        return _ppm(samples[0])
    if format == "bmp" and samples[0].shape[2] in (2, 4):
        return _bmp_with_alpha(first, samples[0])
    return _through_pillow(first, samples[0], format)


def _check_frames(images: Sequence[Image], format: str) -> None:
    """Raises OutputError where ``format`` cannot hold several ``images``, or these."""
    first, count = images[0], len(images)
    if format not in animation.ANIMATED and format != "tiff":
        raise OutputError(
            f"{first.source.name} has {count} frames, which {format.upper()} cannot hold.",
            "Write it as TIFF, PNG, WebP or GIF.",
        )
    if format != "tiff" and any((image.height, image.width) != (first.height, first.width) for image in images):
        raise OutputError(f"The {count} pages of {first.source.name} differ in size.", "Write them as TIFF.")
    if format != "tiff" and any(image.source.depth > 8 for image in images):
        raise OutputError(
            f"The {count} pages of {first.source.name} are deeper than 8 bits, which an animation cannot hold.",
            "Write them as TIFF.",
        )


def _tiff(images: Sequence[Image], samples: Sequence[NDArray[Any]]) -> bytes:
    pages = [
        tiff.Page(plane, image.source.exif, _profile(image, "tiff"), image.source.xmp, image.source.dpi)
        for image, plane in zip(images, samples, strict=True)
    ]
    try:
        return tiff.pack(pages)
    except OverflowError:
        return tiff.pack_big(pages)


def _alpha(image: Image, format: str) -> NDArray[Any] | None:
    """The alpha plane that ``format`` is to hold; one that is opaque all over need not be held."""
    import numpy as np

    alpha = image.source.alpha
    if alpha is None or format not in ("jpeg", "ppm"):
        return alpha
    if (alpha == (np.iinfo(alpha.dtype).max if alpha.dtype.kind == "u" else 1)).all():
        return None
    raise OutputError(
        f"{image.source.name} is partly transparent, which {format.upper()} cannot hold.",
        "Write it as PNG, TIFF or WebP.",
    )


def to_samples(image: Image, depth: int, alpha: NDArray[Any] | None) -> NDArray[Any]:
    """Pixels and alpha as (H, W, 1 to 4) of ``depth`` bits: uint8, uint16, or float32 in the range of the source."""
    import numpy as np

    count, height, width = image.samples.shape
    whole: NDArray[Any] = np.empty((height, width, count + (alpha is not None)), _TYPES[depth])
    rows = max(1, _BAND // width)
    for first in range(0, height, rows):  # by bands: of a large image, what is on the way would be larger still
        band = slice(first, first + rows)
        colour = _in_bits(image.samples[:, band], depth)
        if depth == 32:
            colour = colour.astype(np.float64) * image.source.scale + image.source.offset
        whole[band, :, :count] = colour.transpose(1, 2, 0)
        if alpha is not None:
            whole[band, :, count] = _in_bits(alpha[band], depth)
    return whole


def _in_bits(samples: NDArray[Any], depth: int) -> NDArray[Any]:
    """``samples``, shares of 1 or of the largest integer, as the nearest integers of ``depth`` bits; 32: as shares."""
    import numpy as np

    if 8 * samples.itemsize == depth:
        return samples
    shares = samples / np.iinfo(samples.dtype).max if samples.dtype.kind == "u" else samples
    return shares if depth == 32 else np.rint(np.clip(shares, 0, 1) * np.float32(2**depth - 1))


def _profile(image: Image, format: str) -> bytes:
    """The colour profile, unless it is for colours and the file will be gray, or the other way round."""
    gray = image.channels == 1 and format != "webp"  # whose pixels are RGB (RFC 9649, section 3)
    return image.source.icc if image.source.icc[16:20] == (b"GRAY" if gray else b"RGB ") else b""


def _png_chunks(image: Image) -> list[tuple[bytes, bytes]]:
    """What a PNG file of ``image`` holds besides its pixels."""
    source, icc = image.source, _profile(image, "png")
    extra = [chunk for chunk in source.chunks if not (icc and chunk[0] == b"sRGB")]  # either of them, section 11.3.2.5
    extra = [chunk for chunk in extra if chunk[0] != png.BACKGROUND or len(chunk[1]) == 2 * image.channels]
    if icc:
        extra.insert(0, png.profile_chunk(icc))
    dots = source.dots(_METRE, 2**31 - 1)
    if dots is not None:
        extra.append(png.density_chunk(dots))
    if source.exif:
        extra.append((b"eXIf", source.exif))
    if source.xmp:
        extra.append(png.xmp_chunk(source.xmp))
    return extra


def _ppm(samples: NDArray[Any]) -> bytes:
    height, width, count = samples.shape
    kind, largest = 5 if count == 1 else 6, 2 ** (8 * samples.itemsize) - 1
    return (
        f"P{kind}\n{width} {height}\n{largest}\n".encode() + samples.astype(samples.dtype.newbyteorder(">")).tobytes()
    )


def _bmp_with_alpha(image: Image, samples: NDArray[Any]) -> bytes:
    """A BMP file with a BITMAPV4HEADER, the first that has room for a mask of alpha (Windows GDI reference)."""
    import numpy as np

    height, width, count = samples.shape
    pixels = np.ascontiguousarray(samples[::-1, :, [2, 1, 0, 3] if count == 4 else [0, 0, 0, 1]])  # BGRA, bottom up
    across, down = image.source.dots(_METRE, 2**31 - 1) or (0, 0)
    sizes = struct.pack("<IiiHHIIiiII", 108, width, height, 1, 32, 3, pixels.size, across, down, 0, 0)
    masks = struct.pack("<IIII4s", 0xFF0000, 0xFF00, 0xFF, 0xFF000000, b"BGRs")
    header = (sizes + masks).ljust(108, b"\0")
    return struct.pack("<2sIHHI", b"BM", 122 + pixels.size, 0, 0, 122) + header + pixels.tobytes()


def _through_pillow(image: Image, samples: NDArray[Any], format: str) -> bytes:
    from PIL import Image as pillow

    source, stream = image.source, BytesIO()
    picture = pillow.fromarray(samples[:, :, 0] if samples.shape[2] == 1 else samples)
    if format == "bmp":
        picture.save(stream, "BMP", dpi=source.dpi if source.dots(_METRE, 2**31 - 1) else (0, 0))
        return stream.getvalue()
    about: dict[str, Any] = {"icc_profile": _profile(image, format), "xmp": source.xmp}
    if format == "webp":
        kept = {
            "exif": source.exif,
            "exact": True,
            "lossless": source.lossless,
            "quality": 80 if source.lossless else 95,
        }
        picture.save(stream, "WEBP", **about, **kept)
        return stream.getvalue()
    how: dict[str, Any] = dict(_LOSSY)
    if source.jpeg and source.jpeg.tables and source.mode == picture.mode:
        how = {"qtables": [list(table) for table in source.jpeg.tables]}
        if source.jpeg.subsampling >= 0:
            how["subsampling"] = source.jpeg.subsampling
    if source.exif:
        how["exif"] = exif.prefixed(source.exif)
    dots = source.dots(1, 65535)
    if dots is not None:
        how["dpi"] = dots
    picture.save(stream, "JPEG", comment=source.comment, **about, **how)
    return _with_segments(stream.getvalue(), source.jpeg.segments if source.jpeg else ())


def _with_segments(data: bytes, segments: Sequence[tuple[str, bytes]]) -> bytes:
    """The JPEG file ``data`` with further ``segments`` behind those of applications that it has (T.81, B.1.1.3)."""
    at = 2
    while 0xE0 <= data[at + 1] <= 0xEF:
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    more = (struct.pack(">BBH", 255, 0xE0 + int(name[3:]), 2 + len(part)) + part for name, part in segments)
    return data[:at] + b"".join(more) + data[at:]
