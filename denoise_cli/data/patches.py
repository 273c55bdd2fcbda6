"""Clean patches for training: all images stay in memory on the device, patches are cut and flipped there."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from denoise_cli.errors import InputError

_AT_ONCE = 1 << 24  # bytes that are added up


class Patches:
    """Random square patches of images of any sizes.

    Several groups of images are drawn from equally often, whatever their sizes; within a group each image as often as
    its area.
    """

    def __init__(
        self, groups: Sequence[Sequence[Tensor]], side: int, device: torch.device, *, upright: bool = False
    ) -> None:
        """``groups`` hold uint8 images (C, H, W) of one C; ``upright`` ones are mirrored, but not turned.

        Raises ``InputError`` where one is smaller than ``side``.
        """
        images = [image for group in groups for image in group]
        small = min(images, key=lambda image: min(image.shape[-2:])).shape[-2:]
        if min(small) < side:
            raise InputError(
                f"An image of {small[1]}x{small[0]} pixels is smaller than the patch of {side}.",
                f"Use --patch {min(small)} or less, or larger images.",
            )
        self.side = side
        self.device = device
        self.upright = upright
        self.channels = groups[0][0].shape[0]
        self.pixels = torch.cat([image.reshape(-1) for image in images]).to(device)
        sizes = torch.tensor([image.shape[-2:] for image in images])  # (images, 2)
        self.height, self.width = sizes[:, 0], sizes[:, 1]
        areas = sizes.prod(dim=1)
        self.offset = torch.cumsum(areas * self.channels, dim=0) - areas * self.channels
        weights = [areas[start : start + len(group)].double() for start, group in _starts(groups)]
        self.group = torch.repeat_interleave(torch.tensor([len(group) for group in groups]))  # (images,)
        self.chance = torch.cat([weight / weight.sum() / len(groups) for weight in weights])

    def draw(self, count: int, generator: torch.Generator, part: range | None = None) -> tuple[Tensor, Tensor]:
        """``count`` patches (N, C, P, P) float32 in [0, 1], each in one of its orientations: eight, or two if upright.

        With them comes the number of the group that each is from, (N, 1, 1, 1).
        Of these only the ones in ``part`` are cut out, where it is given; which ones they are does not depend on it.
        ``generator`` is on the CPU, so that the draws are the same on every device.
        """
        image = torch.multinomial(self.chance, count, replacement=True, generator=generator)  # (N,)
        uniform = torch.rand((count, 2), generator=generator, dtype=torch.float64)
        top = (uniform[:, 0] * (self.height[image] - self.side + 1)).long()
        left = (uniform[:, 1] * (self.width[image] - self.side + 1)).long()
        flips = torch.randint(2, (count, 3), generator=generator, dtype=torch.bool)
        if self.upright:
            flips[:, [0, 2]] = False
        width = self.width[image]
        start = self.offset[image] + top * width + left
        places = torch.stack((start, width, self.height[image] * width, self.group[image]), dim=1)
        draws = torch.cat((places, flips), dim=1)  # (N, 7)
        if part is not None:
            draws = draws[part.start : part.stop]
        start, stride, area, group, *turned = (part[:, None, None] for part in self._send(draws).unbind(dim=1))
        step = torch.arange(self.side, device=self.device)
        down, across = (torch.where(turn > 0, self.side - 1 - step, step) for turn in turned[:2])  # (N, 1, P)
        down = down.transpose(1, 2)  # (N, P, 1)
        inside = torch.where(turned[2] > 0, across * stride + down, down * stride + across)  # (N, P, P)
        plane = torch.arange(self.channels, device=self.device)[:, None, None] * area[:, None]  # (N, C, 1, 1)
        return self.pixels[(start + inside)[:, None] + plane].float().div_(255), group[:, None]

    def fingerprint(self) -> str:
        """How many bytes the images have and what they add up to: hardly ever the same for other images."""
        # Part by part: as int64 they take eight times the memory.
        total = sum(part.sum(dtype=torch.int64).item() for part in torch.split(self.pixels, _AT_ONCE))
        return f"{self.pixels.numel()} bytes that add up to {total}"

    def _send(self, draws: Tensor) -> Tensor:
        """To the device; from pinned memory, so that the program need not wait for what the GPU is doing."""
        if self.device.type == "cuda":
            return draws.pin_memory().to(self.device, non_blocking=True)
        return draws.to(self.device)


def _starts(groups: Sequence[Sequence[Tensor]]) -> Iterable[tuple[int, Sequence[Tensor]]]:
    start = 0
    for group in groups:
        yield start, group
        start += len(group)
