"""What every metric asks of its two images."""

from torch import Tensor

from denoise_cli.errors import InputError


def checked(estimate: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
    """Both images (N, C, H, W), clipped to [0, 1]; raises ``InputError`` where their shapes differ or are no such."""
    if estimate.ndim != 4 or estimate.shape != clean.shape:
        raise InputError(
            f"Images of shapes {tuple(estimate.shape)} and {tuple(clean.shape)} cannot be compared.",
            "Both must be (N, C, H, W) and alike.",
        )
    return estimate.clamp(0, 1), clean.clamp(0, 1)
