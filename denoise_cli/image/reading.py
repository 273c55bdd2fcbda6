"""Decode image files; a file that is damaged, cut short or too large is an error, never half a picture."""

from __future__ import annotations

import re
import stat
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from denoise_cli.errors import DenoiseError, InputError, LimitError
from denoise_cli.image import exif, png
from denoise_cli.image.dicom import decode_dicom
from denoise_cli.image.exr import decode_exr
from denoise_cli.image.jpeg import behind
from denoise_cli.image.netpbm import decode_ppm
from denoise_cli.image.opencv import load_opencv
from denoise_cli.image.picture import Image, Jpeg, Source
from denoise_cli.image.rasters import Raster, check_size, left_out, opened_by_pillow, planes
from denoise_cli.image.scientific import decode_tiff

MAX_PIXELS = 200_000_000  # the largest telephone cameras make 16320 x 12240
_HEADER = 132  # bytes that tell the format
_PIXEL_BYTES, _FILE_BYTES = 16, 1 << 26  # bytes that a pixel takes at most, and all that a file holds besides

_MAGIC = (
    (re.compile(rb".{128}DICM", re.DOTALL), "dicom"),
    (re.compile(rb"v/1\x01"), "exr"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "png"),
    (re.compile(rb"\xff\xd8\xff"), "jpeg"),
    (re.compile(rb"II[*+]\0|MM\0[*+]"), "tiff"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "webp"),
    (re.compile(rb"GIF8[79]a"), "gif"),
    (re.compile(rb"BM"), "bmp"),
    (re.compile(rb"P[1-6][\s#]"), "ppm"),
)
_READABLE = "PNG, JPEG, TIFF, WebP, GIF, BMP, PPM, PGM, EXR and DICOM"


def read(path: str | Path, max_pixels: int = MAX_PIXELS) -> Image:
    """The image in the file ``path``, upright. Raises InputError, see ``fetch`` and ``decode``."""
    return decode(fetch(path, max_pixels), str(path), max_pixels)


