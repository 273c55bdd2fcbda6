"""A contact sheet: images of one size in a grid, each with words beneath it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from denoise_cli.errors import InputError
from denoise_cli.image import Image, Source

_GAP = 8  # pixels between the cells


def contact_sheet(
    images: Sequence[Image], captions: Sequence[str], columns: int, zoom: int = 1, least: int = 0
) -> Image:
    """The ``images``, of one size, in rows of ``columns``, each with its caption, of a line or more, beneath it.

    ``zoom`` repeats every pixel that many times each way; a cell is at least ``least`` pixels wide, so that its caption
    fits. Raises ``InputError`` where the sizes differ.
    """
    sizes = {(image.width, image.height) for image in images}
    if len(sizes) > 1:
        named = ", ".join(f"{image.source.name} {image.width}x{image.height}" for image in images)
        raise InputError(f"The images of a sheet differ in size: {named}.", "Choose versions of one image.")
    wide, height = (side * zoom for side in sizes.pop())
    width = max(wide, least)  # of a cell
    font = ImageFont.load_default(max(12, width // 18))
    line = int(font.size * (0.2 + 1.3 * max(caption.count("\n") + 1 for caption in captions)))  # type: ignore[union-attr]
    rows = -(-len(images) // columns)
    across, down = columns * (width + _GAP) + _GAP, rows * (height + line + _GAP) + _GAP
    sheet = Pillow.new("RGB", (across, down), "white")
    draw = ImageDraw.Draw(sheet)
    for index, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left = _GAP + index % columns * (width + _GAP)
        top = _GAP + index // columns * (height + line + _GAP)
        sheet.paste(Pillow.fromarray(_bytes(image, zoom)), (left + (width - wide) // 2, top))
        draw.text((left + width / 2, top + height + line / 2), caption, "black", font, "mm", align="center")
    pixels = np.asarray(sheet, dtype=np.float32).transpose(2, 0, 1) / 255
    return Image(np.ascontiguousarray(pixels, dtype=np.float32), Source("sheet"))


def _bytes(image: Image, zoom: int) -> NDArray[np.uint8]:
    """(H, W, 3) of the image, zoomed."""
    colour = np.broadcast_to(image.pixels, (3, image.height, image.width))
    levels = np.rint(np.clip(colour, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
    return levels.repeat(zoom, axis=0).repeat(zoom, axis=1)
