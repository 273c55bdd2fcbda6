"""A noise level for every pixel, from the gray values of an image."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from denoise_cli.errors import InputError
from denoise_cli.image import Image
from denoise_cli.method import Denoiser, Mapped
from denoise_cli.shapes import LUMA


def sigma_map_of(image: Image) -> Tensor:
    """The standard deviations (1, 1, H, W) on [0, 1] that ``image`` holds, as float32.

    White is 1, so 25 in 8 bits is sigma 25; floating point holds them as they are. Of colours the luma counts. Raises
    ``InputError`` where a level is not between 0 and 1.
    """
    pixels = torch.from_numpy(image.pixels)
    weights = pixels.new_tensor(LUMA if image.channels == 3 else (1.0,))
    sigma: Tensor = torch.tensordot(weights, pixels, dims=1) * image.source.scale + image.source.offset  # (H, W)
    low, high = sigma.min().item(), sigma.max().item()
    if not 0 <= low <= high <= 1 + 1e-6:
        raise InputError(
            f"The map {image.source.name!r} holds noise levels from {low:g} to {high:g}.",
            "In floating point they are standard deviations on the scale where white is 1.",
        )
    return sigma[None, None]


def check_size(sigma: Tensor, image: Image) -> None:
    """Raise ``InputError`` where ``image`` has another size than the levels (1, 1, H, W)."""
    height, width = sigma.shape[-2:]
    if (height, width) != (image.height, image.width):
        size = f"{image.width}x{image.height}"
        raise InputError(
            f"{image.source.name} has {size} pixels, the map of its noise levels {width}x{height}.",
            "--sigma-map takes an image of the same size.",
        )


@dataclass(frozen=True)
class Told:
    """A denoiser whose images carry their noise levels as a last channel, so that what cuts them cuts both.

    It gives that channel back unchanged: its estimates are as large as its inputs, as those of any denoiser.
    """

    denoiser: Mapped

    @classmethod
    def by(cls, denoiser: Denoiser) -> "Told":
        """``denoiser``, which has to be ``Mapped``."""
        assert isinstance(denoiser, Mapped)
        return cls(denoiser)

    @property
    def channels(self) -> int | None:
        """Those of the image, and one."""
        return None if self.denoiser.channels is None else self.denoiser.channels + 1

    @property
    def stride(self) -> int:
        """That of the denoiser."""
        return self.denoiser.stride

    def settle(self, noisy: Tensor, options: Any) -> Any:
        """Nothing is left to be measured: the levels are there."""
        return options

    def reach(self, options: Any) -> int | None:
        """That of the denoiser."""
        return self.denoiser.reach(options)

    def denoise(self, noisy: Tensor, options: Any) -> Tensor:
        """The estimate and the levels, (N, C + 1, H, W), from noisy images with their levels."""
        image, sigma = self.part(noisy)
        return torch.cat((self.denoiser.denoise_mapped(image, sigma, options), sigma), dim=1)

    def join(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Images (N, C, H, W) with the levels (1, 1, H, W) behind each."""
        return torch.cat((noisy, sigma.to(noisy).expand(len(noisy), -1, -1, -1)), dim=1)

    def part(self, joined: Tensor) -> tuple[Tensor, Tensor]:
        """Images and levels again."""
        return joined[:, :-1], joined[:, -1:]
