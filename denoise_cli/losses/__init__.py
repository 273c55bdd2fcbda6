"""Losses: how far an estimate is from the clean image, as a scalar to minimise."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

from denoise_cli.errors import UsageError, did_you_mean
from denoise_cli.losses.pixel import charbonnier, log_mse

__all__ = ["Loss", "find"]

Loss = Callable[[Tensor, Tensor], Tensor]

_LOSSES: dict[str, Loss] = {
    "charbonnier": charbonnier,
    "l1": functional.l1_loss,
    "log-mse": log_mse,
    "mse": functional.mse_loss,
}


def find(word: str) -> Loss:
    """The loss called ``word``; it takes estimate and clean of one shape. Raises ``UsageError`` for an unknown one."""
    if word not in _LOSSES:
        raise UsageError(f"There is no loss {word!r}.", did_you_mean(word, _LOSSES))
    return _LOSSES[word]
