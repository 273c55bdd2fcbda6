"""A net that learns from another one: what that makes of noise it knows, in place of the clean image.

A clean image is one of many that may lie under the noise; what a good denoiser says is near the mean of them all, which
is the same optimum and a far steadier gradient. After Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural
Network", 2015, section 2.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from denoise_cli.method import Denoiser, Mapped
from denoise_cli.noise import Noise, Pair


@dataclass(frozen=True)
class Teacher:
    """A denoiser, and the noise that it learned."""

    net: Denoiser  # in eval mode, on the device of the patches
    options: Any
    noise: Noise
    dtype: torch.dtype  # of its convolutions
    sha256: str = ""  # of its file

    @torch.no_grad()
    def taught(self, pair: Pair, chosen: Tensor) -> Pair:
        """``pair`` with its estimates as the clean images of the patches that are ``chosen``, (N, 1, 1, 1) of bool."""
        places = chosen.flatten().nonzero()[:, 0].to(pair.clean.device)
        if not len(places):
            return pair
        noisy = pair.noisy[places].contiguous(memory_format=torch.channels_last)
        with torch.autocast(noisy.device.type, self.dtype, enabled=self.dtype != torch.float32):
            if isinstance(self.net, Mapped):
                level = pair.sigma[places].mean(dim=1, keepdim=True).expand(-1, -1, *noisy.shape[-2:])
                estimates = self.net.denoise_mapped(noisy, level, self.options)
            else:
                estimates = self.net.denoise(noisy, self.options)
        return pair._replace(clean=pair.clean.index_copy(0, places, estimates.float()))


def either(chosen: Tensor, theirs: Noise, ours: Noise) -> Noise:
    """The noise that is ``theirs`` for the images that are ``chosen``, (N, 1, 1, 1) of bool, and ``ours`` else."""

    def noisy(clean: Tensor, generator: torch.Generator) -> Pair:
        return theirs(clean, generator).where(chosen.to(clean.device), ours(clean, generator))

    return noisy
