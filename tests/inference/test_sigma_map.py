"""Noise levels for every pixel: read from an image, cut as it is cut."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
import torch
from torch import Tensor

from denoise_cli.errors import InputError
from denoise_cli.image import Image, Source, read
from denoise_cli.inference.run import Asked, Engine, answer
from denoise_cli.inference.sigma_map import Told, sigma_map_of
from denoise_cli.method import Mapped


@dataclass
class Subtracts:
    """A denoiser that subtracts the level, and refuses to measure one."""

    channels: int | None = None
    stride: int = 2

    def settle(self, noisy: Tensor, options: Any) -> Any:
        raise AssertionError("the level is known")

    def reach(self, options: Any) -> int | None:
        return 3

    def denoise(self, noisy: Tensor, options: Any) -> Tensor:
        raise AssertionError("the level is known")

    def levels(self, noisy: Tensor, options: Any) -> Tensor:
        raise AssertionError("the level is known")

    def denoise_mapped(self, noisy: Tensor, sigma: Tensor, options: Any) -> Tensor:
        assert sigma.shape == (len(noisy), 1, *noisy.shape[-2:])
        return noisy - sigma


def ramp(height: int, width: int) -> Tensor:
    return torch.linspace(0, 0.5, height * width).reshape(1, 1, height, width)


@pytest.mark.parametrize("tile", [None, 16])
@pytest.mark.parametrize(("takes", "channels"), [(None, 3), (1, 1), (1, 3), (3, 1), (3, 3)])
def test_tiles_cut_the_map_along(takes: int | None, channels: int, tile: int | None) -> None:
    pixels = torch.rand((channels, 37, 53), generator=torch.Generator().manual_seed(0))
    denoiser = Subtracts(takes)
    assert isinstance(denoiser, Mapped)
    engine = Engine(denoiser, None, torch.device("cpu"), torch.float32, tile=tile, asked=Asked(sigma_map=ramp(37, 53)))
    (clean,) = answer(engine, Image(pixels.numpy(), Source("x.png"))).images
    torch.testing.assert_close(torch.from_numpy(clean.pixels), pixels - ramp(37, 53)[0])


def test_another_size_is_an_error() -> None:
    engine = Engine(Subtracts(), None, torch.device("cpu"), torch.float32, asked=Asked(sigma_map=ramp(5, 8)))
    with pytest.raises(InputError, match=r"x.png has 5x8 pixels, the map of its noise levels 8x5"):
        answer(engine, Image(np.zeros((1, 8, 5), np.float32), Source("x.png")))


def test_images_and_levels_are_joined_and_parted() -> None:
    noisy, sigma = torch.rand(2, 3, 4, 4), ramp(4, 4)
    told = Told.by(Subtracts(3))
    again, levels = told.part(told.join(noisy, sigma))
    assert told.channels == 4 and torch.equal(again, noisy) and torch.equal(levels, sigma.expand(2, 1, 4, 4))


def test_gray_values_are_levels(tmp_path: Path) -> None:
    values = np.array([[0, 25], [128, 255]])
    for name, pixels in (
        ("8.png", values.astype(np.uint8)),
        ("16.png", (values * 257).astype(np.uint16)),
        ("colour.png", np.repeat(values.astype(np.uint8)[:, :, None], 3, axis=2)),
    ):
        assert cv2.imwrite(str(tmp_path / name), pixels)
        torch.testing.assert_close(sigma_map_of(read(tmp_path / name))[0, 0], torch.tensor(values / 255).float())
    tifffile.imwrite(tmp_path / "float.tif", (values / 255 / 2).astype(np.float32))
    torch.testing.assert_close(sigma_map_of(read(tmp_path / "float.tif"))[0, 0], torch.tensor(values / 510).float())


@pytest.mark.parametrize("values", [(0.0, 25.0), (-0.5, 0.5)])
def test_levels_out_of_range_are_an_error(tmp_path: Path, values: tuple[float, float]) -> None:
    tifffile.imwrite(tmp_path / "map.tif", np.array([values], np.float32))
    with pytest.raises(InputError, match=f"holds noise levels from {values[0]:g} to {values[1]:g}"):
        sigma_map_of(read(tmp_path / "map.tif"))
