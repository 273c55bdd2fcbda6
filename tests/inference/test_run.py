"""One image through one denoiser."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from denoise_cli.errors import DenoiseError, DeviceError
from denoise_cli.image import Image, Source
from denoise_cli.inference.run import Engine, denoise_image


@dataclass
class Fake:
    """A denoiser that halves the image, fails for large ones, and remembers what it got."""

    channels: int | None = None
    largest: int = 10**9  # pixels that fit into its memory
    bad: tuple[torch.dtype, ...] = ()  # what it cannot compute in
    stride: int = 1
    sizes: list[tuple[int, ...]] = field(default_factory=list)

    def settle(self, noisy: Tensor, options: Any) -> Any:
        return options

    def reach(self, options: Any) -> int | None:
        return 0

    def denoise(self, noisy: Tensor, options: Any) -> Tensor:
        self.sizes.append(tuple(noisy.shape))
        if noisy[0, 0].numel() > self.largest:
            raise torch.OutOfMemoryError("out of memory")
        used = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32
        return torch.full_like(noisy, torch.nan) if used in self.bad else noisy / 2


def image(channels: int, height: int = 100, width: int = 150) -> Image:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand((channels, height, width), generator=generator).numpy()
    return Image(pixels, Source("x.png", comment=b"kept"))


def engine(fake: Fake, **changes: Any) -> Engine:
    return replace(Engine(fake, None, torch.device("cpu"), torch.float32), **changes)


@pytest.mark.parametrize("takes", [None, 1, 3])
@pytest.mark.parametrize("channels", [1, 3])
def test_channels_there_and_back(takes: int | None, channels: int) -> None:
    fake, noisy = Fake(channels=takes), image(channels)
    (clean,) = denoise_image(engine(fake), noisy)
    assert clean.pixels == pytest.approx(noisy.pixels / 2) and clean.source is noisy.source
    assert fake.sizes[0][1] == (takes or channels)


def test_out_of_memory_halves_the_tiles() -> None:
    fake, noisy = Fake(largest=80 * 80), image(1)
    (clean,) = denoise_image(engine(fake), noisy)
    assert clean.pixels == pytest.approx(noisy.pixels / 2)
    assert fake.sizes[0][2:] == (100, 150) and fake.sizes[-1][2] <= 75
    with pytest.raises(DeviceError, match=r"Out of memory on cpu, for an image of 150x100 pixels"):
        denoise_image(engine(Fake(largest=10)), noisy)


def test_what_is_not_finite_is_computed_again_in_float32() -> None:
    noisy = image(1)
    (clean,) = denoise_image(engine(Fake(bad=(torch.bfloat16,)), dtype=torch.bfloat16), noisy)
    assert clean.pixels == pytest.approx(noisy.pixels / 2)
    with pytest.raises(DenoiseError, match=r"x.png: the result is not finite, in float32 either"):
        denoise_image(engine(Fake(bad=(torch.bfloat16, torch.float32)), dtype=torch.bfloat16), noisy)
