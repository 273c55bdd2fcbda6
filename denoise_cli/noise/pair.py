"""What every kind of noise promises: clean images in, a pair of clean and noisy images out."""

from typing import NamedTuple, Protocol

from torch import Generator, Tensor


class Pair(NamedTuple):
    """Clean images with a noisy version of each."""

    clean: Tensor  # (N, C, H, W) in [0, 1]
    noisy: Tensor  # (N, C, H, W), may leave [0, 1] until it is stored
    sigma: Tensor  # (N, 1, 1, 1), standard deviation of the noise where it has one, else its level


class Noise(Protocol):
    """A frozen dataclass, called with clean images and a generator on their device; ``str`` is the word it parses from."""

    def __call__(self, clean: Tensor, generator: Generator) -> Pair: ...


def stored(noisy: Tensor) -> Tensor:
    """What an 8-bit file keeps of ``noisy``, of any shape: clipped to [0, 1] and rounded to 1/255."""
    return noisy.clamp(0, 1).mul(255).round().div(255)
