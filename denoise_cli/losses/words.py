"""The words for single losses: ``l1``, ``ssim``, ``ssim:5``."""

from collections.abc import Callable, Collection
from functools import partial
from math import isfinite

from torch import Tensor
from torch.nn import functional

from denoise_cli.errors import UsageError, did_you_mean
from denoise_cli.losses.perceptual import perceptual
from denoise_cli.losses.pixel import charbonnier, log_mse
from denoise_cli.losses.structural import mix, ms_ssim, ssim
from denoise_cli.losses.variation import total_variation

Loss = Callable[[Tensor, Tensor], Tensor]

LOSSES: dict[str, Loss] = {
    "charbonnier": charbonnier,
    "l1": functional.l1_loss,
    "l2": functional.mse_loss,
    "log-mse": log_mse,
    "mix": mix,
    "ms-ssim": ms_ssim,
    "mse": functional.mse_loss,
    "perceptual": perceptual,
    "ssim": ssim,
    "tv": total_variation,
}


def named(word: str, own: Collection[str] = ()) -> Loss:
    """The loss called ``word``; ``ssim:SIGMA`` and ``mix:ALPHA`` set their parameter.

    Raises ``UsageError`` for an unknown one, naming a method's ``own`` too, and for a parameter that cannot be.
    """
    name, colon, parameter = word.partition(":")
    if name not in LOSSES:
        raise UsageError(f"There is no loss {name!r}.", did_you_mean(name, {*LOSSES, *own}))
    if not colon:
        return LOSSES[name]
    if name == "ssim":
        sigma = _number(parameter)
        if not sigma > 0:
            raise UsageError(f"The loss {word!r} has no window.", "Its sigma is above 0, in pixels, as in ssim:5.")
        return partial(ssim, sigma=sigma)
    if name == "mix":
        alpha = _number(parameter)
        if not 0 <= alpha <= 1:
            raise UsageError(f"The loss {word!r} has no share.", "Its alpha is between 0 and 1, as in mix:0.84.")
        return partial(mix, alpha=alpha)
    raise UsageError(f"The loss {name!r} has nothing to set.", f"Write {name}; ssim:5 and mix:0.84 have a number.")


def _number(text: str) -> float:
    """The number, or NaN where there is none."""
    try:
        number = float(text)
    except ValueError:
        return float("nan")
    return number if isfinite(number) else float("nan")
