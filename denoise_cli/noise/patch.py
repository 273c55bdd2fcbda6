"""Noise in a few rectangles only; the rest of the image stays clean."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from denoise_cli.errors import UsageError
from denoise_cli.noise.chain import links
from denoise_cli.noise.mixture import parts
from denoise_cli.noise.pair import Noise, Pair

MOST = 3  # rectangles an image has at most; at least one


@dataclass(frozen=True)
class Patch:
    """Another noise inside one to three random axis-aligned rectangles, each 1/4 to 1/2 of the image's side.

    The local corruption of Zhao, "Image Denoising with Deep Convolutional Neural Networks". ``Pair.sigma`` is that of
    the inner noise, as it is inside the rectangles.
    """

    inner: Noise

    @classmethod
    def parse(cls, text: str) -> "Patch":
        """Read any other noise's word, such as ``sp:0.5``; raises ``UsageError`` for a patch within a patch."""
        from denoise_cli.noise import parse  # the table there names this class

        inner = parse(text)
        if isinstance(inner, Patch):
            raise UsageError(f"patch:{text} puts patches into patches.", "Name another noise, as in patch:sp:0.5.")
        return cls(inner)

    def __str__(self) -> str:
        return f"patch:{self.inner}"

    def __call__(self, clean: Tensor, generator: Generator) -> Pair:
        inside = rectangles(len(clean), clean.shape[2], clean.shape[3], generator)
        inner = self.inner(clean, generator)
        calm, noisy = (torch.where(inside, part, clean) for part in (inner.clean, inner.noisy))
        return Pair(calm, noisy, inner.sigma)


def bare(noise: Noise) -> tuple[Noise, ...]:
    """All noises of a mixture, or of the one that it is: each of a chain, and without its rectangles."""
    each = (link for part in parts(noise) for link in links(part))
    return tuple(link.inner if isinstance(link, Patch) else link for link in each)


def rectangles(count: int, height: int, width: int, generator: Generator) -> Tensor:
    """A mask (N, 1, H, W), true inside the union of each image's one to three rectangles, on the generator's device."""
    device = generator.device
    used = torch.randint(1, MOST + 1, (count, 1), generator=generator, device=device)  # (N, 1)
    used = torch.arange(MOST, device=device) < used  # (N, MOST)
    rows = _spans(count, height, generator) & used.unsqueeze(2)  # (N, MOST, H)
    columns = _spans(count, width, generator)  # (N, MOST, W)
    return (rows.unsqueeze(3) & columns.unsqueeze(2)).any(1, keepdim=True)  # (N, 1, H, W)


def _spans(count: int, length: int, generator: Generator) -> Tensor:
    """Random intervals of 1/4 to 1/2 of ``length``, at least one pixel: a mask (N, MOST, length)."""
    draws = torch.rand((2, count, MOST, 1), generator=generator, device=generator.device)
    span = ((1 + draws[0]) * length / 4).round().clamp(min=1)
    start = (draws[1] * (length - span + 1)).floor()
    place = torch.arange(length, device=generator.device)
    return (place >= start) & (place < start + span)
