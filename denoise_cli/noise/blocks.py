"""Whether an image went through JPEG: steps at the borders of its blocks of 8x8."""

import torch
from torch import Tensor

_SIDE = 8
_LEAST = 0.06  # more of the steps at the borders than elsewhere are larger than those before and after
_STANDS_OUT = 2.5  # deviations of the other seven places at which a border could be


def has_jpeg_blocks(image: Tensor) -> bool:
    """Whether neighbours in an image (C, H, W) differ more every eight pixels, down and across, than between.

    The grid may begin anywhere, as after cropping. False where the image is too small to tell.
    """
    gray = image.mean(dim=0)
    return all(_stands_out(side) for side in (gray, gray.T))


def _stands_out(gray: Tensor) -> bool:
    steps = (gray[:, 1:] - gray[:, :-1]).abs()
    if steps.shape[1] < 4 * _SIDE:
        return False
    middle = steps[:, 1:-1]
    peaks = ((middle > steps[:, :-2]) & (middle > steps[:, 2:])).float().mean(dim=0)  # a third of them by chance
    places = peaks[: len(peaks) // _SIDE * _SIDE].view(-1, _SIDE).mean(dim=0)  # (8,)
    best = int(places.argmax())
    others = torch.cat((places[:best], places[best + 1 :]))
    beyond = (places[best] - others.mean()).item()
    return beyond > _LEAST and beyond > _STANDS_OUT * others.std().item()
