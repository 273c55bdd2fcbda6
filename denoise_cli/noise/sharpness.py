"""How much of an image's detail is fine: a camera's own pixels are soft, those of a scaled-down photograph are not."""

import torch
from torch import Tensor
from torch.nn import functional


def sharpness(image: Tensor) -> float:
    """The mean size of the finest detail of an image (C, H, W), over that of detail twice as coarse.

    Detail is what a pixel of the channels' mean differs from the mean of its block of 2x2, at full and at half size.
    Photographs as a camera makes them come to 0.5 to 0.7 (those of Nam et al., CVPR 2016, and of PolyU, as JPEG files),
    scaled down as those of CBSD68 to 0.7 to 1.1. 1 where the image is too small to tell, or even.
    """
    gray = image.mean(dim=0)[None, None]
    sizes = []
    for _ in range(2):
        height, width = gray.shape[-2:]
        if min(height, width) < 2:
            return 1.0
        gray = gray[..., : height // 2 * 2, : width // 2 * 2]
        means = functional.avg_pool2d(gray, 2)
        sizes.append((gray - means.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)).abs().mean())
        gray = means
    fine, coarse = torch.stack(sizes).tolist()
    return float(fine / coarse) if coarse > 0 else 1.0
