"""The outside of PNG files: take one apart into chunks, and build one of 8 or 16 bits.

Portable Network Graphics (PNG) Specification, third edition, W3C, 2025.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from denoise_cli.image.picture import TEXTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
XMP_KEYWORD = b"XML:com.adobe.xmp"
CARRIED = (b"sRGB", b"gAMA", b"cHRM", b"cICP", b"mDCV", b"cLLI", *TEXTS)  # true of the clean image as of the noisy one

BACKGROUND = b"bKGD"  # carried where it is of as many bits and samples as the pixels: not that of a palette
_COLOUR_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}  # samples of a pixel -> gray, gray and alpha, RGB, RGBA (section 11.2.1)
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))  # sec. 8.1
_BAND = 1 << 20  # bytes of a band of rows that is filtered at once
_INFLATED = 1 << 26  # bytes that a profile or a text may have


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Every chunk of ``data`` as (type, content). Raises ValueError where it is cut short or a checksum is wrong."""
    found: list[tuple[bytes, bytes]] = []
    start = len(SIGNATURE)
    while not found or found[-1][0] != b"IEND":
        if start + 12 > len(data):
            raise ValueError(f"it is truncated after {len(data)} bytes")
        length, kind = struct.unpack_from(">I4s", data, start)
        end = start + 12 + length
        if end > len(data):
            raise ValueError(f"it is truncated after {len(data)} bytes")
        if zlib.crc32(data[start + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
            raise ValueError(f"the checksum of its {kind.decode('latin-1')} chunk is wrong")
        found.append((kind, data[start + 8 : end - 4]))
        start = end
    return found


def check_complete(found: list[tuple[bytes, bytes]]) -> None:
    """Raises ValueError where the pixels among the chunks ``found`` end early; decoders would leave the rest black."""
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", found[0][1])
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    wanted = 0
    for left, top, across, down in passes:
        columns, rows = max(0, -((left - width) // across)), max(0, -((top - height) // down))
        wanted += rows * (1 + (columns * bits + 7) // 8) if columns else 0
    stream, held = zlib.decompressobj(), 0
    for content in (content for kind, content in found if kind == b"IDAT"):
        while content and held < wanted:
            held += len(stream.decompress(content, _BAND))
            content = stream.unconsumed_tail
    if held < wanted:
        raise ValueError(f"it is truncated: its pixels take {wanted} bytes and it has {held}")


def pack(samples: NDArray[Any], extra: Iterable[tuple[bytes, bytes]] = ()) -> bytes:
    """A PNG file of ``samples``, (H, W, 1 to 4) uint8 or uint16, with ``extra`` chunks before the pixels."""
    height, width, count = samples.shape
    header = struct.pack(">IIBBBBB", width, height, 8 * samples.itemsize, _COLOUR_TYPE[count], 0, 0, 0)
    body = [(b"IHDR", header), *extra, (b"IDAT", b"".join(_compressed(samples))), (b"IEND", b"")]
    return join(body)


def join(parts: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A PNG file of the chunks ``parts``, each (type, content)."""
    return SIGNATURE + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in parts
    )


def _compressed(samples: NDArray[Any]) -> Iterator[bytes]:
    """The pixels, filtered row by row and deflated."""
    import numpy as np

    height, width, count = samples.shape
    pixel = count * samples.itemsize
    rows = np.ascontiguousarray(samples.astype(samples.dtype.newbyteorder(">"), copy=False))
    raw = rows.view(np.uint8).reshape(height, width * pixel)
    squeeze = zlib.compressobj(6)
    step = max(1, _BAND // raw.shape[1])
    for start in range(0, height, step):
        band = raw[start : start + step].astype(np.int16)
        above = np.zeros_like(band)
        above[1:] = band[:-1]
        if start:
            above[0] = raw[start - 1]
        yield squeeze.compress(_filtered(band, above, pixel).tobytes())
    yield squeeze.flush()


def _filtered(band: NDArray[Any], above: NDArray[Any], pixel: int) -> NDArray[Any]:
    """Each row of ``band`` after its filter type, that of the least sum of absolute differences (section 12.7)."""
    import numpy as np

    left, corner = np.zeros_like(band), np.zeros_like(band)
    left[:, pixel:], corner[:, pixel:] = band[:, :-pixel], above[:, :-pixel]
    # Paeth: whichever of left, above, corner is nearest to left + above - corner, ties in this order (section 9.4)
    to_left, to_above, to_corner = abs(above - corner), abs(left - corner), abs(left + above - 2 * corner)
    nearest = np.where(to_above <= to_corner, above, corner)
    nearest = np.where((to_left <= to_above) & (to_left <= to_corner), left, nearest)
    guesses = (np.zeros_like(band), left, above, (left + above) >> 1, nearest)
    candidates = np.stack([(band - guess).astype(np.uint8) for guess in guesses])  # (5, rows, bytes)
    cost = np.abs(candidates.view(np.int8).astype(np.int16)).sum(axis=2, dtype=np.int64)
    best = cost.argmin(axis=0)
    chosen = candidates[best, np.arange(len(best))]
    return np.concatenate([best[:, None].astype(np.uint8), chosen], axis=1)


def _inflated(content: bytes) -> bytes:
    """``content`` decompressed. Raises ValueError where it swells beyond any sensible size."""
    stream = zlib.decompressobj()
    text = stream.decompress(content, _INFLATED)
    if not stream.eof:
        raise ValueError(f"a compressed chunk is cut short or larger than {_INFLATED} bytes")
    return text


def profile(content: bytes) -> bytes:
    """The colour profile in an iCCP chunk (section 11.3.2.3)."""
    _, _, rest = content.partition(b"\0")
    return _inflated(rest[1:])


def profile_chunk(icc: bytes) -> tuple[bytes, bytes]:
    """An iCCP chunk that holds ``icc``."""
    return b"iCCP", b"ICC profile\0\0" + zlib.compress(icc)


def xmp(content: bytes) -> bytes:
    """The text of an iTXt chunk (section 11.3.3.4)."""
    _, _, rest = content.partition(b"\0")
    packed, rest = rest[0], rest[2:]
    text = rest.split(b"\0", 2)[2]  # after the language and the translated keyword
    return _inflated(text) if packed else text


def xmp_chunk(packet: bytes) -> tuple[bytes, bytes]:
    """An iTXt chunk that holds an XMP ``packet``."""
    return b"iTXt", XMP_KEYWORD + b"\0\0\0\0\0" + packet


def as_8_bits(transparent: bytes, depth: int, colour: int) -> bytes:
    """The chunk tRNS of a file of ``depth`` bits for samples scaled to 8: Pillow scales the levels of gray and not it.

    Other colours than gray, and 1, 8 and 16 bits, as they are (section 11.3.1.1).
    """
    if colour != 0 or depth not in (2, 4):
        return transparent
    most = (1 << depth) - 1
    return ((int.from_bytes(transparent[:2], "big") & most) * (255 // most)).to_bytes(2, "big")


def density(content: bytes) -> tuple[float, float] | None:
    """Dots per inch in a pHYs chunk, None where it only gives an aspect (section 11.3.4.3)."""
    across, down, unit = struct.unpack(">IIB", content)
    return (across * 0.0254, down * 0.0254) if unit == 1 else None


def density_chunk(dots: tuple[int, int]) -> tuple[bytes, bytes]:
    """A pHYs chunk for so many ``dots`` on a metre across and down."""
    return b"pHYs", struct.pack(">IIB", *dots, 1)
