"""Build a TIFF file of 8-bit, 16-bit or floating-point samples.

TIFF Revision 6.0, Aldus, 1992; Adobe Photoshop TIFF Technical Notes, 2002 (deflate); XMP Specification Part 3, Adobe.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Literal

from denoise_cli.image.exif import DESCRIPTIVE, entries

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WORD = 2**32 - 1  # the largest number of 32 bits
LARGEST = _WORD  # offsets have as many
_BYTE, _SHORT, _LONG, _RATIONAL, _UNDEFINED = 1, 3, 4, 5, 7
_CODE = {_BYTE: "B", _SHORT: "H", _LONG: "I", _RATIONAL: "I", _UNDEFINED: "B"}
_STRIP = 1 << 20  # bytes of a strip before it is compressed


@dataclass(frozen=True)
class Page:
    """One page, and what a TIFF file holds of it besides its samples."""

    samples: NDArray[Any]  # (H, W, 1 to 4) uint8, uint16 or float32; the second or fourth is alpha
    exif: bytes = b""
    icc: bytes = b""
    xmp: bytes = b""
    dpi: tuple[float, float] | None = None


def pack(pages: Sequence[Page]) -> bytes:
    """A TIFF file of ``pages``.

    The file starts as the stream ``exif`` of the first page, so that every offset in it stays right, maker's notes
    included; its first directory is replaced by one that also describes the pixels. That of other pages is left out.
    Raises OverflowError beyond 4 GiB.
    """
    order, kept = entries(pages[0].exif) if pages[0].exif else ("<", [])
    stream = bytearray(pages[0].exif or struct.pack("<2sHI", b"II", 42, 0))
    tags = {entry.tag: entry.raw for entry in kept if entry.tag in DESCRIPTIVE}
    link = 4  # where the place of the next directory is written
    for page in pages:
        link = _add(stream, order, page, tags, link)
        tags = {}
    return bytes(stream)


def _add(stream: bytearray, order: Literal["<", ">"], page: Page, tags: dict[int, bytes], link: int) -> int:
    """Append ``page`` to ``stream``, with the entries ``tags`` and its own; where its link to the next page is."""
    samples = page.samples
    height, width, count = samples.shape
    rows, strips = _strips(samples, order)

    def put(tag: int, kind: int, values: bytes | list[int]) -> None:
        """Add a tag; what does not fit into the four bytes of its entry goes to the end of the stream."""
        content = values if isinstance(values, bytes) else struct.pack(f"{order}{len(values)}{_CODE[kind]}", *values)
        number = len(values) // 2 if kind == _RATIONAL else len(values)
        if len(content) > 4:
            content = struct.pack(f"{order}I", _append(stream, content))
        tags[tag] = struct.pack(f"{order}HHI", tag, kind, number) + content.ljust(4, b"\0")

    put(256, _LONG, [width])
    put(257, _LONG, [height])
    put(258, _SHORT, [8 * samples.itemsize] * count)
    put(259, _SHORT, [8])  # deflate
    put(262, _SHORT, [2 if count > 2 else 1])  # RGB, or black is zero
    put(274, _SHORT, [1])  # upright
    put(277, _SHORT, [count])
    put(278, _LONG, [rows])
    put(279, _LONG, [len(strip) for strip in strips])
    put(284, _SHORT, [1])  # the samples of a pixel lie together
    if samples.dtype.kind != "f":
        put(317, _SHORT, [2])  # horizontal differences
    if count in (2, 4):
        put(338, _SHORT, [2])  # alpha that the colours were not multiplied with
    put(339, _SHORT, [3 if samples.dtype.kind == "f" else 1] * count)
    if page.dpi and all(1 / _WORD <= value <= _WORD for value in page.dpi):
        for tag, value in zip((282, 283), page.dpi, strict=True):
            put(tag, _RATIONAL, _fraction(value))
        put(296, _SHORT, [2])  # inches
    if page.xmp:
        put(700, _BYTE, page.xmp)
    if page.icc:
        put(34675, _UNDEFINED, page.icc)
    # the directory and the table of offsets come before the pixels: a file cut anywhere is seen to be cut
    size = 2 + 12 * (len(tags) + 1) + 4
    table = len(stream) + len(stream) % 2 + size
    pixels = table + (4 * len(strips) if len(strips) > 1 else 0)
    if pixels + sum(map(len, strips)) > LARGEST:
        raise OverflowError(f"a TIFF file holds at most {LARGEST} bytes")
    starts = [pixels + before for before in accumulate((len(strip) for strip in strips[:-1]), initial=0)]
    tags[273] = struct.pack(f"{order}HHII", 273, _LONG, len(strips), table if len(strips) > 1 else starts[0])
    directory = struct.pack(f"{order}H", len(tags)) + b"".join(tags[tag] for tag in sorted(tags)) + bytes(4)
    stream[link : link + 4] = struct.pack(f"{order}I", _append(stream, directory))
    if len(strips) > 1:
        stream += struct.pack(f"{order}{len(strips)}I", *starts)
    for strip in strips:
        stream += strip
    return table - 4


def pack_big(pages: Sequence[Page]) -> bytes:
    """A BigTIFF file of ``pages``, for more than 4 GiB; it cannot hold EXIF, whose offsets have 32 bits."""
    import tifffile

    stream = BytesIO()
    with tifffile.TiffWriter(stream, bigtiff=True) as file:
        for page in pages:
            count = page.samples.shape[2]
            file.write(
                page.samples if count > 1 else page.samples[:, :, 0],
                photometric="rgb" if count > 2 else "minisblack",
                planarconfig="contig" if count > 1 else None,
                extrasamples=["unassalpha"] if count in (2, 4) else None,
                compression="zlib",
                iccprofile=page.icc or None,
                resolution=page.dpi,
                resolutionunit="inch" if page.dpi else None,
                extratags=[(700, _BYTE, len(page.xmp), page.xmp, True)] if page.xmp else None,
                metadata=None,
                software=False,
            )
    return stream.getvalue()


def _append(stream: bytearray, content: bytes) -> int:
    """Add ``content`` at the next even place; that place."""
    stream += bytes(len(stream) % 2)
    place = len(stream)
    stream += content
    return place


def _fraction(value: float) -> list[int]:
    """``value``, from 1 / (2**32 - 1) to its inverse, as a near fraction of two 32-bit numbers."""
    if value < 1:
        return _fraction(1 / value)[::-1]
    nearest = Fraction(value).limit_denominator(max(1, min(1000, int(_WORD / value))))
    return [min(nearest.numerator, _WORD), nearest.denominator]


def _strips(samples: NDArray[Any], order: Literal["<", ">"]) -> tuple[int, list[bytes]]:
    """How many rows a strip has, and the deflated strips."""
    import numpy as np

    height, width, count = samples.shape
    rows = min(height, max(1, _STRIP // (width * count * samples.itemsize)))
    strips = []
    for start in range(0, height, rows):
        part = samples[start : start + rows]
        if samples.dtype.kind != "f":
            part = np.concatenate([part[:, :1], part[:, 1:] - part[:, :-1]], axis=1)  # wraps around, as it must
        strips.append(zlib.compress(part.astype(samples.dtype.newbyteorder(order)).tobytes(), 6))
    return rows, strips
