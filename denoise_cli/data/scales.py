"""Images shrunk as well, so that a net meets more textures than a small set has.

Zhang, Zuo, Chen, Meng, Zhang, "Beyond a Gaussian Denoiser", IEEE TIP 2017: their code cuts patches at 1, 0.9, 0.8
and 0.7 of the size.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from denoise_cli.errors import UsageError


def parse_scales(text: str) -> tuple[float, ...]:
    """The sizes in ``1,0.9,0.8``, as shares of the whole one; raises ``UsageError`` for what is none."""
    try:
        scales = tuple(map(float, text.split(",")))
    except ValueError:
        scales = ()
    if not scales or not all(0 < scale <= 1 for scale in scales):
        raise UsageError(f"{text!r} are no scales of an image.", "Write shares of its size: 1,0.9,0.8,0.7.")
    return scales


def at_scales(images: Sequence[Tensor], scales: Sequence[float], least: int) -> list[Tensor]:
    """Each image (C, H, W) of uint8 at each of the ``scales``, where no side gets shorter than ``least`` pixels.

    An image that none of them suits stays as it is.
    """
    found = []
    for image in images:
        sizes = [tuple(round(side * scale) for side in image.shape[-2:]) for scale in scales]
        fitting = [size for size in sizes if min(size) >= least]
        found += [_resized(image, size) for size in fitting] or [image]
    return found


def _resized(image: Tensor, size: tuple[int, ...]) -> Tensor:
    if size == image.shape[-2:]:
        return image
    shrunk = interpolate(image[None].float(), size, mode="bicubic", antialias=True)
    return shrunk[0].round().clamp(0, 255).to(torch.uint8)
