"""Decode TIFF files: 8 bits through Pillow, 16 bits and floating point through tifffile, or OpenCV where it must be."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING, Any

from denoise_cli.errors import InputError
from denoise_cli.image.exif import DESCRIPTIVE, bare, reset
from denoise_cli.image.opencv import load_opencv
from denoise_cli.image.picture import Image, Source
from denoise_cli.image.rasters import Raster, check_size, left_out, opened_by_pillow, planes

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _CMYK = 0, 1, 2, 5  # photometric interpretations
_PREMULTIPLIED = 1  # a kind of extra sample
_NESTED = frozenset((34665, 34853))  # the directories of the camera and of its place
_MOST_PAGES = 100_000  # each takes time, however small it is
_OTHER_TOOLS = ('{"shape"', "ImageJ=")  # descriptions that speak of a file's layout, not of its picture


def decode_tiff(data: bytes, name: str, max_pixels: int, every: bool) -> Iterator[Image]:
    """The pages of a TIFF file, or the first only. Raises InputError, and ValueError and others where it is damaged."""
    import tifffile

    logging.getLogger("tifffile").addHandler(logging.NullHandler())  # else it writes to stderr by itself
    with tifffile.TiffFile(BytesIO(data)) as file:
        count = len(file.pages)
        if count > _MOST_PAGES:
            raise ValueError(f"it has {count:,} pages, more than {_MOST_PAGES:,}")
        pixels = 0
        for index in range(count if every else 1):
            page = file.pages[index]
            pixels += page.imagewidth * page.imagelength
            check_size(name, page.imagewidth, page.imagelength, max_pixels)
            check_size(name, pixels, 1, max_pixels)
            yield _page(page, index, data, Source(name, warnings=() if every else left_out(name, count)), max_pixels)


def _page(page: Any, index: int, data: bytes, source: Source, max_pixels: int) -> Image:
    _check_whole(page, len(data))
    turned = _written({274: page.tags.valueof(274) or 1}, {})
    source = replace(
        source, format="tiff", icc=bytes(page.tags.valueof(34675) or b""), xmp=bytes(page.tags.valueof(700) or b""),
        dpi=_dpi(page), exif=_exif(data) if index == 0 and not _is_big(data) else b"",
    )  # fmt: skip
    if page.bitspersample > 8 or (page.dtype is not None and page.dtype.kind == "i"):
        exif = source.exif if index == 0 and not _is_big(data) else turned
        return finished(_deep(page, index, data), replace(source, exif=exif))
    from PIL.TiffImagePlugin import TiffImageFile

    # Pillow turns a TIFF by itself, and would do so before we do: in the first page it is to find nothing to turn
    level = data if _is_big(data) else reset(data)
    picture = opened_by_pillow(TiffImageFile, level, source.name, max_pixels)
    picture.opened.seek(index)
    return finished(picture.raster(), source)


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


def _deep(page: Any, index: int, data: bytes) -> Raster:
    """The samples of a page of more than 8 bits."""
    import numpy as np

    kind, bits = page.dtype, page.bitspersample
    if kind is None or kind.kind not in "uf" or (kind.kind == "u" and bits != 16):
        raise ValueError(f"its samples are {kind} of {bits} bits, not 8 or 16 bits or floating point")
    photometric, count = int(page.photometric), int(page.samplesperpixel)
    usual = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _CMYK: 4}.get(photometric)
    if usual is None or count - usual not in (0, 1):
        raise ValueError(f"it has {count} samples a pixel of the photometric kind {photometric}")
    pixels = _samples(page, index, data, count)
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


def _samples(page: Any, index: int, data: bytes, count: int) -> NDArray[Any]:
    """The samples (H, W, count) of ``page`` as a fresh array in the byte order of this machine."""
    import numpy as np

    height, width = page.imagelength, page.imagewidth
    try:
        pixels = page.asarray()
    except ValueError as error:
        if "imagecodecs" not in str(error) or count == 2:
            raise
        # LZW and its like, which tifffile leaves to another package: OpenCV reads them too
        cv2 = load_opencv()
        done, pages = cv2.imdecodemulti(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED, range=(index, index + 1))
        pixels = pages[0] if done and pages else None
        if pixels is None or pixels.dtype != page.dtype or pixels.size != height * width * count:
            raise
        if pixels.ndim == 3:
            pixels = pixels[:, :, [2, 1, 0, 3][:count]]
        return np.array(pixels.reshape(height, width, count))
    if int(page.planarconfig) == 2 and count > 1:
        pixels = np.moveaxis(pixels.reshape(count, height, width), 0, -1)
    return np.array(pixels, dtype=pixels.dtype.newbyteorder("=")).reshape(height, width, count)


def _exif(data: bytes) -> bytes:
    """The descriptive tags of a TIFF file as an EXIF stream; nothing where it has none."""
    from PIL.Image import Exif

    old = Exif()
    old.load(data)
    tags = {tag: old[tag] for tag in DESCRIPTIVE & old.keys() - _NESTED}
    return _written(tags, {tag: old.get_ifd(tag) for tag in _NESTED & old.keys()})


def _is_big(data: bytes) -> bool:
    """Whether a TIFF file is made for more than 4 GiB, with directories of another layout."""
    return data[2:4] in (b"+\0", b"\0+")


def _written(tags: dict[int, Any], nested: dict[int, dict[int, Any]]) -> bytes:
    """An EXIF stream of ``tags`` and of the directories ``nested`` below them; nothing where there are none."""
    from PIL.Image import Exif

    new = Exif()
    for tag, value in tags.items():
        if not (isinstance(value, str) and value.startswith(_OTHER_TOOLS)):
            new[tag] = value
    for tag, directory in nested.items():
        new.get_ifd(tag).update(directory)
    return bare(new.tobytes()) if len(new) or any(nested.values()) else b""


def _dpi(page: Any) -> tuple[float, float] | None:
    """Dots per inch across and down, None where the file gives only an aspect."""
    unit = {2: 1.0, 3: 2.54}.get(int(page.tags.valueof(296) or 2))
    found = [page.tags.valueof(tag) for tag in (282, 283)]
    if unit is None or not all(value and value[0] and value[1] for value in found):
        return None
    across, down = (value[0] / value[1] * unit for value in found)
    return across, down
