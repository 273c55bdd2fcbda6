"""Multi-scale structural similarity.

Wang, Simoncelli and Bovik, "Multi-scale Structural Similarity for Image Quality Assessment", Asilomar, 2003.
"""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from denoise_cli.errors import InputError
from denoise_cli.metrics.inputs import checked
from denoise_cli.metrics.ssim import WINDOW, mean_similarity

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # from fine to coarse (section 3.2)
LEAST = (WINDOW - 1) * 2 ** (len(WEIGHTS) - 1) + 1  # 161: the coarsest scale still holds one window


def ms_ssim(estimate: Tensor, clean: Tensor) -> Tensor:
    """The MS-SSIM of each image, (N,), from (N, C, H, W): the mean over channels.

    Raises ``InputError`` where the shapes differ or a side is below 161 pixels.
    """
    estimate, clean = checked(estimate, clean)
    height, width = clean.shape[-2:]
    if min(height, width) < LEAST:
        raise InputError(f"ms-ssim is not defined below {LEAST} px: {width}x{height}.", "Leave it out of the metrics.")
    product = estimate.new_ones(estimate.shape[:2])  # (N, C)
    for scale, weight in enumerate(WEIGHTS):  # structure at every scale, luminance at the coarsest only (equation 7)
        if scale > 0:
            # The last row of an odd height is averaged with itself, as in the authors' code: 161 ends at 11, not 10.
            estimate, clean = avg_pool2d(estimate, 2, ceil_mode=True), avg_pool2d(clean, 2, ceil_mode=True)
        whole, structure = mean_similarity(estimate, clean)
        factor = whole if scale == len(WEIGHTS) - 1 else structure
        # A negative mean counts as 0; the inner where keeps the infinite slope of the power at 0 out of the gradient.
        positive = factor > 0
        product = product * torch.where(positive, torch.where(positive, factor, 1.0) ** weight, 0.0)
    return product.mean(dim=1)
