"""DICOM images: gray, of any stored depth, one or many frames; the extra ``dicom``.

The stored values are denoised and put back into the same data set, so that rescaling, windows and all other tags mean
what they did. It becomes a derived image with an identifier of its own (PS3.3 C.7.6.1.1.2 and C.12.1.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from typing import TYPE_CHECKING, Any

from denoise_cli.errors import InputError, OutputError
from denoise_cli.image.picture import Image, Source
from denoise_cli.image.rasters import check_size

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

_DEFLATED = b"1.2.840.10008.1.2.1.99"  # a data set that is compressed as a whole: of any size once it is read
_START = 4096  # bytes that hold the name of the transfer syntax
_INVERTED = "MONOCHROME1"  # the least value is white


@dataclass(frozen=True, eq=False)
class DataSet:
    """The file that a frame comes from, and what its 0 and 1 are as stored values."""

    data: bytes
    frames: int
    low: float
    high: float
    inverted: bool


def decode_dicom(data: bytes, name: str, max_pixels: int, every: bool) -> Iterator[Image]:
    """The frames of a DICOM file, or the first only.

    8-bit values lie between 0 and their greatest; of deeper ones, which seldom fill their range, the least and the
    greatest of all frames are 0 and 1. Raises InputError, and ValueError and others where the file is damaged.
    """
    import numpy as np

    library = _library(InputError, name)
    if _DEFLATED in data[:_START]:
        raise InputError(f"{name} is deflated as a whole.", "Store it uncompressed first: dcmconv +te.")
    found = library.dcmread(BytesIO(data))
    height, width, count = int(found.Rows), int(found.Columns), int(found.get("NumberOfFrames") or 1)
    check_size(name, width, height, max_pixels, max(1, count))
    kind = str(found.PhotometricInterpretation)
    if not kind.startswith("MONOCHROME") or int(found.SamplesPerPixel) != 1:
        raise InputError(f"{name} is a DICOM image in {kind}.", "Gray ones can be read; convert it to PNG or TIFF.")
    if int(found.BitsAllocated) not in (8, 16):
        raise ValueError(f"its values take {found.BitsAllocated} bits, not 8 or 16")
    values = _values(found, name).reshape(count, height, width)
    signed, stored = bool(found.PixelRepresentation), int(found.BitsStored)
    if values.dtype.itemsize == 1 and not signed:
        low, high = 0.0, float(2**stored - 1)
    else:
        low, high = float(values.min()), float(values.max())
    kept = DataSet(data, count, low, max(high, low + 1), kind == _INVERTED)
    depth = 8 if values.dtype.itemsize == 1 else 16
    notes = () if every or count == 1 else (f"{name} has {count} frames; the first was read, {count - 1} left out.",)
    for frame in values if every else values[:1]:
        shares = (frame.astype(np.float64) - kept.low) / (kept.high - kept.low)
        pixels = (1 - shares if kept.inverted else shares).astype(np.float32)[None]
        yield Image(pixels, Source(name, "dicom", "L", depth, native=kept, warnings=notes))


def encode_dicom(images: Sequence[Image]) -> bytes:
    """The DICOM file that ``images`` come from, with their pixels.

    Raises OutputError where they come from none, are not all its frames, or are a part of them.
    """
    import numpy as np

    first, kept = images[0], images[0].source.native
    library = _library(OutputError, first.source.name)
    if not isinstance(kept, DataSet) or first.channels != 1:
        raise OutputError(f"{first.source.name} comes from no DICOM file.", "Write it as PNG or TIFF.")
    found = library.dcmread(BytesIO(kept.data))
    size = (int(found.Rows), int(found.Columns))
    if len(images) != kept.frames or any((image.height, image.width) != size for image in images):
        raise OutputError(
            f"{first.source.name}: a part of a DICOM image would be said to lie where the whole does.",
            "Write it as PNG or TIFF.",
        )
    signed, stored = bool(found.PixelRepresentation), int(found.BitsStored)
    lowest, highest = (-(2 ** (stored - 1)), 2 ** (stored - 1) - 1) if signed else (0, 2**stored - 1)
    frames = []
    for image in images:
        shares = image.pixels[0].astype(np.float64)
        values = np.rint((1 - shares if kept.inverted else shares) * (kept.high - kept.low) + kept.low)
        frames.append(np.clip(values, lowest, highest))
    order = "<" if found.file_meta.TransferSyntaxUID.is_compressed or found.original_encoding[1] else ">"
    letter = f"{order}{'i' if signed else 'u'}{int(found.BitsAllocated) // 8}"
    content = np.stack(frames).astype(letter).tobytes()
    if found.file_meta.TransferSyntaxUID.is_compressed:
        found.file_meta.TransferSyntaxUID = library.uid.ExplicitVRLittleEndian
        found["PixelData"].is_undefined_length = False
    found["PixelData"].VR = "OW" if int(found.BitsAllocated) > 8 else "OB"
    found.PixelData = content + b"\0" * (len(content) % 2)
    kinds = list(found.get("ImageType") or ["ORIGINAL", "PRIMARY"])
    found.ImageType = ["DERIVED", *kinds[1:]]
    found.DerivationDescription = "; ".join(filter(None, [str(found.get("DerivationDescription") or ""), "denoised"]))
    sources = [str(found.get("SOPInstanceUID", "")), sha256(content).hexdigest()]
    found.SOPInstanceUID = found.file_meta.MediaStorageSOPInstanceUID = library.uid.generate_uid(entropy_srcs=sources)
    stream = BytesIO()
    found.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _values(found: Any, name: str) -> NDArray[Any]:
    """The stored values of all frames."""
    try:
        values: NDArray[Any] = found.pixel_array
    except (RuntimeError, NotImplementedError) as error:
        syntax = found.file_meta.TransferSyntaxUID
        if not syntax.is_compressed:
            raise
        raise InputError(
            f"{name} is compressed as {syntax.name}, for which a decoder is missing.",
            "pip install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg",
        ) from error
    if values.dtype.kind not in "iu" or values.dtype.itemsize > 2:
        raise ValueError(f"its values are {values.dtype}, not of 8 or 16 bits")
    return values


def _library(kind: type[InputError] | type[OutputError], name: str) -> ModuleType:
    try:
        import pydicom
    except ImportError as error:
        raise kind(f"{name}: DICOM takes pydicom.", "pip install 'denoise-cli[dicom]'") from error
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE  # files of all kinds of makers
    module: ModuleType = pydicom
    return module
