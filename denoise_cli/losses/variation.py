"""A loss that looks at the estimate alone."""

import torch
from torch import Tensor
from torch.nn import functional

_COLOUR = 3.0  # the weight of colours beside that of lightness
_ROUND = 2.5e-5  # squared differences below it no longer count as edges, so that there is a gradient


def total_variation(estimate: Tensor, clean: Tensor) -> Tensor:
    """Mean absolute difference of neighbours across, plus down, of (N, C, H, W); the clean image is not looked at.

    Rudin, Osher, Fatemi, "Nonlinear total variation based noise removal algorithms", Physica D 1992, equation 2.2a, in
    its anisotropic form. Only of use in a sum: by itself it wants every image to be flat.
    """
    down, across = estimate.diff(dim=2).abs(), estimate.diff(dim=3).abs()
    return sum((part.mean() for part in (down, across) if part.numel()), start=estimate.new_zeros(()))


def variation_of_colours(estimate: Tensor) -> Tensor:
    """Mean length of the gradient of the lightness, plus three times that of the colours, of (N, C, H, W), over C.

    The lightness is the sum of the channels over the root of their number, the colours are what stands at right angles
    to it: in photographs they change in fewer places, and hold two thirds of the noise. Isotropic, as in Rudin, Osher,
    Fatemi; the mean over the four corners from which differences can be taken, so that none is preferred. A scalar.
    """
    down, across = estimate.diff(dim=2), estimate.diff(dim=3)
    corners = [
        _length(functional.pad(down, (0, 0, *rows)), functional.pad(across, columns))
        for rows in ((0, 1), (1, 0))
        for columns in ((0, 1), (1, 0))
    ]
    return torch.stack(corners).mean()


def _length(down: Tensor, across: Tensor) -> Tensor:
    channels = down.shape[1]
    whole = down.square().sum(dim=1) + across.square().sum(dim=1)
    light = (down.sum(dim=1).square() + across.sum(dim=1).square()) / channels
    length = (light + _ROUND).sqrt()
    if channels > 1:
        length = length + _COLOUR * ((whole - light).clamp_min(0) + _ROUND).sqrt()
    return length.mean() / channels
