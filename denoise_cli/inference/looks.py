"""What can be made of an estimate without denoising again: weaker versions, and what was taken away."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from denoise_cli.image import Image

_GAINS = tuple(2.0**power for power in range(6, -2, -1))  # 64 down to 1/2, which holds every difference
_LOOKED_AT = 1_000_000  # values at most that the gain is chosen by
_CLIPPED = 0.001  # share of the values that may fall outside of the picture of a residual


@dataclass(frozen=True)
class Looks:
    """Which pictures are wanted of one image."""

    strengths: tuple[float, ...] = (1.0,)  # 1 is the estimate, 0 the noisy image
    residual: bool = False  # and what was taken away, for each estimate

    def marks(self, counts: tuple[int, ...] | None) -> list[str]:
        """What tells the pictures of one image apart in their names, for estimates after ``counts`` iterations."""
        iterations = [f"iters{count}" for count in counts] if counts is not None and len(counts) > 1 else [""]
        strengths = [f"strength{strength:g}" for strength in self.strengths] if len(self.strengths) > 1 else [""]
        pairs = [*product(iterations, strengths), *product(iterations, ["residual"] if self.residual else [])]
        return ["-".join(filter(None, pair)) for pair in pairs]

    def pictures(self, noisy: Image, estimates: Sequence[Image], gain: float | None) -> list[Image]:
        """The pictures in the order of ``marks``; ``gain`` is that of the residuals."""
        blends = [blend(noisy, estimate, strength) for estimate, strength in product(estimates, self.strengths)]
        if gain is None:
            return blends
        return [*blends, *(residual(noisy, estimate, gain) for estimate in estimates)]


def blend(noisy: Image, estimate: Image, strength: float) -> Image:
    """``noisy + strength (estimate - noisy)``."""
    if strength == 1:
        return estimate
    share = np.float32(strength)
    return estimate.with_pixels(noisy.pixels + share * (estimate.pixels - noisy.pixels))


def residual_gain(noisy: Image, estimates: Sequence[Image]) -> float:
    """The largest power of two, from 1/2 to 64, by which the differences can be raised and still fit into a picture."""
    step = -(-noisy.pixels.size // _LOOKED_AT)
    differences = (np.abs(noisy.pixels - estimate.pixels).ravel()[::step] for estimate in estimates)
    largest = max(np.quantile(difference, 1 - _CLIPPED) for difference in differences)
    return next((gain for gain in _GAINS if gain * largest <= 0.5), _GAINS[-1])


def residual(noisy: Image, estimate: Image, gain: float) -> Image:
    """``1/2 + gain (noisy - estimate)``: what was taken away, middle gray where that is nothing.

    Structure in it is detail that was lost.
    """
    pixels = (np.float32(0.5) + np.float32(gain) * (noisy.pixels - estimate.pixels)).clip(0, 1)
    source = replace(estimate.source, alpha=None, icc=b"", scale=1.0, offset=0.0)
    return Image(pixels, source)
