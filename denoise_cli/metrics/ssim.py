"""Structural similarity.

Wang, Bovik, Sheikh and Simoncelli, "Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE
Transactions on Image Processing, 2004.
"""

import torch
from torch import Tensor

from denoise_cli.errors import InputError
from denoise_cli.metrics.inputs import checked

WINDOW = 11  # side of the Gaussian window, pixels (III-C)
SIGMA = 1.5  # its standard deviation, pixels (III-C)
C1 = 0.01**2  # (K1 L)^2 with L = 1 (III-B)
C2 = 0.03**2  # (K2 L)^2
STRIP = 64  # rows of windows that are looked at together


def ssim(estimate: Tensor, clean: Tensor) -> Tensor:
    """The mean SSIM of each image, (N,), from (N, C, H, W): over the windows that lie inside, then over channels.

    Raises ``InputError`` where the shapes differ or a side is below 11 pixels.
    """
    estimate, clean = checked(estimate, clean)
    height, width = clean.shape[-2:]
    if min(height, width) < WINDOW:
        raise InputError(f"ssim is not defined below {WINDOW} px: {width}x{height}.", "Leave it out of the metrics.")
    return mean_similarity(estimate, clean)[0].mean(dim=1)


def mean_similarity(estimate: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
    """The means of both maps of ``similarity``, (N, C) each, from (N, C, H, W)."""
    height, width = clean.shape[-2] - WINDOW + 1, clean.shape[-1] - WINDOW + 1
    # In strips: the moments of a whole photo are many times the photo, and leave the processor's cache.
    strips = [slice(top, min(top + STRIP, height) + WINDOW - 1) for top in range(0, height, STRIP)]
    sums = [
        torch.stack([part.sum(dim=(2, 3)) for part in similarity(estimate[:, :, rows], clean[:, :, rows])])
        for rows in strips
    ]
    whole, structure = torch.stack(sums).sum(dim=0) / (height * width)
    return whole, structure


def similarity(estimate: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
    """The maps of SSIM (equation 13) and of its contrast-structure factor, (N, C, H - 10, W - 10) each.

    Takes (N, C, H, W) as they are, without clipping, so that gradients reach estimates outside [0, 1] too.
    """
    mean_estimate, mean_clean = blur(estimate), blur(clean)
    covariance = blur(estimate * clean) - mean_estimate * mean_clean
    squares = mean_estimate.square() + mean_clean.square()
    variances = blur(estimate.square() + clean.square()) - squares
    luminance = (2 * mean_estimate * mean_clean + C1) / (squares + C1)
    structure = (2 * covariance + C2) / (variances + C2)
    return luminance * structure, structure


def blur(images: Tensor) -> Tensor:
    """The Gaussian-weighted mean of each window that lies inside: (N, C, H, W) to (N, C, H - 10, W - 10)."""
    for dim in (2, 3):
        count = images.shape[dim] - WINDOW + 1
        total = images.narrow(dim, 0, count) * _WEIGHTS[0]
        for start in range(1, WINDOW):
            total = total.add(images.narrow(dim, start, count), alpha=_WEIGHTS[start])
        images = total
    return images


def _weights() -> list[float]:
    offsets = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    weights = (-offsets.square() / (2 * SIGMA**2)).exp()
    return [float(weight) for weight in weights / weights.sum()]


_WEIGHTS = _weights()
