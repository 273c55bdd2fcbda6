"""A loss that looks at the estimates on the way to the last one."""

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional


def similarity(estimates: Sequence[Tensor], noisy: Tensor, gamma: float = 0.8) -> Tensor:
    """``sum_i gamma^i MSE(noisy, estimate_i)``, i from 1: early estimates are to stay near the noisy image.

    ``estimates`` are all but the last one, (N, C, H, W) each as ``noisy``; 0 where there are none. Raman, Mao,
    Agarwal, Jaiman, "Using Recurrent Architectures to Generalize From Easy to Hard Problems in Image Denoising",
    equation 6.
    """
    parts = (gamma**index * functional.mse_loss(estimate, noisy) for index, estimate in enumerate(estimates, 1))
    return sum(parts, start=noisy.new_zeros(()))
