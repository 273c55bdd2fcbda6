"""Images shrunk or enlarged as well, so that a net meets more textures than a small set has, and softer ones.

Zhang, Zuo, Chen, Meng, Zhang, "Beyond a Gaussian Denoiser", IEEE TIP 2017: their code cuts patches at 1, 0.9, 0.8
and 0.7 of the size. Enlarged images are as soft as the pixels of a camera, which the small photographs of the usual
sets, shrunk from those, are not: what is as sharp as they are is noise there.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from denoise_cli.errors import UsageError

_LARGEST = 4.0  # times the size; what is larger shows nothing more


def parse_scales(text: str) -> tuple[float, ...]:
    """The sizes in ``1,0.9,0.8``, as multiples of the whole one, at most 4; raises ``UsageError`` for what is none."""
    try:
        scales = tuple(map(float, text.split(",")))
    except ValueError:
        scales = ()
    if not scales or not all(0 < scale <= _LARGEST for scale in scales):
        raise UsageError(f"{text!r} are no scales of an image.", "Write multiples of its size, up to 4: 1,0.9,0.8,0.7.")
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


def in_turn(images: Sequence[Tensor], scales: Sequence[float], least: int) -> list[Tensor]:
    """Each image (C, H, W) of uint8 at one of the ``scales``, the first at the first one, and so on round."""
    return [at_scales([image], [scales[number % len(scales)]], least)[0] for number, image in enumerate(images)]


def _resized(image: Tensor, size: tuple[int, ...]) -> Tensor:
    if size == image.shape[-2:]:
        return image
    other = interpolate(image[None].float(), size, mode="bicubic", antialias=True)
    return other[0].round().clamp(0, 255).to(torch.uint8)
