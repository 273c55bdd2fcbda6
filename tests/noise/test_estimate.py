"""How noisy an image is."""

import pytest
import torch

from denoise_cli.noise import parse
from denoise_cli.noise.estimate import gaussian_sigma


@pytest.mark.parametrize("sigma", [5, 15, 25, 50])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_sigma_of_a_smooth_scene(sigma: int, channels: int) -> None:
    scene = torch.linspace(0.3, 0.7, 128).expand(2, channels, 127, 128)
    noisy = parse(f"gaussian:{sigma}")(scene, torch.Generator().manual_seed(0)).noisy
    measured = gaussian_sigma(noisy)
    assert measured.shape == (2,)
    assert measured.tolist() == pytest.approx([sigma / 255] * 2, rel=0.05)


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (90, 1)])
def test_too_small_to_tell(size: tuple[int, int]) -> None:
    assert gaussian_sigma(torch.rand((3, 1, *size))).tolist() == [0, 0, 0]


def test_by_hand() -> None:
    block = torch.tensor([[0.5, 0.3], [0.2, 0.4]])[None, None]
    assert gaussian_sigma(block).item() == pytest.approx((0.5 - 0.3 - 0.2 + 0.4) / 2 / 0.67449, rel=1e-4)
