"""The descriptive tags of a TIFF file as an EXIF stream of their own, each value byte for byte.

TIFF Revision 6.0, Aldus, 1992; BigTIFF, 2007; Exif Version 3.0, CIPA DC-008-2023.
"""

from __future__ import annotations

import struct
from typing import Literal, NamedTuple

from denoise_cli.image.exif import DESCRIPTIVE, ORIENTATION

_Order = Literal["<", ">"]
_Tree = dict[int, "_Tree"]
_Directory = dict[int, "_Value | _Directory"]

SHAPED, IMAGEJ = b'{"shape"', b"ImageJ="  # how descriptions begin that speak of a file's layout, not of its picture
_DESCRIPTION = 270
_BELOW: _Tree = {34665: {40965: {}}, 34853: {}}  # of the camera, in it of interoperability; of the place
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}  # bytes of a value by its type
_LONG = {4: 4, 13: 4, 16: 8, 18: 8}  # bytes of the types that hold the place of a directory


class _Value(NamedTuple):
    """What an entry of a directory holds."""

    kind: int  # of numbers, as the standard counts them
    number: int  # how many
    content: bytes


def is_big(data: bytes) -> bool:
    """Whether a TIFF file is made for more than 4 GiB, with directories of another layout."""
    return data[2:4] in (b"+\0", b"\0+")


def described(data: bytes) -> bytes:
    """What the first page of the TIFF file ``data`` tells about the picture, as EXIF; nothing where it tells nothing.

    Raises ValueError where a directory is damaged.
    """
    order: _Order = "<" if data[:2] == b"II" else ">"
    try:
        (start,) = struct.unpack_from(f"{order}Q" if is_big(data) else f"{order}I", data, 8 if is_big(data) else 4)
        found = _directory(data, order, start, DESCRIPTIVE, _BELOW)
    except struct.error as error:
        raise ValueError("a directory lies outside of the file") from error
    text = found.get(_DESCRIPTION)
    if isinstance(text, _Value) and text.content.startswith((SHAPED, IMAGEJ)):
        del found[_DESCRIPTION]
    return _stream(found, order) if found else b""


def turned(orientation: int) -> bytes:
    """EXIF that tells nothing but the ``orientation``, 1 to 8."""
    return _stream({ORIENTATION: _Value(3, 1, struct.pack("<H", orientation))}, "<")


def _directory(data: bytes, order: _Order, start: int, wanted: frozenset[int] | None, below: _Tree) -> _Directory:
    """The tags ``wanted``, or all, of the directory at ``start``, with those ``below`` it."""
    head, entry = ("Q", "HHQ8s") if is_big(data) else ("H", "HHI4s")
    (count,) = struct.unpack_from(order + head, data, start)
    first, size, total = start + struct.calcsize(order + head), struct.calcsize(order + entry), 0
    found: _Directory = {}
    for at in range(first, first + count * size, size):
        tag, kind, number, inline = struct.unpack_from(order + entry, data, at)
        if wanted is not None and tag not in wanted:
            continue
        if tag in below:
            place = int.from_bytes(inline[: _LONG.get(kind, 4)], "little" if order == "<" else "big")
            found[tag] = _directory(data, order, place, None, below[tag])
        elif kind in _SIZES:
            length = _SIZES[kind] * number
            place = int.from_bytes(inline, "little" if order == "<" else "big")
            content = inline[:length] if length <= len(inline) else data[place : place + length]
            total += length
            if len(content) < length or total > len(data):  # the latter where all values are the whole file
                raise ValueError(f"the tag {tag} lies outside of the file")
            found[tag] = _Value(kind, number, content)
    return found


def _stream(directory: _Directory, order: _Order) -> bytes:
    head = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 8)
    return head + _laid_out(directory, order, len(head))


def _laid_out(directory: _Directory, order: _Order, start: int) -> bytes:
    """The bytes of ``directory`` at ``start``, what does not fit into its entries behind them."""
    size = 2 + 12 * len(directory) + 4
    entries, behind = struct.pack(f"{order}H", len(directory)), b""
    for tag, value in sorted(directory.items()):
        place = start + size + len(behind)
        if isinstance(value, _Value):
            kind, number, content = value
        else:
            kind, number, content = 4, 1, _laid_out(value, order, place)
        if len(content) > 4:
            behind += content + bytes(len(content) % 2)
            content = struct.pack(f"{order}I", place)
        entries += struct.pack(f"{order}HHI", tag, kind, number) + content.ljust(4, b"\0")
    return entries + bytes(4) + behind
