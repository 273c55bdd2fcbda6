"""Salt-and-pepper hits whole pixels, its share of them, half of them black."""

import torch

from denoise_cli import noise


def test_whole_pixels_turn_black_or_white_in_equal_parts() -> None:
    clean = torch.full((1, 3, 400, 400), 0.5)
    noisy = noise.parse("sp:0.3")(clean, torch.Generator().manual_seed(0)).noisy
    assert set(noisy.unique().tolist()) == {0.0, 0.5, 1.0}
    assert torch.equal(noisy[:, 0], noisy[:, 1]) and torch.equal(noisy[:, 0], noisy[:, 2])
    for value in (0.0, 1.0):
        assert abs((noisy[0, 0] == value).float().mean().item() - 0.15) < 0.005  # 5 standard errors
