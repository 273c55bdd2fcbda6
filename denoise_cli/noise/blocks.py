"""Whether an image went through JPEG: steps at the borders of its blocks of 8x8."""

import torch
from torch import Tensor

_SIDE = 8
_LEAST = 0.06  # step at the borders beyond that elsewhere, in units of the mean difference of neighbours
_STANDS_OUT = 4.0  # deviations of the other seven places at which a border could be


def has_jpeg_blocks(image: Tensor) -> bool:
    """Whether neighbours in an image (C, H, W) differ more every eight pixels, down and across, than between.

    The grid may begin anywhere, as after cropping. False where the image is too small to tell.
    """
    gray = image.mean(dim=0)
    return all(_stands_out(side) for side in (gray, gray.T))


def _stands_out(gray: Tensor) -> bool:
    steps = (gray[:, 1:] - gray[:, :-1]).abs().mean(dim=0)  # (W - 1,)
    if len(steps) < 4 * _SIDE:
        return False
    beyond = steps[1:-1] - (steps[:-2] + steps[2:]) / 2
    beyond = beyond[: len(beyond) // _SIDE * _SIDE].view(-1, _SIDE)
    places = beyond.median(dim=0).values  # (8,)
    best = int(places.argmax())
    others = torch.cat((places[:best], places[best + 1 :]))
    return bool(
        places[best] > _LEAST * steps.mean()
        and places[best] - others.mean() > _STANDS_OUT * others.std().clamp_min(1e-9)
    )
