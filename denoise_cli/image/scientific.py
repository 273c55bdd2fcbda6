"""Decode TIFF files: 8 bits through Pillow where it can, the rest through tifffile, or OpenCV where it must be."""

from __future__ import annotations

import logging
import math
import struct
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING, Any

from denoise_cli.errors import InputError
from denoise_cli.image.descriptive import IMAGEJ, SHAPED, described, is_big, turned
from denoise_cli.image.exif import ORIENTATION, reset
from denoise_cli.image.opencv import load_opencv
from denoise_cli.image.picture import Image, Source
from denoise_cli.image.rasters import Picture, Raster, check_size, left_out, opened_by_pillow, planes

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _CMYK = 0, 1, 2, 5  # photometric interpretations
_PREMULTIPLIED, _ALPHA = 1, (1, 2)  # kinds of extra samples
# what would be wrong for another part of the picture, or for a picture that was changed: layers, places on the earth
_UNFIT = (33550, 33922, 34264, 34377, 34735, 34736, 34737, 37724, 42112, 42113, 50838, 50839)
_NAMES = (269, 270, 285)  # of the document and the page, and a description
_MOST_PAGES = 100_000  # each takes time, however small it is


def decode_tiff(data: bytes, name: str, max_pixels: int, every: bool) -> Iterator[Image]:
    """The pages of a TIFF file, or the first only. Raises InputError, and ValueError and others where it is damaged."""
    import tifffile

    logging.getLogger("tifffile").addHandler(logging.NullHandler())  # else it writes to stderr by itself
    with tifffile.TiffFile(BytesIO(data)) as file:
        count = len(file.pages)
        if count > _MOST_PAGES:
            raise ValueError(f"it has {count:,} pages, more than {_MOST_PAGES:,}")
        told = _planes_told(file)
        if every and told > count:
            raise InputError(
                f"{name} holds {told} planes, of which only {count} can be found: they have no directories.",
                "Save it with a directory for each plane.",
            )
        pixels, opened = 0, _Opened(data, name, max_pixels)
        for index in range(count if every else 1):
            page = file.pages[index]
            pixels += page.imagewidth * page.imagelength
            check_size(name, page.imagewidth, page.imagelength, max_pixels)
            check_size(name, pixels, 1, max_pixels)
            notes = () if every else left_out(name, max(count, told))
            yield _page(page, index, data, Source(name, format="tiff", warnings=notes), opened)


class _Opened:
    """A file for libraries that find each page from the one before: opened once and not for each page."""

    def __init__(self, data: bytes, name: str, max_pixels: int) -> None:
        self._data, self._name, self._max_pixels = data, name, max_pixels
        self._picture: Picture | None = None
        self._led: bytearray | None = None  # the file, beginning with another page

    def raster(self, index: int) -> Raster:
        """The 8-bit pixels of the page ``index``, upright but for those of the first of a file that is not big."""
        from PIL.TiffImagePlugin import TiffImageFile

        if self._picture is None:
            # Pillow turns a TIFF by itself, and would do so before we do: in the first page it is to find nothing to do
            level = self._data if is_big(self._data) else reset(self._data)
            self._picture = opened_by_pillow(TiffImageFile, level, self._name, self._max_pixels)
        self._picture.opened.seek(index)
        return self._picture.raster()

    def samples(self, page: Any) -> NDArray[Any] | None:
        """The samples of ``page`` through OpenCV, which reads the first page without a look at others."""
        cv2 = load_opencv()
        import numpy as np

        if self._led is None:
            self._led = bytearray(self._data)
        place, layout = (8, "Q") if is_big(self._data) else (4, "I")
        struct.pack_into(f"{'<' if self._data[:2] == b'II' else '>'}{layout}", self._led, place, page.offset)
        pixels: NDArray[Any] | None = cv2.imdecode(np.frombuffer(self._led, np.uint8), cv2.IMREAD_UNCHANGED)
        return pixels


