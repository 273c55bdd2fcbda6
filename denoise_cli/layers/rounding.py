"""What convolutions of low precision see of an image."""

import torch
from torch import Tensor

from denoise_cli.layers.local import locally


def as_convolved(image: Tensor) -> Tensor:
    """``image`` with the values that convolutions see, rounded to their precision (that of autocast), in its own type.

    What a net predicts of the noise is subtracted from this: what rounding to bfloat16 adds to an image, 0.3 / 255, is
    noise too, which the net predicts with the rest.
    """
    return locally(_rounded, 0, image)


def _rounded(image: Tensor) -> Tensor:
    kind = image.device.type
    if not torch.is_autocast_enabled(kind):
        return image
    return image.to(torch.get_autocast_dtype(kind)).to(image.dtype)
