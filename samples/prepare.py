"""Make ``samples/clean`` from photographs that scikit-image carries, and from nothing: ``python samples/prepare.py``.

Needs scikit-image. The noisy versions are then made from the clean ones by ``denoise make-data`` (see README.md).
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

Bytes = NDArray[np.uint8]  # (H, W) or (H, W, 3)

# name: (photograph, the part that is kept as top, left, height, width, or None for all, the size as height, width)
PHOTOGRAPHS = {
    "astronaut": ("astronaut", None, (256, 256)),
    "brick": ("brick", (0, 0, 512, 512), (256, 256)),
    "camera": ("camera", None, (512, 512)),
    "cell": ("cell", (150, 20, 510, 510), (256, 256)),
    "chelsea": ("chelsea", (0, 0, 300, 450), (256, 384)),
    "coffee": ("coffee", None, (256, 384)),
    "gravel": ("gravel", None, (256, 256)),
    "hubble": ("hubble_deep_field", (100, 100, 512, 512), (256, 256)),
    "retina": ("retina", (200, 60, 1024, 1024), (256, 256)),
    "rocket": ("rocket", None, (256, 384)),
    "tiny-cat": ("chelsea", (20, 90, 260, 260), (32, 32)),
    "tiny-cup": ("coffee", (20, 110, 370, 370), (32, 32)),
    "tiny-face": ("astronaut", (0, 130, 192, 192), (32, 32)),
    "tiny-shuttle": ("astronaut", (0, 340, 170, 170), (32, 32)),
}


def photograph(name: str) -> Bytes:
    """One of ``PHOTOGRAPHS``, cut and then shrunk by averaging areas."""
    origin, part, (height, width) = PHOTOGRAPHS[name]
    pixels: Bytes = getattr(data, origin)()
    if part:
        top, left, rows, columns = part
        pixels = pixels[top : top + rows, left : left + columns]
    shrunk: Bytes = cv2.resize(np.ascontiguousarray(pixels), (width, height), interpolation=cv2.INTER_AREA)
    return shrunk


def chart() -> Bytes:
    """A colour test chart, 256x256: a zone plate, bars of growing frequency, discs, and steps of gray and colour."""
    image = np.full((256, 256, 3), 128, np.float64)
    row, column = np.mgrid[0:128, 0:128]
    radius = np.hypot(row - 63.5, column - 63.5)
    image[:128, :128] = (127.5 + 127.5 * np.cos(np.pi * radius**2 / 160))[
        ..., None
    ]  # half the sampling rate at its edge
    phase = np.cumsum(np.linspace(0.05, np.pi, 128))
    image[:64, 128:] = np.where(np.cos(phase) > 0, 235, 20)[None, :, None]
    image[64:128, 128:] = np.repeat(np.linspace(0, 255, 16), 8)[None, :, None]
    hue = np.linspace(0, 2 * np.pi, 128)[None, :]
    value = np.linspace(0.15, 1, 128)[:, None]
    for channel in range(3):
        image[128:, :128, channel] = 255 * value * (0.5 + 0.5 * np.cos(hue - channel * 2 * np.pi / 3))
    bytes_: Bytes = image.round().astype(np.uint8)
    colours = [(200, 40, 40), (40, 160, 60), (40, 70, 200), (230, 200, 40), (240, 240, 240), (20, 20, 20)]
    for number, colour in enumerate(colours):
        centre = (150 + 42 * (number % 3), 160 + 60 * (number // 3))
        cv2.circle(bytes_, centre, 18, colour, -1, cv2.LINE_AA)
    return bytes_


def text() -> Bytes:
    """Dark lines of writing on a page with uneven light, 256x384, gray."""
    row, column = np.mgrid[0:256, 0:384]
    page: Bytes = (238 - 50 * np.hypot((row - 60) / 256, (column - 110) / 384)).round().astype(np.uint8)
    lines = ("noise removal", "clean = noisy - noise", "0123456789 (25 of 255)", "salt and pepper: 30 %")
    for number, (line, scale) in enumerate(zip(lines, (1.5, 0.85, 0.7, 0.55), strict=True)):
        place = (14, 60 + 45 * number)
        cv2.putText(page, line, place, cv2.FONT_HERSHEY_SIMPLEX, scale, 35, 3 - (number + 1) // 2, cv2.LINE_AA)
    for number in range(12):
        cv2.line(page, (14 + 30 * number, 214), (24 + 30 * number, 244), 30 + 12 * number, 1 + number % 3, cv2.LINE_AA)
    return page


def main() -> None:
    """Write every clean sample."""
    folder = Path(__file__).parent / "clean"
    folder.mkdir(exist_ok=True)
    images = {name: photograph(name) for name in PHOTOGRAPHS} | {"chart": chart(), "text": text()}
    for name, pixels in images.items():
        swapped = pixels[..., ::-1] if pixels.ndim == 3 else pixels
        cv2.imwrite(str(folder / f"{name}.png"), swapped, [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    main()
