"""How large images are cut."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from denoise_cli import methods
from denoise_cli.image import Image, Source
from denoise_cli.inference import tiles
from denoise_cli.inference.run import Engine, answer


class Shifts:
    """Moves the image by its reach to the lower right, in blocks of its stride."""

    channels = None

    def __init__(self, stride: int, reach: int | None) -> None:
        self.stride, self._reach = stride, reach
        self.largest = 0

    def settle(self, noisy: Tensor, options: Any) -> Any:
        return options

    def reach(self, options: Any) -> int | None:
        return self._reach

    def denoise(self, noisy: Tensor, options: Any) -> Tensor:
        assert noisy.shape[-1] % self.stride == 0 and noisy.shape[-2] % self.stride == 0
        self.largest = max(self.largest, *noisy.shape[-2:])
        by = self._reach or 0
        return functional.pad(noisy, (by, 0, by, 0))[..., : noisy.shape[-2], : noisy.shape[-1]]


@pytest.mark.parametrize(("stride", "reach"), [(1, 0), (1, 7), (8, 7), (8, 16)])
@pytest.mark.parametrize("size", [(33, 100), (1, 130), (65, 64)])
def test_joined_tiles_are_the_whole(stride: int, reach: int, size: tuple[int, int]) -> None:
    noisy = torch.rand((1, 1, *size), generator=torch.Generator().manual_seed(0))
    denoiser = Shifts(stride, reach)
    work = tiles.Work(denoiser, None)
    tiling = tiles.plan(*size, work, side=30)
    assert tiling.side is not None and tiling.side % stride == 0 and tiling.margin >= reach
    (joined,) = tiles.denoise(work, noisy, tiling)
    assert denoiser.largest <= tiling.side + 2 * tiling.margin + stride
    (whole,) = tiles.denoise(work, noisy, tiles.Tiling(None, 0))
    assert torch.equal(joined, whole)


def test_when_images_are_cut() -> None:
    side = int(tiles.WHOLE**0.5)
    assert tiles.plan(side, side, tiles.Work(Shifts(1, 5), None)).side is None
    assert tiles.plan(4 * side, side, tiles.Work(Shifts(1, 5), None)) == tiles.Tiling(1024, 5)
    assert tiles.plan(4 * side, side, tiles.Work(Shifts(8, 700), None)) == tiles.Tiling(1400, 704)
    assert tiles.plan(4 * side, side, tiles.Work(Shifts(1, None), None), side=64).side is None


@pytest.mark.parametrize(("stride", "reach"), [(1, 0), (1, 7), (8, 7)])
@pytest.mark.parametrize("size", [(33, 100), (1, 131), (65, 64), (9, 8)])
@pytest.mark.parametrize("strip", [24, 40])
def test_joined_strips_are_the_whole(stride: int, reach: int, size: tuple[int, int], strip: int) -> None:
    noisy = torch.rand((1, 1, *size), generator=torch.Generator().manual_seed(0))
    denoiser = Shifts(stride, reach)
    work = tiles.Work(denoiser, None)
    (joined,) = tiles.denoise(work, noisy, tiles.Tiling(None, -(-reach // stride) * stride, strip))
    assert torch.equal(joined, tiles.denoise(work, noisy, tiles.Tiling(None, 0))[0])


class Wide(Shifts):
    """Can be walked: a convolution of so many features."""

    def __init__(self, features: int, reach: int) -> None:
        super().__init__(1, reach)
        self.weight = torch.rand((features, 3, 3, 3), generator=torch.Generator().manual_seed(0))

    def denoise(self, noisy: Tensor, options: Any) -> Tensor:
        return functional.conv2d(noisy, self.weight, padding=1).amax(1, keepdim=True)


def test_wide_rows_are_cut_into_even_strips_where_their_margins_are_small() -> None:
    wide = tiles.plan(3000, 6000, tiles.Work(Wide(32, 20), None))
    assert wide.side is None and wide.strip is not None and (wide.strip + 2 * wide.margin) % 16 == 0
    assert 6 * wide.strip >= 6000 > 5 * wide.strip
    whole = tiles.Tiling(None, 0)
    assert tiles.plan(3000, 6000, tiles.Work(Wide(4, 20), None)) == whole, "narrow features"
    assert tiles.plan(3000, 6000, tiles.Work(Wide(32, 200), None)) == whole, "wide margins"
    assert tiles.plan(3000, 1000, tiles.Work(Wide(32, 20), None)) == whole, "a narrow image"


def test_small_images_with_options_of_their_own_are_not_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    card = methods.find("dt")
    denoiser: Any = card.make(replace(card.config, recall="impulses")).eval()
    pixels = torch.rand((3, 24, 40), generator=torch.Generator().manual_seed(0))
    struck = torch.rand((24, 40), generator=torch.Generator().manual_seed(1)) < 0.2
    image = Image(torch.where(struck, 0.0, pixels).numpy(), Source("x.png"))
    engine = Engine(denoiser, card.options, torch.device("cpu"), torch.float32)
    settled = denoiser.settle(torch.from_numpy(image.pixels)[None], card.options)
    (walked,) = answer(replace(engine, options=settled), image).images
    monkeypatch.setattr(tiles, "traced", lambda *_: pytest.fail("it is not traced"))
    (found,) = answer(engine, image).images
    np.testing.assert_allclose(found.pixels, walked.pixels, atol=1e-5)
    own = tiles.Work(denoiser, card.options, own=True)
    assert own.at_once(128, 128) and not own.at_once(128, 136)
    assert not tiles.Work(denoiser, card.options).at_once(8, 8), "what serves all images is traced"
