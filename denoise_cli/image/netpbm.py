"""Decode PBM, PGM and PPM files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from denoise_cli.image.picture import Image, Source
from denoise_cli.image.rasters import check_size, planes

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLANK = rb"(?:\s|#[^\n]*\n)+"
_PPM_HEADER = re.compile(rb"P([2356])" + 3 * (_BLANK + rb"(\d+)") + rb"(?:#[^\n]*\n)?\s")
_PBM_HEADER = re.compile(rb"P([14])" + 2 * (_BLANK + rb"(\d+)") + rb"(?:#[^\n]*\n)?\s")


def decode_ppm(data: bytes, name: str, max_pixels: int, every: bool) -> Iterator[Image]:
    """The image in a file of one of Netpbm's formats; Pillow would cut 16-bit colour to 8 bits."""
    import numpy as np

    header = _PPM_HEADER.match(data) or _PBM_HEADER.match(data)
    if header is None:
        raise ValueError("its header is damaged or truncated")
    kind, width, height, *rest = (int(number) for number in header.groups())
    largest = rest[0] if rest else 1
    check_size(name, width, height, max_pixels)
    if not 1 <= largest <= 65535:
        raise ValueError(f"its largest value is {largest}, not 1 to 65535")
    count = 3 if kind in (3, 6) else 1
    body = data[header.end() :]
    if kind == 4:
        raw: NDArray[Any] = np.unpackbits(np.frombuffer(body, np.uint8)[: height * ((width + 7) // 8)])
        samples = raw.reshape(-1, 8 * ((width + 7) // 8))[:, :width]
    elif kind > 4:
        wide = np.dtype(">u2" if largest > 255 else "u1")
        samples = np.frombuffer(body[: len(body) // wide.itemsize * wide.itemsize], wide)[: height * width * count]
    else:
        text = re.sub(rb"#[^\n]*", b"", body)
        samples = np.array(list(re.sub(rb"\s", b"", text)) if kind == 1 else text.split(), np.int64)
        samples = (samples - ord("0") if kind == 1 else samples)[: height * width * count]
    if samples.size < height * width * count:
        raise ValueError(f"it is truncated: {samples.size} samples of {height * width * count}")
    if int(samples.max()) > largest or int(samples.min()) < 0:
        raise ValueError(f"a sample is beyond the largest value, {largest}")
    samples = samples.reshape(height, width, count)
    if kind in (1, 4):
        samples = 1 - samples  # 1 is black
    ends = {4: height * ((width + 7) // 8)}.get(kind, samples.size * (2 if largest > 255 else 1))
    more = kind > 3 and bool(body[ends:].strip(b"\0 \t\r\n"))
    notes = (f"{name} holds more than one image; the first was read, what follows left out.",) if more else ()
    mode = "1" if kind in (1, 4) else "RGB" if count == 3 else "L"
    yield Image(planes(samples, largest), Source(name, "ppm", mode, 16 if largest > 255 else 8, warnings=notes))
