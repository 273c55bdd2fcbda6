"""The part of an image that is scored."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from denoise_cli.errors import InputError, UsageError


@dataclass(frozen=True)
class Region:
    """A rectangle in the middle of the image, as the papers that score a centre crop do."""

    width: int  # pixels
    height: int  # pixels

    @classmethod
    def parse(cls, word: str) -> "Region":
        """Read ``center:16`` (a square) or ``center:24x16`` (width x height); raises ``UsageError`` otherwise."""
        found = re.fullmatch(r"cent(?:er|re):(\d{1,6})(?:x(\d{1,6}))?", word.strip(), flags=re.ASCII)
        sides = [int(side) for side in found.groups() if side] if found else []
        if not sides or min(sides) < 1:
            raise UsageError(
                f"{word!r} is no region.", "Write center:16 for a square, or center:24x16 for width x height."
            )
        return cls(width=sides[0], height=sides[-1])

    def __str__(self) -> str:
        return f"center:{self.width}" if self.width == self.height else f"center:{self.width}x{self.height}"

    def crop(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """The region of (C, H, W); with an odd rest, the spare row is below and the spare column to the right.

        Raises ``InputError`` where the image is smaller than the region.
        """
        height, width = pixels.shape[-2:]
        if height < self.height or width < self.width:
            raise InputError(
                f"the region {self} does not fit into {width}x{height} pixels", "Choose a smaller --region."
            )
        top, left = (height - self.height) // 2, (width - self.width) // 2
        return pixels[..., top : top + self.height, left : left + self.width]
