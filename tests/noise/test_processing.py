"""A camera halves the resolution of colour in its files, and smooths its noise where no edge is."""

import pytest
import torch
from torch import Tensor

from denoise_cli import noise
from denoise_cli.noise.processing import Smoothing, halve_chroma
from denoise_cli.shapes import luma


def _rand(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (16, 21)])
def test_halved_chroma_leaves_luma_and_gray_as_they_are(size: tuple[int, int]) -> None:
    photo = 0.3 + 0.4 * _rand(2, 3, *size)
    halved = halve_chroma(photo)
    assert halved.shape == photo.shape
    assert torch.allclose(luma(halved), luma(photo), atol=1e-6)
    gray = luma(photo).expand_as(photo)
    assert torch.allclose(halve_chroma(gray), gray, atol=1e-6)


def test_halved_chroma_is_that_of_blocks_of_two_pixels() -> None:
    blocks = (0.4 + 0.2 * _rand(1, 3, 1, 1)).expand(1, 3, 8, 8)
    colours = torch.tensor([0.05, -0.05, 0.0])[:, None, None]
    checks = torch.tensor([1.0, -1.0]).repeat(4)  # red and green in turn, finer than the halved chroma can tell
    fine = blocks + (colours - luma(colours[None])[0]) * checks * checks[:, None]
    assert torch.allclose(halve_chroma(blocks), blocks, atol=1e-6)
    assert torch.allclose(halve_chroma(fine), blocks, atol=1e-5)


def test_only_photographs_that_become_jpeg_lose_chroma() -> None:
    scene = _rand(1, 3, 24, 24)
    sharp, halved = (
        noise.parse(word)(scene, torch.Generator().manual_seed(0)).clean for word in ("camera:0+0", "camera:0+0+90")
    )
    assert not torch.equal(sharp, halved)
    assert torch.allclose(halved, halve_chroma(sharp), atol=1e-6)


def test_noise_of_luma_is_kept_at_edges_that_stand_out_of_it() -> None:
    photo = torch.full((1, 3, 64, 64), 0.2)
    photo[..., 32:] = 0.8
    grain = 0.02 * torch.randn(photo.shape, generator=torch.Generator().manual_seed(1))
    by = torch.ones((1, 1, 1, 1))
    smoothing = Smoothing(colour=3 * by, luma=1.2 * by, crisp=by)
    left = smoothing(grain, photo)
    near, far = slice(31, 33), slice(4, 20)
    kept = [(luma(left)[..., part].std() / luma(grain)[..., part].std()).item() for part in (near, far)]
    assert kept[0] > 0.9 and kept[1] < 0.5
    sharpened = luma(Smoothing(3 * by, 1.2 * by, 2 * by)(grain, photo))
    assert sharpened[..., near].std() > 1.4 * luma(grain)[..., near].std()
    assert torch.allclose(sharpened[..., far], luma(left)[..., far], atol=0.002)
    faint = smoothing(grain, 0.2 + 0.005 * photo)  # a step of 0.003 in noise of 0.02 is no edge
    assert luma(faint)[..., near].std() < 0.6 * luma(grain)[..., near].std()
    colour = (left - luma(left))[..., near].std() / (grain - luma(grain))[..., near].std()
    assert colour < 0.5  # which is smoothed across edges too