def _planes_told(file: Any) -> int:
    """How many planes the description of a stack speaks of: tifffile and ImageJ write some with a single directory."""
    series = file.series if file.is_shaped or file.is_imagej else ()
    return sum(one.size // max(1, one.keyframe.size) for one in series)


def _page(page: Any, index: int, data: bytes, source: Source, opened: _Opened) -> Image:
    _check_whole(page, len(data))
    source = replace(
        source, icc=bytes(page.tags.valueof(34675) or b""), xmp=bytes(page.tags.valueof(700) or b""), dpi=_dpi(page),
        warnings=source.warnings + _branches(page, source.name) + _losses(page, index, source.name),
    )  # fmt: skip
    strange = is_big(data) and data.startswith(b"MM") and page.bitspersample == 8  # Pillow finds no page in such a file
    deep = strange or page.bitspersample > 8 or (page.dtype is not None and page.dtype.kind == "i")
    if index == 0:
        try:
            exif = described(data)
        except ValueError as error:
            note = f"{source.name}: its EXIF is damaged ({error}) and was left out."
            exif, source = b"", replace(source, warnings=(*source.warnings, note))
        source = replace(source, exif=reset(exif) if exif and is_big(data) and not deep else exif)
    elif deep:
        source = replace(source, exif=turned(page.tags.valueof(ORIENTATION) or 1))
    raster = _deep(page, opened) if deep else opened.raster(index)
    spare = [kind for kind in page.extrasamples if kind not in _ALPHA]
    if spare:
        note = f"{source.name} has bands that are neither colour nor alpha ({len(spare)}); they were left out."
        source = replace(source, warnings=(*source.warnings, note))
        if len(spare) == len(page.extrasamples):
            raster = Raster(raster.colour, None, raster.mode.rstrip("AX"))
    return finished(raster, source)


def _branches(page: Any, name: str) -> tuple[str, ...]:
    """What to say of a page with others below it. Raises InputError where it is but the preview of one of them."""
    places = page.subifds or ()
    if len(places) > _MOST_PAGES:
        raise ValueError(f"it has {len(places):,} pages below a page, more than {_MOST_PAGES:,}")
    below = list(page.pages) if places else []
    if any(max(other.imagewidth, other.imagelength) > max(page.imagewidth, page.imagelength) for other in below):
        raise InputError(
            f"{name} shows a small preview; the picture itself lies below it, as in raw files of cameras.",
            "Develop it to a plain TIFF or PNG first.",
        )
    return (f"{name} holds further pictures below its pages; they were left out.",) if below else ()


def _losses(page: Any, index: int, name: str) -> tuple[str, ...]:
    """What to say of values and tags of a page that have no place in the result."""
    texts = {tag: str(page.tags.valueof(tag)).encode() for tag in _NAMES if tag in page.tags}
    unfit = [tag for tag in _UNFIT if tag in page.tags]
    unfit += [tag for tag, text in texts.items() if text.startswith(IMAGEJ) or (index and not text.startswith(SHAPED))]
    names = ", ".join(page.tags[tag].name for tag in unfit)
    notes = [f"{name} has tags that the result has no place for ({names}); they were left out."] if unfit else []
    if page.dtype == "float64":
        notes.append(f"{name} has values of 64 bits; they were rounded to 32.")
    return tuple(notes)


def finished(raster: Raster, source: Source) -> Image:
    """The image of ``raster``, floating-point values brought into [0, 1] where they leave it."""
    import numpy as np

    colour, alpha, name = raster.colour, raster.alpha, source.name
    depth = 32 if colour.dtype.kind == "f" else 8 * colour.dtype.itemsize
    scale, offset = 1.0, 0.0
    if depth == 32:
        parts = [colour] if alpha is None else [colour, alpha]
        count = sum(part.size for part in parts)
        wrong = count - sum(int(np.isfinite(part).sum()) for part in parts)
        if wrong:
            raise InputError(
                f"{name} has {wrong} values of {count} that are not finite (NaN or infinite).",
                "Replace them by numbers first.",
            )
        offset, top = min(0.0, float(colour.min())), max(1.0, float(colour.max()))
        scale = top - offset
        if (scale, offset) != (1.0, 0.0):
            colour = (colour.astype(np.float64) - offset) / scale
        alpha = None if alpha is None else alpha.astype(np.float32)
    source = replace(
        source, mode=raster.mode, depth=depth, alpha=alpha, scale=scale, offset=offset,
        icc=b"" if raster.mode == "CMYK" else source.icc, warnings=source.warnings + raster.notes(name),
    )  # fmt: skip
    return Image(planes(colour), source)


def _check_whole(page: Any, size: int) -> None:
    """Raises ValueError where a strip or tile lies outside of the file; decoders would fill it with black."""
    ends = [start + length for start, length in zip(page.dataoffsets, page.databytecounts, strict=True)]
    if not ends or max(ends) > size:
        raise ValueError(f"it is truncated after {size} bytes")
    if page.compression == 1 and 8 * sum(page.databytecounts) < page.imagewidth * page.imagelength * page.bitspersample:
        raise ValueError("its pixels are incomplete")


def _deep(page: Any, opened: _Opened) -> Raster:
    """The samples of a page through tifffile: gray, RGB or CMYK, with or without alpha."""
    import numpy as np

    kind, bits = page.dtype, page.bitspersample
    if kind is None or kind.kind not in "uf" or (kind.kind == "u" and bits not in (8, 16)):
        raise ValueError(f"its samples are {kind} of {bits} bits, not 8 or 16 bits or floating point")
    photometric, count = int(page.photometric), int(page.samplesperpixel)
    usual = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _CMYK: 4}.get(photometric)
    if usual is None or count - usual not in (0, 1):
        raise ValueError(f"it has {count} samples a pixel of the photometric kind {photometric}")
    pixels = _samples(page, opened, count)
    if photometric == _WHITE_IS_ZERO:
        pixels[:, :, 0] = (np.iinfo(kind).max if kind.kind == "u" else 1) - pixels[:, :, 0]
    alpha = np.ascontiguousarray(pixels[:, :, usual]) if count > usual else None
    colour = pixels[:, :, :usual]
    if photometric == _CMYK:
        full = np.iinfo(kind).max if kind.kind == "u" else 1
        light = (full - colour[:, :, :3].astype(np.float64)) * (full - colour[:, :, 3:].astype(np.float64)) / full
        colour = (np.rint(light) if kind.kind == "u" else light).astype(kind)
        return Raster(colour, alpha, "CMYK")
    if alpha is not None and _PREMULTIPLIED in page.extrasamples:
        full = np.iinfo(kind).max if kind.kind == "u" else 1
        share = np.where(alpha > 0, alpha, full).astype(np.float64)[:, :, None] / full
        colour = np.minimum(colour / share, full) if kind.kind == "u" else colour / share
        colour = (np.rint(colour) if kind.kind == "u" else colour).astype(kind)
    return Raster(colour, alpha, ("L" if usual == 1 else "RGB") + ("A" if alpha is not None else ""))


