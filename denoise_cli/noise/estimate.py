"""How noisy an image is, from the image alone."""

import torch
from torch import Tensor

_MAD = 0.6744897501960817  # median of the absolute value of a standard normal variable


def gaussian_sigma(noisy: Tensor) -> Tensor:
    """The standard deviation of white noise in each image (N, C, H, W), as (N,), on [0, 1].

    Median absolute deviation of the finest diagonal Haar coefficients: Donoho, Johnstone, "Ideal spatial adaptation by
    wavelet shrinkage", Biometrika 1994, section 4.2. Texture reads as a little noise; impulses read as a lot. An image
    with fewer than two rows or columns has no such coefficient: 0.
    """
    height, width = (side // 2 * 2 for side in noisy.shape[-2:])
    if not height or not width:
        return torch.zeros(len(noisy), device=noisy.device)
    even, odd = noisy[..., 0:height:2, :width], noisy[..., 1:height:2, :width]
    diagonal = (even[..., 0::2] - even[..., 1::2] - odd[..., 0::2] + odd[..., 1::2]) / 2
    return diagonal.abs().flatten(1).median(dim=1).values / _MAD
