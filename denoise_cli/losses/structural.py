"""Losses that look at neighbourhoods: SSIM, MS-SSIM and their mix with L1.

Hang Zhao, Orazio Gallo, Iuri Frosio, Jan Kautz, "Loss Functions for Image Restoration with Neural Networks", IEEE
Transactions on Computational Imaging, 2017. The paper looks at the centre of a patch through Gaussians that the patch
cuts off; here every pixel is such a centre, so that patches may have any size and no pixel goes to waste.
"""

from functools import lru_cache

import torch
from torch import Tensor

from denoise_cli.metrics.ssim import C1, C2

SIGMAS = (0.5, 1.0, 2.0, 4.0, 8.0)  # of MS-SSIM, pixels (section III-B)
ALPHA = 0.84  # share of MS-SSIM in the mix (section III-C)
_CUT = 3.5  # a window ends at so many standard deviations: at 5 pixels for 1.5, as in the metric


def ssim(estimate: Tensor, clean: Tensor, sigma: float = 1.5) -> Tensor:
    """``1 - SSIM``, mean over all pixels of (N, C, H, W), with Gaussian windows of ``sigma`` pixels (equation 6)."""
    luminance, structure = similarity(estimate, clean, sigma)
    return 1 - (luminance * structure).mean()


def ms_ssim(estimate: Tensor, clean: Tensor, sigmas: tuple[float, ...] = SIGMAS) -> Tensor:
    """``1 - l_M prod_j cs_j``, mean over all pixels of (N, C, H, W): one Gaussian for each scale (equation 8).

    Nothing is shrunk, unlike in the metric of that name. A negative ``cs_j`` counts as 0, or two would make a positive.
    """
    luminance, structure = similarity(estimate, clean, sigmas[-1])
    product = luminance * structure.clamp(min=0)
    for sigma in sigmas[:-1]:
        product = product * similarity(estimate, clean, sigma)[1].clamp(min=0)
    return 1 - product.mean()


def mix(estimate: Tensor, clean: Tensor, alpha: float = ALPHA) -> Tensor:
    """``alpha L_MS-SSIM + (1 - alpha) G_M L1`` (equation 10), with errors blurred by the widest Gaussian."""
    error = _blur((_exact(estimate) - _exact(clean)).abs(), SIGMAS[-1])
    return alpha * ms_ssim(estimate, clean) + (1 - alpha) * error.mean()


def similarity(estimate: Tensor, clean: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """The maps of luminance and of contrast and structure, two factors of SSIM (equation 5): (N, C, H, W) each."""
    estimate, clean = _exact(estimate), _exact(clean)
    squares = estimate.square() + clean.square()
    mean, mean_clean, power, product = _blur(torch.stack((estimate, clean, squares, estimate * clean)), sigma)
    energy = mean.square() + mean_clean.square()
    luminance = (2 * mean * mean_clean + C1) / (energy + C1)
    return luminance, (2 * (product - mean * mean_clean) + C2) / (power - energy + C2)


def _exact(images: Tensor) -> Tensor:
    """At least in float32: variances are small differences of large numbers."""
    return images if images.dtype == torch.float64 else images.float()


def _blur(images: Tensor, sigma: float) -> Tensor:
    """The Gaussian-weighted mean around every pixel of (..., H, W); weights that fall outside go to the others."""
    down = _gaussian(images.shape[-2], sigma, images.dtype, images.device)
    across = _gaussian(images.shape[-1], sigma, images.dtype, images.device)
    with torch.autocast(images.device.type, enabled=False):
        return down @ images @ across.T


@lru_cache(maxsize=64)
def _gaussian(side: int, sigma: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The matrix (side, side) that blurs a column; its rows sum to 1."""
    with torch.inference_mode(mode=False):  # it is kept, and may meet gradients later
        place = torch.arange(side, dtype=torch.float64)
        distance = (place[:, None] - place).abs()
        weights = torch.where(distance <= int(_CUT * sigma + 0.5), (-distance.square() / (2 * sigma**2)).exp(), 0.0)
        return (weights / weights.sum(dim=1, keepdim=True)).to(device, dtype)
