"""The blocks and ringing of JPEG compression."""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Generator, Tensor

from denoise_cli.errors import InputError, UsageError
from denoise_cli.noise.levels import Level
from denoise_cli.noise.pair import Pair

_LONGEST = 65500  # pixels of a side that libjpeg encodes


@dataclass(frozen=True)
class Jpeg:
    """Each image goes through a JPEG encoder (libjpeg, on the CPU) and back; no randomness but the quality's range.

    Three channels are encoded as colour with the chroma halved (4:2:0, as most files have), any other number
    channel by channel as gray. ``Pair.sigma`` is measured: the root mean square of the error. Raises ``InputError``
    for an image with a side of more than 65500 pixels, which is no JPEG file.
    """

    quality: Level  # 1..100, libjpeg's scale; a drawn quality is rounded

    @classmethod
    def parse(cls, text: str) -> "Jpeg":
        """Read a quality from 1 to 100; raises ``UsageError`` outside."""
        quality = Level.parse(text)
        if not 1 <= quality.low <= quality.high <= 100:
            raise UsageError(f"jpeg:{text} is no JPEG quality.", "The quality is between 1 and 100, as in jpeg:30.")
        return cls(quality)

    def __str__(self) -> str:
        return f"jpeg:{self.quality}"

    def __call__(self, clean: Tensor, generator: Generator) -> Pair:
        height, width = clean.shape[-2:]
        if max(height, width) > _LONGEST:
            raise InputError(
                f"An image of {width}x{height} pixels cannot be compressed as JPEG.",
                f"A side has at most {_LONGEST}: make it smaller, or cut it.",
            )
        qualities = self.quality.draw(len(clean), generator).round().int().flatten().tolist()
        bytes_ = clean.detach().clamp(0, 1).mul(255).round().byte().cpu().numpy()
        coded = np.stack([_coded(image, quality) for image, quality in zip(bytes_, qualities, strict=True)])
        noisy = torch.from_numpy(coded).to(clean.device, clean.dtype) / 255
        return Pair(clean, noisy, (noisy - clean).square().mean((1, 2, 3), keepdim=True).sqrt())


def _coded(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """One uint8 image (C, H, W) through JPEG and back."""
    if len(image) == 3:
        return _decoded(Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))), quality).transpose(2, 0, 1)
    return np.stack([_decoded(Image.fromarray(channel), quality) for channel in image])


def _decoded(picture: Image.Image, quality: int) -> NDArray[np.uint8]:
    stream = BytesIO()
    picture.save(stream, "JPEG", quality=quality)  # chroma 4:2:0 is libjpeg's default
    return np.asarray(Image.open(stream))
