"""Validation: the PSNR of a net on images that are kept out of training, under noise that is always the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from denoise_cli import seeds
from denoise_cli.method import Denoiser
from denoise_cli.metrics.psnr import psnr
from denoise_cli.noise import Noise, Pair, as_pair, stored

_LARGEST = 128  # side of the centre crop that large images are judged by, pixels
_BATCH = 64  # images at once


@dataclass(frozen=True)
class Validation:
    """Batches of clean images and the noise to judge them under, as 8-bit files would hold them."""

    pairs: Sequence[Pair]

    @classmethod
    def make(cls, images: Sequence[Tensor], noise: Noise | None, seed: int, device: torch.device) -> "Validation":
        """From uint8 images (C, H, W): those of one size form a batch.

        Without ``noise`` they are pairs, (2 C, H, W).
        """
        sizes: dict[tuple[int, ...], list[Tensor]] = {}
        for image in images:
            crop = _centre(image)
            sizes.setdefault(tuple(crop.shape), []).append(crop)
        pairs = []
        for index, crops in enumerate(sizes.values()):
            images_of_size = torch.stack(crops).float().div(255)
            generator = seeds.generator(seed, "validation", index)
            pair = as_pair(images_of_size) if noise is None else noise(images_of_size, generator)
            pair = Pair(pair.clean.to(device), stored(pair.noisy).to(device), pair.sigma.to(device))
            pairs += [Pair(*parts) for parts in zip(*(torch.split(part, _BATCH) for part in pair), strict=True)]
        return cls(pairs)

    def noisy_psnr(self) -> float:
        """Mean PSNR of the noisy images, dB: what a net has to beat."""
        return _mean([psnr(pair.noisy, pair.clean) for pair in self.pairs])

    def psnr(self, net: nn.Module, options: Any, dtype: torch.dtype) -> float:
        """Mean PSNR of the estimates of ``net`` (a denoiser, in eval mode), dB.

        What ``options`` leave to be measured is measured on each image for itself.
        """
        assert isinstance(net, Denoiser)
        scores = []
        with torch.no_grad():
            for pair in self.pairs:
                with torch.autocast(pair.noisy.device.type, dtype, enabled=dtype != torch.float32):
                    estimate = net.denoise(pair.noisy, options)
                scores.append(psnr(estimate.float(), pair.clean))
        return _mean(scores)


def _centre(image: Tensor) -> Tensor:
    height, width = (min(_LARGEST, side) for side in image.shape[-2:])
    top, left = (image.shape[-2] - height) // 2, (image.shape[-1] - width) // 2
    return image[:, top : top + height, left : left + width]


def _mean(scores: list[Tensor]) -> float:
    return torch.cat(scores).mean().item()
