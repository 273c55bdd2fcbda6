"""Salt-and-pepper impulses."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from denoise_cli.errors import UsageError
from denoise_cli.noise.levels import Level
from denoise_cli.noise.pair import Pair


@dataclass(frozen=True)
class SaltAndPepper:
    """Each pixel is replaced, in all its channels at once, with probability ``share``: black or white, equally often.

    The definition of Raman et al., "Using Recurrent Architectures to Generalize From Easy to Hard Problems in Image
    Denoising", section 6.1.
    """

    share: Level

    @classmethod
    def parse(cls, text: str) -> "SaltAndPepper":
        """Read the share of replaced pixels, at most 1."""
        share = Level.parse(text)
        if share.high > 1:
            raise UsageError(
                f"sp:{text} asks for more than all pixels.", "The level is a share between 0 and 1, as in sp:0.3."
            )
        return cls(share)

    def __str__(self) -> str:
        return f"sp:{self.share}"

    def __call__(self, clean: Tensor, generator: Generator) -> Pair:
        count, _, height, width = clean.shape
        share = self.share.draw(count, generator)
        uniform = torch.rand((count, 1, height, width), generator=generator, device=clean.device)  # (N, 1, H, W)
        noisy = torch.where(uniform < share / 2, 0.0, clean)
        noisy = torch.where((uniform >= share / 2) & (uniform < share), 1.0, noisy)
        return Pair(clean, noisy, share)
