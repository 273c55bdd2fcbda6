"""From what a decoder hands out, in any of its modes, to planes of gray or RGB and an alpha plane."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

from denoise_cli.errors import InputError, LimitError
from denoise_cli.image.exif import bare
from denoise_cli.image.picture import Source

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image as PillowImage

    from denoise_cli.image.picture import Samples


class Raster(NamedTuple):
    """Samples as they lie in a file."""

    colour: NDArray[Any]  # (H, W, 1 or 3)
    alpha: NDArray[Any] | None  # (H, W), of the same type
    mode: str  # of the file

    def notes(self, name: str) -> tuple[str, ...]:
        """What had to be changed, in sentences."""
        return (f"{name} is CMYK; it was converted to RGB.",) if self.mode == "CMYK" else ()


def left_out(name: str, frames: int) -> tuple[str, ...]:
    """What to say of a file of which only the first frame is read."""
    return (f"{name} has {frames} frames; the first was read, {frames - 1} left out.",) if frames > 1 else ()


def check_size(name: str, width: int, height: int, max_pixels: int, frames: int = 1) -> None:
    """Raises InputError where the size that a file declares cannot be, or is more than ``max_pixels`` in all frames."""
    if width < 1 or height < 1:
        raise InputError(f"{name} is {width} x {height} pixels large.", "Expected at least one pixel.")
    pixels = width * height * frames
    if pixels > max_pixels:
        several = f" x {frames} frames" if frames > 1 else ""
        raise LimitError(
            f"{name} declares {width} x {height}{several} = {pixels:,} pixels, more than the limit of {max_pixels:,}.",
            f"Where that is no mistake, raise the limit: --max-pixels {pixels}.",
        )


def planes(colour: NDArray[Any], largest: float | None = None) -> Samples:
    """``colour`` (H, W, C) as samples (C, H, W) of an image: 8 bits as they are, others in [0, 1].

    Integers are divided by ``largest``, by default that of their type. Single precision holds every 16-bit value
    apart: rounding brings back the very number.
    """
    import numpy as np

    if colour.dtype == np.uint8 and largest in (None, 255):
        return np.array(colour.transpose(2, 0, 1), order="C")

    if largest is None:
        largest = float(np.iinfo(colour.dtype).max) if colour.dtype.kind == "u" else 1.0
    pixels = np.ascontiguousarray(colour.transpose(2, 0, 1), dtype=np.float32)
    if largest == 1:
        return pixels
    if colour.dtype == np.float32:
        return pixels / np.float32(largest)  # it may be the memory of ``colour``
    pixels /= np.float32(largest)
    return pixels


@dataclass(frozen=True)
class Picture:
    """A file that Pillow has opened but not decoded."""

    opened: Any  # the plug-in's own class
    name: str

    def frames(
        self, max_pixels: int, *, every: bool, icc: bytes | None = None
    ) -> Iterator[tuple[Picture, Raster, tuple[str, ...]]]:
        """The frames, decoded one after another and each with the parts of others that show through, or the first only.

        With each come warnings; ``icc`` is the colour profile where Pillow was not shown it. Raises InputError where
        they have more than ``max_pixels`` together.
        """
        count = int(getattr(self.opened, "n_frames", 1))
        if not every:
            yield self, self.raster(icc), left_out(self.name, count)
            return
        still = int(getattr(self.opened, "default_image", False))  # of a PNG, for programs that show no animation
        notes = (f"{self.name} has a still picture beside its frames; it was left out.",) if still else ()
        width, height = self.opened.size
        check_size(self.name, width, height, max_pixels, count)
        for index in range(still, count):
            self.opened.seek(index)
            width, height = self.opened.size
            check_size(self.name, width, height, max_pixels)  # a frame of a GIF may be larger than those before
            yield self, self.raster(icc), notes

    def raster(self, icc: bytes | None = None) -> Raster:
        """Its pixels, decoded. Pillow raises OSError where they are cut short."""
        import numpy as np

        picture: PillowImage = self.opened
        picture.load()
        profile = picture.info.get("icc_profile", b"") if icc is None else icc
        mode = picture.mode
        if mode == "CMYK":
            return Raster(np.asarray(_from_cmyk(picture, profile)), None, mode)
        gray = mode in ("1", "L", "LA", "La")
        if mode not in ("1", "L", "La", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "YCbCr"):
            raise ValueError(f"its colours are {mode}, not gray, RGB or CMYK")
        transparent = picture.has_transparency_data or mode in ("La", "RGBa")
        target = ("LA" if gray else "RGBA") if transparent else ("L" if gray else "RGB")
        pixels = np.asarray(picture if mode == target else picture.convert(target))
        pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
        alpha = np.ascontiguousarray(pixels[:, :, -1]) if transparent else None
        colour = pixels[:, :, :-1] if transparent else pixels
        if (mode in ("P", "PA") or picture.format == "GIF") and not profile and (colour == colour[:, :, :1]).all():
            colour = colour[:, :, :1]
        return Raster(colour, alpha, mode)

    def source(self, format: str, raster: Raster) -> Source:
        """A source with what Pillow knows besides the pixels."""
        info = self.opened.info
        dpi = info.get("dpi")
        return Source(
            self.name,
            format,
            raster.mode,
            alpha=raster.alpha,
            icc=b"" if raster.mode == "CMYK" else info.get("icc_profile") or b"",
            exif=bare(info.get("exif") or b""),
            xmp=info.get("xmp") or b"",
            dpi=(float(dpi[0]), float(dpi[1])) if dpi and dpi[0] > 0 and dpi[1] > 0 else None,
            milliseconds=float(info.get("duration") or 0),
            loops=info.get("loop"),
            warnings=raster.notes(self.name),
        )


def opened_by_pillow(plugin: Any, data: bytes, name: str, max_pixels: int) -> Picture:
    """``data`` opened by a plug-in of Pillow's, its size checked against our own limit instead of Pillow's."""
    from PIL import Image as pillow

    pillow.MAX_IMAGE_PIXELS = None  # else a TIFF within our limit could still be refused, or warned of, when it loads
    opened = plugin(BytesIO(data))
    width, height = opened.size
    check_size(name, width, height, max_pixels)
    return Picture(opened, name)


def _from_cmyk(picture: PillowImage, profile: bytes) -> PillowImage:
    """RGB from CMYK, through the file's own colour profile where it has a usable one."""
    from PIL import ImageCms

    if profile:
        try:
            own = ImageCms.ImageCmsProfile(BytesIO(profile))
            converted = ImageCms.profileToProfile(picture, own, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (OSError, ImageCms.PyCMSError):
            converted = None  # an unusable profile: the plain formula below is what is left
        if converted is not None:
            return converted
    return picture.convert("RGB")