def _samples(page: Any, opened: _Opened, count: int) -> NDArray[Any]:
    """The samples (H, W, count) of ``page`` as a fresh array in the byte order of this machine."""
    import numpy as np

    height, width = page.imagelength, page.imagewidth
    try:
        pixels = page.asarray()
    except ValueError as error:
        if "imagecodecs" not in str(error) or count == 2:
            raise
        # LZW and its like, which tifffile leaves to another package: OpenCV reads them too
        pixels = opened.samples(page)
        if pixels is None or pixels.dtype != page.dtype or pixels.size != height * width * count:
            raise
        if pixels.ndim == 3:
            pixels = pixels[:, :, [2, 1, 0, 3][:count]]
        return np.array(pixels.reshape(height, width, count))
    if int(page.planarconfig) == 2 and count > 1:
        pixels = np.moveaxis(pixels.reshape(count, height, width), 0, -1)
    return np.array(pixels, dtype=pixels.dtype.newbyteorder("=")).reshape(height, width, count)


def _dpi(page: Any) -> tuple[float, float] | None:
    """Dots per inch across and down, None where the file gives only an aspect."""
    unit = page.tags.valueof(296)
    inches = {2: 1.0, 3: 2.54}.get(2 if unit is None else unit)
    found = [_number(page.tags.valueof(tag)) for tag in (282, 283)]
    if inches is None or not all(0 < value < math.inf for value in found):
        return None
    return found[0] * inches, found[1] * inches


def _number(value: Any) -> float:
    """A rational number as a fraction, or one of floating point, in a tuple or not; 0 for what is neither."""
    whole, part, *_ = (*value, 1) if isinstance(value, tuple) else (value, 1)
    return float(whole / part) if isinstance(whole, (int, float)) and isinstance(part, (int, float)) and part else 0.0
