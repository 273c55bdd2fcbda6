"""Images from arrays and Pillow's images, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from denoise_cli.errors import InputError
from denoise_cli.image.picture import Image, Source
from denoise_cli.image.rasters import Picture, Raster
from denoise_cli.image.scientific import finished
from denoise_cli.image.writing import to_samples

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image as PillowImage

_DEEP = ("F", "I;16", "I;16B", "I;16L")  # modes of Pillow's that hold more than 8 bits
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def from_array(array: NDArray[Any], name: str = "the array") -> Image:
    """The image in ``array``: (H, W), or (H, W, C) with 1 gray, 2 gray and alpha, 3 RGB or 4 RGB and alpha.

    uint8, uint16, or floating point in [0, 1]; values outside are brought into it, and back by ``to_array``. Raises
    ``InputError`` for any other array, or values that are not finite.
    """
    planes = array[:, :, None] if array.ndim == 2 else array
    if planes.ndim != 3 or planes.shape[2] not in _MODES or not planes.size:
        raise InputError(
            f"{name} has the shape {array.shape}, which is no image.",
            "Expected (H, W), or (H, W, C) with C of 1 (gray) to 4 (RGB and alpha).",
        )
    if planes.dtype.kind != "f" and planes.dtype.name not in ("uint8", "uint16"):
        raise InputError(f"{name} is of {array.dtype}.", "Expected uint8, uint16, or floating point in [0, 1].")
    if not planes.flags.writeable:
        planes = planes.copy()  # torch takes no other
    count = planes.shape[2]
    colour, alpha = (planes, None) if count % 2 else (planes[:, :, :-1], planes[:, :, -1])
    return finished(Raster(colour, alpha, _MODES[count]), Source(name))


def to_array(image: Image) -> NDArray[Any]:
    """The samples of ``image``, as deep as its source: uint8, uint16 or float32; (H, W) for gray without alpha."""
    found = to_samples(image, image.source.depth, image.source.alpha)
    return found[:, :, 0] if found.shape[2] == 1 else found


def from_pillow(picture: PillowImage, name: str = "the image") -> Image:
    """The image in one of Pillow's, of any mode but ``I``. Raises ``InputError``."""
    import numpy as np

    if picture.mode in _DEEP:
        return from_array(np.asarray(picture).astype("f4" if picture.mode == "F" else "u2"), name)
    try:
        return finished(Picture(picture, name).raster(), Source(name))
    except ValueError as error:
        raise InputError(f"{name} cannot be taken: {error}.", "Convert it to L or RGB.") from error


def to_pillow(image: Image) -> PillowImage:
    """One of Pillow's images: L, LA, RGB, RGBA, or gray of I;16 or F. Raises ``InputError`` for deeper colours."""
    from PIL import Image as pillow

    return pillow.fromarray(to_array(image))
