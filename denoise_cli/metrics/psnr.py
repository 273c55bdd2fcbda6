"""Peak signal-to-noise ratio."""

from torch import Tensor

from denoise_cli.metrics.inputs import checked


def psnr(estimate: Tensor, clean: Tensor) -> Tensor:
    """The PSNR of each image in decibels, (N,), from (N, C, H, W); identical images have ``inf``.

    ``10 log10(1 / MSE)`` over all channels at once: the peak is 1, which is 255 of an 8-bit file.
    Raises ``InputError`` where the shapes differ.
    """
    estimate, clean = checked(estimate, clean)
    return -10 * (estimate - clean).square().flatten(1).mean(dim=1).log10()
