"""Clean patches for training: all images stay in memory on the device, patches are cut and flipped there."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from denoise_cli.errors import InputError


class Patches:
    """Random square patches of images of any sizes.

    Several groups of images are drawn from equally often, whatever their sizes; within a group each image as often as
    its area.
    """

    def __init__(self, groups: Sequence[Sequence[Tensor]], side: int, device: torch.device) -> None:
        """``groups`` hold uint8 images (C, H, W) of one C; raises ``InputError`` where one is smaller than ``side``."""
        for image in (image for group in groups for image in group):
            if min(image.shape[-2:]) < side:
                raise InputError(
                    f"An image of {image.shape[-1]}x{image.shape[-2]} pixels is smaller than the patch of {side}.",
                    f"Use --set patch={min(image.shape[-2:])}, or larger images.",
                )
        self.side = side
        self.device = device
        self.channels = groups[0][0].shape[0]
        images = [image for group in groups for image in group]
        self.pixels = torch.cat([image.reshape(-1) for image in images]).to(device)
        sizes = torch.tensor([image.shape[-2:] for image in images])  # (images, 2)
        self.height, self.width = sizes[:, 0], sizes[:, 1]
        areas = sizes.prod(dim=1)
        self.offset = torch.cumsum(areas * self.channels, dim=0) - areas * self.channels
        weights = [areas[start : start + len(group)].double() for start, group in _starts(groups)]
        self.chance = torch.cat([weight / weight.sum() / len(groups) for weight in weights])

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """``count`` patches (N, C, P, P) float32 in [0, 1], each in one of its eight orientations.

        ``generator`` is on the CPU, so that the draws are the same on every device.
        """
        image = torch.multinomial(self.chance, count, replacement=True, generator=generator)  # (N,)
        uniform = torch.rand((count, 2), generator=generator, dtype=torch.float64)
        top = (uniform[:, 0] * (self.height[image] - self.side + 1)).long()
        left = (uniform[:, 1] * (self.width[image] - self.side + 1)).long()
        flips = torch.randint(2, (count, 3), generator=generator, dtype=torch.bool)
        start, stride, area, turned = (
            value.to(self.device)
            for value in (
                self.offset[image] + top * self.width[image] + left,
                self.width[image],
                self.height[image] * self.width[image],
                flips,
            )
        )
        step = torch.arange(self.side, device=self.device)
        row = torch.where(turned[:, :1], self.side - 1 - step, step)  # (N, P)
        column = torch.where(turned[:, 1:2], self.side - 1 - step, step)
        down, across = row[:, :, None], column[:, None, :]
        transposed = turned[:, 2, None, None]
        inside = torch.where(transposed, across * stride[:, None, None] + down, down * stride[:, None, None] + across)
        plane = torch.arange(self.channels, device=self.device)[None, :, None, None] * area[:, None, None, None]
        index = start[:, None, None, None] + plane + inside[:, None]  # (N, C, P, P)
        return self.pixels[index].float().div_(255)


def _starts(groups: Sequence[Sequence[Tensor]]) -> Iterable[tuple[int, Sequence[Tensor]]]:
    start = 0
    for group in groups:
        yield start, group
        start += len(group)
