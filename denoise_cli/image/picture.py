"""An image in memory, and all that its file held besides the pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from denoise_cli.errors import InputError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.float32]  # (C, H, W), C is 1 or 3, nominally in [0, 1]
    Samples = NDArray[np.float32] | NDArray[np.uint8]  # the same, or shares of 255

CORE: Final = ("png", "jpeg", "tiff", "webp", "gif", "bmp", "ppm")
FORMATS: Final = (*CORE, "exr", "dicom")  # the last two take an extra

SUFFIXES: Final = {
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".jfif": "jpeg",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".webp": "webp",
    ".gif": "gif",
    ".bmp": "bmp",
    ".ppm": "ppm",
    ".pgm": "ppm",
    ".pnm": "ppm",
    ".exr": "exr",
    ".dcm": "dicom",
}


TEXTS: Final = (b"tEXt", b"zTXt", b"iTXt")  # chunks of a PNG file

_STEPS = 3688  # sum of the luma's quantisation table at quality 50 (ITU-T T.81, table K.1)
_LOW_STEPS = 177  # of which the first four of the first three rows


@dataclass(frozen=True)
class Jpeg:
    """How a JPEG file was compressed, so that it can be compressed like that again, and what else it carries."""

    tables: tuple[tuple[int, ...], ...]  # quantisation tables of 64 numbers; none where nothing was lost
    subsampling: int  # of the colour: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0, -1 is any other
    segments: tuple[tuple[str, bytes], ...] = ()  # further ones, as ("APP13", content)

    @property
    def quality(self) -> float:
        """The quality, 1 to 100, at which libjpeg's steps of the luma are as large on average."""
        if not self.tables:
            return 100.0
        luma = self.tables[0]
        steps = sum(luma) / _STEPS
        if steps > 1:  # where the largest are cut off at 255
            steps = sum(sum(luma[start : start + 4]) for start in (0, 8, 16)) / _LOW_STEPS
        return 100 - 50 * steps if steps <= 1 else 50 / steps

    def finer(self, quality: float) -> Jpeg:
        """With steps as small as those of ``quality``, 50 to 99, on average; the same where they are no larger."""
        if self.quality >= quality:
            return self
        share = (100 - quality) / 50 * _STEPS / sum(self.tables[0])
        tables = tuple(tuple(max(1, round(step * share)) for step in table) for table in self.tables)
        return replace(self, tables=tables)


@dataclass(frozen=True, eq=False)
class Source:
    """Where an image comes from and what its file held besides the pixels; every field but ``name`` may be left out."""

    name: str  # the path as the user gave it, or "-"
    format: str = "png"  # one of FORMATS
    mode: str = "RGB"  # the pixels as they lay in the file: 1, L, LA, P, RGB, RGBA, CMYK ...
    depth: int = 8  # bits of one sample: 8, 16, or 32 for floating point
    alpha: NDArray[Any] | None = None  # (H, W), uint8, uint16 or float32 as in the file
    icc: bytes = b""  # colour profile
    exif: bytes = b""  # a TIFF stream, without the "Exif" in front; its orientation is 1
    xmp: bytes = b""
    dpi: tuple[float, float] | None = None  # dots per inch across and down
    comment: bytes = b""  # of a JPEG
    jpeg: Jpeg | None = None
    lossless: bool = True  # False for JPEG and for a lossy WebP
    chunks: tuple[tuple[bytes, bytes], ...] = ()  # further PNG chunks: gamma, text
    scale: float = 1.0  # floating point file: value = pixel * scale + offset; not 1 and 0 where it left [0, 1]
    offset: float = 0.0
    milliseconds: float = 0.0  # that a frame of an animation is shown
    loops: int | None = None  # how often an animation is shown, 0: for ever; None where the file does not say
    native: Any = None  # what only files of its own format hold: see ``exr`` and ``dicom``
    warnings: tuple[str, ...] = ()  # what reading had to change or leave out, in sentences

    def dots(self, inches: float, most: int) -> tuple[int, int] | None:
        """How many dots lie on so many ``inches`` across and down; None where that is no number from 1 to ``most``.

        A format that counts them so is better told nothing than the nearest number that it holds.
        """
        if self.dpi is None:
            return None
        across, down = (round(value * inches) for value in self.dpi)
        return (across, down) if min(across, down) >= 1 and max(across, down) <= most else None