def fetch(path: str | Path, max_pixels: int = MAX_PIXELS) -> bytes:
    """The content of the file ``path``, for ``decode``.

    Raises InputError where it cannot be read, is no file, or is too large for an image of ``max_pixels``: what is no
    image is not read into memory.
    """
    place = Path(path)
    try:
        mode = place.stat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode) and not (stat.S_ISFIFO(mode) and place.is_symlink()):
            # a pipe of the shell is a link, <(command); any other waits for a writer that may never come
            raise InputError(f"{path} is a pipe or a device, not a file.", "Denoise a stream with -, from stdin.")
        with place.open("rb") as file:
            start = file.read(_HEADER)
            if start and format_in(start) is None:
                raise _no_image(str(path))
            most = most_bytes(max_pixels)
            data = start + file.read(most + 1 - len(start))
        if len(data) > most:
            raise LimitError(f"{path} has more than {most:,} bytes.", "Where that is no mistake, raise --max-pixels.")
        return data
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist.", _neighbour(place)) from error
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder, not an image.", "Name a file in it.") from error
    except PermissionError as error:
        raise InputError(f"{path} cannot be read: permission denied.", "Make it readable: chmod u+r.") from error
    except MemoryError as error:
        raise InputError(f"{path} does not fit into memory.", "Make it smaller, or free some memory.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error


def most_bytes(max_pixels: int) -> int:
    """The size of the largest file that may hold an image of ``max_pixels``."""
    return _HEADER + _FILE_BYTES + _PIXEL_BYTES * max_pixels


def _neighbour(place: Path) -> str:
    """A hint for a file that is not there: the most similar name in its folder."""
    try:
        near = get_close_matches(place.name, [entry.name for entry in place.parent.iterdir()], n=1)
    except OSError:
        return f"The folder {place.parent} does not exist or cannot be listed; check the path."
    return f"Did you mean {str(place.with_name(near[0]))!r}?" if near else "Check the path."


def decode(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> Image:
    """The image in ``data``, the whole content of a file, upright; ``name`` is for messages and suffixes.

    Only the first of several frames is read; ``source.warnings`` says so. Raises InputError where ``data`` is empty,
    no image, truncated, damaged, or declares more than ``max_pixels`` pixels.
    """
    return _decoded(data, name, max_pixels, every=False)[0]


def decode_frames(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> list[Image]:
    """All frames of an animation, or all pages, in ``data``; as ``decode``, with the limit for all of them together.

    Every frame is whole, as it is seen, whatever the file stores of it.
    """
    return _decoded(data, name, max_pixels, every=True)


def _decoded(data: bytes, name: str, max_pixels: int, *, every: bool) -> list[Image]:
    if not data:
        raise InputError(f"{name} is empty.", f"Expected an image: {_READABLE}.")
    format = format_in(data)
    if format is None:
        raise _no_image(name)
    try:
        images = [_upright(image) for image in _DECODERS[format](data, name, max_pixels, every)]
        if not images:
            raise ValueError("it holds no picture")
        return images
    except DenoiseError:
        raise
    except MemoryError as error:
        raise InputError(f"{name} does not fit into memory.", "Make it smaller, or free some memory.") from error
    except Exception as error:  # whatever a decoder finds wrong with a stranger's bytes
        reason = str(error).rstrip(".") or type(error).__name__
        raise InputError(
            f"{name} cannot be decoded as {format.upper()}: {reason}.",
            "The file is damaged, incomplete or of a rare kind; copy it again, or convert it to PNG.",
        ) from error


def format_in(data: bytes) -> str | None:
    """The format, one of FORMATS, that a file begins like; None where it is none."""
    return next((format for magic, format in _MAGIC if magic.match(data)), None)


def _no_image(name: str) -> InputError:
    return InputError(f"{name} is not an image that can be read.", f"These can: {_READABLE}; convert others first.")


def _upright(image: Image) -> Image:
    """``image`` turned as its EXIF asks, which asks for nothing afterwards."""
    source = image.source
    if not source.exif:
        return image
    try:
        turned = exif.orientation(source.exif)
        source = replace(source, exif=exif.reset(source.exif))
    except ValueError as error:
        note = f"{source.name}: its EXIF is damaged ({error}) and was left out."
        return replace(image, source=replace(source, exif=b"", warnings=(*source.warnings, note)))
    if turned == 1:
        return Image(image.samples, source)
    source = replace(
        source,
        alpha=None if source.alpha is None else exif.upright(source.alpha, turned),
        dpi=source.dpi[::-1] if source.dpi and turned >= 5 else source.dpi,
        xmp=exif.reset_xmp(source.xmp),
    )
    return Image(exif.upright(image.samples, turned), source)


_INDEXED = 3  # the colour type of a PNG with a palette
_PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_ANIMATION_CHUNKS = (b"acTL", b"fcTL", b"fdAT")


def _decode_png(data: bytes, name: str, max_pixels: int, every: bool) -> Iterator[Image]:
    found = png.chunks(data)
    if found[0][0] != b"IHDR":
        raise ValueError("its header is missing")
    width, height, depth, colour = struct.unpack_from(">IIBB", found[0][1])
    check_size(name, width, height, max_pixels)
    png.check_complete(found)
    details = _png_details(found, whole=depth >= 8 and colour != _INDEXED)
    about = Source(
        name, "png", "", min(max(depth, 8), 16), icc=details.icc, exif=details.exif, xmp=details.xmp, dpi=details.dpi,
        chunks=details.chunks,
    )  # fmt: skip
    frames = next((struct.unpack_from(">I", content)[0] for kind, content in found if kind == b"acTL"), 1)
    if depth == 16:  # of an animation the first: nobody reads or writes others
        raster = _png_16(data, colour, next((content for kind, content in found if kind == b"tRNS"), b""))
        notes = left_out(name, frames) + raster.notes(name)
        yield Image(planes(raster.colour), replace(about, mode=raster.mode, alpha=raster.alpha, warnings=notes))
        return
    from PIL.PngImagePlugin import PngImageFile

    # of the chunks only those that make pixels, so that a strange text cannot spoil them
    kinds = _PIXEL_CHUNKS + (_ANIMATION_CHUNKS if every else ())
    shown = [(kind, png.as_8_bits(content, depth, colour) if kind == b"tRNS" else content) for kind, content in found]
    plain = opened_by_pillow(PngImageFile, png.join(chunk for chunk in shown if chunk[0] in kinds), name, max_pixels)
    for picture, raster, notes in plain.frames(max_pixels, every=every, icc=details.icc):
        own = picture.source("png", raster)
        yield Image(
            planes(raster.colour),
            replace(
                about, mode=raster.mode, alpha=raster.alpha, milliseconds=own.milliseconds, loops=own.loops,
                warnings=(notes if every else left_out(name, frames)) + own.warnings,
            ),
        )  # fmt: skip


def _png_16(data: bytes, colour: int, transparent: bytes) -> Raster:
    """The 16-bit samples of a PNG file with the colour type ``colour``; Pillow would cut them to 8 bits.

    ``transparent`` is the content of its chunk tRNS: the one colour of gray or RGB that cannot be seen.
    """
    cv2 = load_opencv()
    import numpy as np

    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16:
        raise ValueError("its pixels are damaged")
    pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
    alpha = pixels[:, :, 3] if pixels.shape[2] == 4 and (colour in (4, 6) or transparent) else None
    if colour == 0 and transparent:
        alpha = np.where(pixels[:, :, 0] == int.from_bytes(transparent[:2], "big"), 0, 65535).astype(np.uint16)
    if colour in (0, 4):
        return Raster(pixels[:, :, :1], alpha, "L" if alpha is None else "LA")
    return Raster(pixels[:, :, 2::-1], alpha, "RGB" if alpha is None else "RGBA")


class _Details(NamedTuple):
    """What a PNG file holds besides its pixels."""

    icc: bytes
    exif: bytes
    xmp: bytes
    dpi: tuple[float, float] | None
    chunks: tuple[tuple[bytes, bytes], ...]


def _png_details(found: list[tuple[bytes, bytes]], *, whole: bool) -> _Details:
    """What is carried; the background colour only where the samples are ``whole``: no indices, of 8 or 16 bits."""
    icc, camera, packet, dpi, kept = b"", b"", b"", None, []
    for kind, content in found:
        if kind == b"iCCP":
            icc = png.profile(content)
        elif kind == b"eXIf":
            camera = exif.bare(content)
        elif kind == b"pHYs":
            dpi = png.density(content)
        elif kind == b"iTXt" and content.startswith(png.XMP_KEYWORD + b"\0"):
            packet = png.xmp(content)
        elif kind in png.CARRIED or (kind == png.BACKGROUND and whole):
            kept.append((kind, content))
    return _Details(icc, camera, packet, dpi, tuple(kept))


# how those segments begin that are carried as they are: XMP beyond 64 KiB, and Photoshop's resources, IPTC among them
_SEGMENTS = {"APP1": b"http://ns.adobe.com/xmp/extension/\0", "APP13": b"Photoshop 3.0\0"}


def _decode_jpeg(data: bytes, name: str, max_pixels: int, every: bool) -> Iterator[Image]:
    from PIL.JpegImagePlugin import JpegImageFile, get_sampling

    picture = opened_by_pillow(JpegImageFile, data, name, max_pixels)
    start = data.find(b"\xff\xda")  # of the first scan at the earliest; in a scan an end marker cannot occur
    if data.rfind(b"\xff\xd9") < start:
        raise ValueError(f"it is truncated after {len(data)} bytes")
    info, raster = picture.opened.info, picture.raster()
    tables = tuple(tuple(table) for _, table in sorted(picture.opened.quantization.items()))
    parts = tuple(
        part for part in picture.opened.applist if part[0] in _SEGMENTS and part[1].startswith(_SEGMENTS[part[0]])
    )
    jpeg = Jpeg(tables, get_sampling(picture.opened), parts) if raster.mode in ("L", "RGB") else None
    source = picture.source("jpeg", raster)
    if "mp" in info:
        note = f"{name} holds further pictures (a second view, a depth or gain map); they were left out."
        source = replace(source, warnings=(*source.warnings, note))
    elif more := behind(data):
        note = f"{name} has {more} bytes behind its picture, a video perhaps; they were left out."
        source = replace(source, warnings=(*source.warnings, note))
    yield Image(planes(raster.colour), replace(source, comment=info.get("comment", b""), jpeg=jpeg, lossless=False))


def _decode_webp(data: bytes, name: str, max_pixels: int, every: bool) -> Iterator[Image]:
    from PIL.WebPImagePlugin import WebPImageFile

    if len(data) < 8 + struct.unpack_from("<I", data, 4)[0]:
        raise ValueError(f"it is truncated after {len(data)} bytes")
    picture = opened_by_pillow(WebPImageFile, data, name, max_pixels)
    lossless = b"VP8L" in _webp_kinds(data)
    for frame, raster, warnings in picture.frames(max_pixels, every=every):
        yield Image(planes(raster.colour), replace(frame.source("webp", raster), lossless=lossless, warnings=warnings))


def _webp_kinds(data: bytes) -> list[bytes]:
    """The names of the chunks of a WebP file (RFC 9649, section 2.3), those inside of its frames too."""
    kinds, at = [], 12
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, at)
        kinds.append(kind)
        at += 24 if kind == b"ANMF" else 8 + size + size % 2
    return kinds


def _decode_gif(data: bytes, name: str, max_pixels: int, every: bool) -> Iterator[Image]:
    from PIL.GifImagePlugin import GifImageFile

    class Indexed(GifImageFile):
        """With a plain gray palette left out, as Pillow does, a later frame with one of its own is decoded wrongly."""

        def _is_palette_needed(self, p: bytes) -> bool:
            return True

    if not data.rstrip(b"\0").endswith(b";"):
        raise ValueError(f"it is truncated after {len(data)} bytes")
    note = f"{name}: a GIF holds 256 colours; as PNG or WebP the result keeps all of its own."
    for frame, raster, warnings in opened_by_pillow(Indexed, data, name, max_pixels).frames(max_pixels, every=every):
        comment = frame.opened.info.get("comment", b"")
        yield Image(
            planes(raster.colour), replace(frame.source("gif", raster), comment=comment, warnings=(*warnings, note))
        )


def _decode_bmp(data: bytes, name: str, max_pixels: int, every: bool) -> Iterator[Image]:
    from PIL.BmpImagePlugin import BmpImageFile

    picture = opened_by_pillow(BmpImageFile, data, name, max_pixels)
    raster = picture.raster()
    yield Image(planes(raster.colour), picture.source("bmp", raster))


_DECODERS: dict[str, Callable[[bytes, str, int, bool], Iterator[Image]]] = {
    "png": _decode_png,
    "jpeg": _decode_jpeg,
    "tiff": decode_tiff,
    "webp": _decode_webp,
    "gif": _decode_gif,
    "bmp": _decode_bmp,
    "ppm": decode_ppm,
    "exr": decode_exr,
    "dicom": decode_dicom,
}
