"""OpenEXR files: half or single precision, linear light, values beyond 1; the extra ``exr``.

Pixels outside of [0, 1] are scaled like those of any floating-point file: the least and the greatest value of the image
become 0 and 1 and come back exactly so. Other channels (depth, motion ...) and attributes are carried as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from typing import TYPE_CHECKING, Any

from denoise_cli.errors import InputError, OutputError
from denoise_cli.image.picture import Image, Source
from denoise_cli.image.rasters import Raster, check_size
from denoise_cli.image.scientific import finished

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

_COLOURS = ("R", "G", "B")
_PLACES = ("dataWindow", "displayWindow")  # of the pixels: not those of a part of the image
_WRITTEN = ("channels", "type", "chunkCount", "version", "tiles")  # by the library itself
_NEEDED = (*_PLACES, "chromaticities", "compression", "lineOrder", "pixelAspectRatio", "whiteLuminance")


@dataclass(frozen=True, eq=False)
class Frame:
    """What an EXR file holds besides colours and alpha."""

    header: dict[str, Any]
    others: dict[str, NDArray[Any]]  # further channels, (H, W)
    half: bool  # the colours have 16 bits

    def stripped(self) -> Frame:
        """The same with only those attributes that the pixels depend on."""
        return replace(self, header={key: value for key, value in self.header.items() if key in _NEEDED})


def decode_exr(data: bytes, name: str, max_pixels: int, every: bool) -> Iterator[Image]:
    """The image in an EXR file. Raises InputError, and RuntimeError and others where it is damaged."""
    library = _library(InputError, name)
    header = library.File(BytesIO(data), True, True).header()
    low, high = header["dataWindow"]
    check_size(name, int(high[0]) - int(low[0]) + 1, int(high[1]) - int(low[1]) + 1, max_pixels)
    if any(channel.xSampling != 1 or channel.ySampling != 1 for channel in header["channels"]):
        raise ValueError("its channels differ in size")
    file = library.File(BytesIO(data), True, False)
    if len(file.parts) != 1:
        raise ValueError(f"it has {len(file.parts)} parts, not one")
    found = {key: channel.pixels for key, channel in file.channels().items()}
    names = _COLOURS if all(key in found for key in _COLOURS) else ("Y",)
    if not all(key in found and found[key].dtype.kind == "f" for key in names):
        raise ValueError(f"its channels are {', '.join(found)}, not R, G and B, or Y, in floating point")
    import numpy as np

    colours = np.stack([found.pop(key) for key in names], axis=2)
    alpha = found.pop("A") if "A" in found and found["A"].dtype.kind == "f" else None
    kept = Frame(dict(header), found, colours.dtype == np.float16)
    mode = ("RGB" if len(names) == 3 else "L") + ("A" if alpha is not None else "")
    raster = Raster(colours.astype(np.float32), None if alpha is None else alpha.astype(np.float32), mode)
    yield finished(raster, Source(name, "exr", native=kept))


def encode_exr(image: Image, samples: NDArray[Any]) -> bytes:
    """An EXR file of ``samples`` (H, W, 1 to 4) float32, as half or single precision as its source was.

    What comes from another format is written in single precision and its values as they are, whatever their curve.
    Raises OutputError where the library is missing.
    """
    import numpy as np

    library = _library(OutputError, image.source.name)
    kept = image.source.native if isinstance(image.source.native, Frame) else Frame({}, {}, False)
    height, width, count = samples.shape
    as_before = all(other.shape == (height, width) for other in kept.others.values()) and _size(kept) == (height, width)
    header = {key: value for key, value in kept.header.items() if key not in _WRITTEN}
    if not as_before:
        header = {key: value for key, value in header.items() if key not in _PLACES}
    header |= {"compression": header.get("compression", library.ZIP_COMPRESSION), "type": library.scanlineimage}
    if kept.half:
        top = np.finfo(np.float16).max
        samples = np.clip(samples, -top, top).astype(np.float16)
    keys = (*(_COLOURS if count > 2 else ("Y",)), *("A" if count % 2 == 0 else ""))
    channels = {key: np.ascontiguousarray(samples[:, :, index]) for index, key in enumerate(keys)}
    stream = BytesIO()
    library.File(header, channels | (kept.others if as_before else {})).write(stream)
    return stream.getvalue()


def _size(kept: Frame) -> tuple[int, int] | None:
    if "dataWindow" not in kept.header:
        return None
    low, high = kept.header["dataWindow"]
    return int(high[1]) - int(low[1]) + 1, int(high[0]) - int(low[0]) + 1


def _library(kind: type[InputError] | type[OutputError], name: str) -> ModuleType:
    try:
        import OpenEXR
    except ImportError as error:
        raise kind(f"{name}: EXR takes OpenEXR.", "pip install 'denoise-cli[exr]'") from error
    module: ModuleType = OpenEXR
    return module