class Box(NamedTuple):
    """A rectangle of an image, in pixels from its upper left corner."""

    left: int
    top: int
    width: int
    height: int

    def __str__(self) -> str:
        return ",".join(map(str, self))


@dataclass(frozen=True, eq=False)
class Image:
    """Pixels with the source that they came from.

    What was read from 8 bits is kept in 8 bits, which is a quarter of the memory, and is exact.
    """

    samples: Samples  # (C, H, W), C is 1 or 3, upright: float32 in [0, 1], or uint8, shares of 255
    source: Source

    def __post_init__(self) -> None:
        shape = self.samples.shape
        assert self.samples.dtype in ("float32", "uint8"), f"pixels are {self.samples.dtype}, not float32"
        assert len(shape) == 3 and shape[0] in (1, 3), f"pixels have the shape {shape}, not (1 or 3, H, W)"
        alpha = self.source.alpha
        assert alpha is None or alpha.shape == shape[1:], "the alpha plane has another size than the pixels"

    @property
    def pixels(self) -> Pixels:
        """(C, H, W) float32 in [0, 1]; made anew each time where they are kept in 8 bits."""
        import numpy as np

        if self.samples.dtype == np.float32:
            return self.samples  # type: ignore[return-value]
        pixels = self.samples.astype(np.float32)
        pixels /= np.float32(255)
        return pixels

    @property
    def channels(self) -> int:
        """1 for gray, 3 for colour; the alpha plane does not count."""
        return int(self.samples.shape[0])

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.samples.shape[1])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.samples.shape[2])

    def with_pixels(self, clean: Pixels) -> Image:
        """The same image with other pixels, (C, H, W) float32; alpha and metadata stay."""
        return replace(self, samples=clean)

    def finer(self, quality: float) -> Image:
        """The same image; one from a JPEG file becomes no JPEG file below that ``quality``, 50 to 99."""
        jpeg = self.source.jpeg
        return self if jpeg is None else replace(self, source=replace(self.source, jpeg=jpeg.finer(quality)))

    def cut(self, box: Box) -> Image:
        """The part in ``box``, with all metadata. Raises InputError where it leaves the image."""
        right, bottom = box.left + box.width, box.top + box.height
        if min(box.left, box.top) < 0 or min(box.width, box.height) < 1 or right > self.width or bottom > self.height:
            raise InputError(
                f"The crop {box} is not within {self.source.name}, which has {self.width}x{self.height} pixels.",
                "A crop is X,Y,W,H: the pixels to its left and above it, its width and its height.",
            )
        rows, columns = slice(box.top, bottom), slice(box.left, right)
        alpha = None if self.source.alpha is None else self.source.alpha[rows, columns]
        return Image(self.samples[:, rows, columns], replace(self.source, alpha=alpha))

    def stripped(self) -> Image:
        """The same image without EXIF, XMP, comments and texts; what its colours and size depend on stays.

        Raises InputError for a DICOM image, where that would not be what it takes to hide a patient's name.
        """
        if self.source.format == "dicom":
            raise InputError(
                f"{self.source.name} is a DICOM image, which --strip-metadata does not make anonymous.",
                "Use a tool for that, or write it as PNG or TIFF without --strip-metadata: these hold none of it.",
            )
        chunks = tuple(chunk for chunk in self.source.chunks if chunk[0] not in TEXTS)
        native = None if self.source.native is None else self.source.native.stripped()
        jpeg = None if self.source.jpeg is None else replace(self.source.jpeg, segments=())
        bare = replace(self.source, exif=b"", xmp=b"", comment=b"", chunks=chunks, jpeg=jpeg, native=native)
        return replace(self, source=bare)


def is_image(path: str | Path) -> bool:
    """Whether the name of ``path`` ends like that of an image file; the file is not opened."""
    return Path(path).suffix.lower() in SUFFIXES


def format_of(path: str | Path) -> str:
    """The format that the name of ``path`` asks for. Raises UsageError where it ends in no known suffix."""
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        ending = f"the suffix {suffix!r}" if suffix else "no suffix"
        raise UsageError(f"{path} has {ending}, which names no image format.", f"Known: {' '.join(SUFFIXES)}.")
    return SUFFIXES[suffix]
