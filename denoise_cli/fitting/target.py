"""What a fit aims at: the noisy images with their border, and how much each of their pixels counts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
    """Noisy images of one size as they are fitted."""

    noisy: Tensor  # (N, C, H, W)
    known: Tensor  # (N, 1 or C, H, W) of bool: not known is what impulses have destroyed
    held_out: Tensor  # (N, 1 or C, H, W) of bool: known, but not fitted
    border: int  # pixels around the images
    pixels: Tensor  # (N, C, H + 2 border, W + 2 border)
    weight: Tensor  # (N, 1 or C, H + 2 border, W + 2 border), 0 where a pixel is not fitted, else 1

    @classmethod
    def make(
        cls, noisy: Tensor, known: Tensor, share: float, padding: str, pad_size: int, generator: Generator
    ) -> "Target":
        """With a ``share`` of the known pixels held out, and a border as ``padding`` says; see ``check``.

        The draw is one for all images: each has the same pixels held out as if it came alone.
        """
        drawn = torch.rand(known[:1].shape, generator=generator, device=noisy.device) < share
        held_out = known & drawn
        border = 0 if padding == NONE else pad_size
        pixels, weight = noisy, (known & ~held_out).float()
        if border:
            pixels = surround(noisy, padding, border, border, border, border)
            weight = surround(weight, "edge" if padding == "zero" else padding, border, border, border, border)
        return cls(noisy, known, held_out, border, pixels, weight)

    def of(self, chosen: Sequence[int]) -> "Target":
        """Some of the images alone."""
        some = list(chosen)
        return replace(
            self,
            noisy=self.noisy[some],
            known=self.known[some],
            held_out=self.held_out[some],
            pixels=self.pixels[some],
            weight=self.weight[some],
        )

    def coarse(self) -> tuple[Tensor, Tensor]:
        """Pixels and weight at half the size, each pixel the mean of those of four that are fitted."""
        weight = functional.avg_pool2d(self.weight, 2, ceil_mode=True)
        return functional.avg_pool2d(self.pixels * self.weight, 2, ceil_mode=True) / weight.clamp_min(1e-3), weight

    def within(self, output: Tensor) -> Tensor:
        """``output`` for the pixels and their border, without the border: (N, C, H, W)."""
        height, width = self.noisy.shape[-2:]
        return output[..., self.border : self.border + height, self.border : self.border + width]

    def held_out_misfit(self, estimate: Tensor) -> Tensor | None:
        """(N,) the mean squared misfit of ``estimate`` (N, C, H, W) on what is held out; None if an image has none."""
        if not self.held_out.flatten(1).any(dim=1).all():
            return None
        return misfit(estimate, self.noisy, self.held_out.float(), "l2")


def misfit(output: Tensor, pixels: Tensor, weight: Tensor, loss: str) -> Tensor:
    """(N,) the mean of ``l2``, ``l1`` or ``huber`` over ``pixels`` (N, C, H, W), by ``weight`` (N, 1 or C, H, W)."""
    away = output - pixels
    if loss == "l2":
        cost = away.square()
    elif loss == "l1":
        cost = away.abs()
    else:
        cost = functional.huber_loss(output, pixels, reduction="none", delta=_ROBUST)
    counted = weight.sum(dim=(1, 2, 3)) * (pixels.shape[1] // weight.shape[1])
    return (cost * weight).sum(dim=(1, 2, 3)) / counted.clamp_min(1)


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
