"""Losses that look at one pixel at a time."""

from torch import Tensor


def charbonnier(estimate: Tensor, clean: Tensor, epsilon: float = 1e-3) -> Tensor:
    """Mean of ``sqrt(d^2 + epsilon^2)`` over all values: L1 that is smooth at zero.

    Charbonnier, Blanc-Feraud, Aubert, Barlaud, "Two deterministic half-quadratic regularization algorithms for
    computed imaging", ICIP 1994.
    """
    return ((estimate - clean).square() + epsilon * epsilon).sqrt().mean()


def log_mse(estimate: Tensor, clean: Tensor, epsilon: float = 1e-6) -> Tensor:
    """Mean over the images of ``log(1 + MSE / epsilon)``: the mean PSNR turned into a loss that is never negative."""
    mse = (estimate - clean).square().mean(dim=(1, 2, 3))
    return (mse / epsilon).log1p().mean()
