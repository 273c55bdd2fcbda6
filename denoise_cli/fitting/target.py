"""What a fit aims at: the noisy image with its border, and how much each of its pixels counts."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional

from denoise_cli.errors import UsageError, did_you_mean
from denoise_cli.shapes import surround

NONE = "none"
PADDINGS = (NONE, "zero", "edge", "reflect")
_ROBUST = 0.05  # misfit above which Huber's loss grows linearly


@dataclass(frozen=True)
class Target:
    """One noisy image as it is fitted."""

    noisy: Tensor  # (1, C, H, W)
    known: Tensor  # (1, 1 or C, H, W) of bool: not known is what impulses have destroyed
    held_out: Tensor  # (1, 1 or C, H, W) of bool: known, but not fitted
    border: int  # pixels around the image
    pixels: Tensor  # (1, C, H + 2 border, W + 2 border)
    weight: Tensor  # (1, 1 or C, H + 2 border, W + 2 border), 0 where a pixel is not fitted, else 1

    @classmethod
    def make(
        cls, noisy: Tensor, known: Tensor, share: float, padding: str, pad_size: int, generator: Generator
    ) -> "Target":
        """With a ``share`` of the known pixels held out, and a border as ``padding`` says; see ``check``."""
        drawn = torch.rand(known.shape, generator=generator, device=noisy.device) < share
        held_out = known & drawn
        border = 0 if padding == NONE else pad_size
        pixels, weight = noisy, (known & ~held_out).float()
        if border:
            pixels = surround(noisy, padding, border, border, border, border)
            weight = surround(weight, "edge" if padding == "zero" else padding, border, border, border, border)
        return cls(noisy, known, held_out, border, pixels, weight)

    def coarse(self) -> tuple[Tensor, Tensor]:
        """Pixels and weight at half the size, each pixel the mean of those of four that are fitted."""
        weight = functional.avg_pool2d(self.weight, 2, ceil_mode=True)
        return functional.avg_pool2d(self.pixels * self.weight, 2, ceil_mode=True) / weight.clamp_min(1e-3), weight

    def within(self, output: Tensor) -> Tensor:
        """``output`` for the pixels and their border, without the border: (1, C, H, W)."""
        height, width = self.noisy.shape[-2:]
        return output[..., self.border : self.border + height, self.border : self.border + width]

    def held_out_misfit(self, estimate: Tensor) -> Tensor | None:
        """(1,) the mean squared misfit of ``estimate`` (1, C, H, W) on what is held out; None where nothing is."""
        if not self.held_out.any():
            return None
        return misfit(estimate, self.noisy, self.held_out.float(), "l2")[None]


def misfit(output: Tensor, pixels: Tensor, weight: Tensor, loss: str) -> Tensor:
    """The mean of ``l2``, ``l1`` or ``huber`` over ``pixels`` (1, C, H, W), by their ``weight`` (1, 1 or C, H, W)."""
    away = output - pixels
    if loss == "l2":
        cost = away.square()
    elif loss == "l1":
        cost = away.abs()
    else:
        cost = functional.huber_loss(output, pixels, reduction="none", delta=_ROBUST)
    return (cost * weight).sum() / (weight.sum() * (pixels.shape[1] // weight.shape[1])).clamp_min(1)


def check(padding: str, pad_size: int, share: float, loss: str) -> None:
    """Raise ``UsageError`` where one of them cannot be."""
    if padding not in PADDINGS:
        raise UsageError(f"There is no padding {padding!r}.", did_you_mean(padding, PADDINGS))
    if pad_size < 0:
        raise UsageError(f"The padding cannot be {pad_size} pixels wide.", "It is 0 or more.")
    if not 0 <= share < 1:
        raise UsageError(f"A share of {share} of the pixels cannot be held out.", "It is from 0 to below 1.")
    if loss not in ("l2", "l1", "huber"):
        raise UsageError(f"A fit has no loss {loss!r}.", did_you_mean(loss, ("l2", "l1", "huber")))
