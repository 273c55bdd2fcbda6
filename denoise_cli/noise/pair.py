"""What every kind of noise promises: clean images in, a pair of clean and noisy images out."""

from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import NamedTuple, Protocol

import torch
from torch import Generator, Tensor


class Pair(NamedTuple):
    """Clean images with a noisy version of each."""

    clean: Tensor  # (N, C, H, W) in [0, 1]
    noisy: Tensor  # (N, C, H, W), may leave [0, 1] until it is stored
    sigma: Tensor  # standard deviation of the noise where it has one, else its level: of each image, (N, 1, 1, 1), or,
    # where it differs from pixel to pixel, of each value, (N, C, H, W)
    label: Tensor | None = None  # (N, 1, 1, 1) int64, the number of the class of each image, where classes matter
    number: Tensor | None = None  # (N, 1, 1, 1) int64 on the CPU, the place of each patch in the batch of a step

    def each(self, change: Callable[[Tensor], Tensor]) -> "Pair":
        """All that is there, changed; images stay at the same places of the batch in each."""
        return Pair(*(change(part) if part is not None else None for part in self))  # type: ignore[arg-type]

    def parts(self, size: int) -> Iterator["Pair"]:
        """The images in their order, ``size`` at a time."""
        for start in range(0, len(self.clean), size):
            yield self.each(itemgetter(slice(start, start + size)))

    def where(self, chosen: Tensor, other: "Pair") -> "Pair":
        """These images where they are ``chosen``, (N, 1, 1, 1) of bool, and those of ``other`` else; only these."""
        return Pair(*(torch.where(chosen, ours, theirs) for ours, theirs in zip(self[:3], other[:3], strict=True)))


class Noise(Protocol):
    """A frozen dataclass, called with clean images and a generator on their device; ``str`` parses back to it."""

    def __call__(self, clean: Tensor, generator: Generator) -> Pair: ...


def stored(noisy: Tensor) -> Tensor:
    """What an 8-bit file keeps of ``noisy``, of any shape: clipped to [0, 1] and rounded to 1/255."""
    return noisy.clamp(0, 1).mul(255).round().div(255)


def as_pair(both: Tensor) -> Pair:
    """A pair from clean and noisy channels in one tensor (N, 2 C, H, W); sigma is that of their difference."""
    clean, noisy = torch.chunk(both, 2, dim=1)
    return Pair(clean, noisy, (noisy - clean).std(dim=(1, 2, 3), keepdim=True))
