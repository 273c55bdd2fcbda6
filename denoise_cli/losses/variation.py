"""A loss that looks at the estimate alone."""

from torch import Tensor


def total_variation(estimate: Tensor, clean: Tensor) -> Tensor:
    """Mean absolute difference of neighbours across, plus down, of (N, C, H, W); the clean image is not looked at.

    Rudin, Osher, Fatemi, "Nonlinear total variation based noise removal algorithms", Physica D 1992, equation 2.2a, in
    its anisotropic form. Only of use in a sum: by itself it wants every image to be flat.
    """
    down, across = estimate.diff(dim=2).abs(), estimate.diff(dim=3).abs()
    return sum((part.mean() for part in (down, across) if part.numel()), start=estimate.new_zeros(()))
