"""EXIF as a file carries it: a small TIFF stream, patched in place, because a maker's notes break when they are moved.

Exif Version 3.0, CIPA DC-008-2023.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from numpy.typing import NDArray

ORIENTATION = 0x0112
_ORDERS: Final[dict[bytes, Literal["<", ">"]]] = {b"II*\0": "<", b"MM\0*": ">"}
_WHOLE = {1: "B", 3: "H", 4: "I"}  # whole numbers by their types; a standard file has the second here
_PREFIX = b"Exif\0\0"  # in front of the stream in JPEG files, and in some PNG and WebP files
_IN_XMP = re.compile(rb"(tiff:Orientation(?:>|=[\"']))\d")

# what a TIFF file's own directory holds that is EXIF rather than the layout of its pixels (table 4 of the standard);
# with the names of the document and of the page, and what agencies write about a picture (IPTC)
DESCRIPTIVE = frozenset(
    (269, 270, 271, 272, 274, 285, 305, 306, 315, 316, 33432, 33723, 34665, 34853, *range(40091, 40096), 18246, 18249)
)


class Entry(NamedTuple):
    """One entry of a directory."""

    tag: int
    position: int  # of its 12 bytes in the stream
    raw: bytes  # the 12 bytes; offsets in them count from the start of the stream


def bare(exif: bytes) -> bytes:
    """The TIFF stream of ``exif`` without the prefix that some formats put in front."""
    return exif.removeprefix(_PREFIX)


def prefixed(exif: bytes) -> bytes:
    """``exif`` as a JPEG file wants it."""
    return _PREFIX + exif


def entries(exif: bytes) -> tuple[Literal["<", ">"], list[Entry]]:
    """The byte order (``<`` or ``>``) and the first directory of ``exif``. Raises ValueError where it is damaged."""
    order = _ORDERS.get(exif[:4])
    try:
        if order is None:
            raise ValueError("it does not start like a TIFF stream")
        (start,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, start)
        places = range(start + 2, start + 2 + 12 * count, 12)
        return order, [Entry(struct.unpack_from(f"{order}H", exif, at)[0], at, _twelve(exif, at)) for at in places]
    except struct.error as error:
        raise ValueError("a directory lies outside of it") from error


def _twelve(exif: bytes, at: int) -> bytes:
    raw = exif[at : at + 12]
    if len(raw) < 12:
        raise ValueError("a directory is cut short")
    return raw


def orientation(exif: bytes) -> int:
    """How the pixels lie, 1 (upright) to 8; 1 where ``exif`` does not say. Raises ValueError where it is damaged."""
    order, found = entries(exif)
    for entry in found:
        if entry.tag == ORIENTATION:
            (kind,) = struct.unpack_from(f"{order}H", entry.raw, 2)
            value: int = struct.unpack_from(f"{order}{_WHOLE.get(kind, 'H')}", entry.raw, 8)[0]
            return value if 1 <= value <= 8 else 1
    return 1


def reset(exif: bytes) -> bytes:
    """``exif`` with the orientation 1, every other byte as it was."""
    order, found = entries(exif)
    patched = bytearray(exif)
    for entry in found:
        if entry.tag == ORIENTATION:
            patched[entry.position + 2 : entry.position + 12] = struct.pack(f"{order}HIHH", 3, 1, 1, 0)
    return bytes(patched)


def reset_xmp(xmp: bytes) -> bytes:
    """``xmp`` with the orientation 1 where it says one."""
    return _IN_XMP.sub(rb"\g<1>1", xmp)


def upright(plane: NDArray[Any], turned: int) -> NDArray[Any]:
    """``plane`` (..., H, W) with the orientation 1 to 8 undone; 5 to 8 swap H and W."""
    import numpy as np

    if turned >= 5:
        plane = plane.swapaxes(-1, -2)
    if turned in (3, 4, 7, 8):
        plane = plane[..., ::-1, :]
    if turned in (2, 3, 6, 7):
        plane = plane[..., ::-1]
    return np.ascontiguousarray(plane)
