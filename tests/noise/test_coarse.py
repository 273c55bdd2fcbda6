"""Noise that is coarser than a pixel is told from white noise, also where its level changes with the tone."""

import numpy as np
import pytest
import torch

from denoise_cli import noise
from denoise_cli.noise.coarse import coarseness
from denoise_cli.noise.estimate import noise_level


def _measured(word: str, channels: int) -> tuple[bool, float, float]:
    """Whether the noise of a smooth scene of many tones is white, its sigma, and the true one."""
    row, column = torch.meshgrid(torch.arange(256), torch.arange(256), indexing="ij")
    scene = (0.5 + 0.45 * torch.sin(row / 60) * torch.cos(column / 50)).repeat(1, channels, 1, 1)
    pair = noise.parse(word)(scene, torch.Generator().manual_seed(0))
    noisy = noise.stored(pair.noisy)
    level = noise_level(noisy[0])
    return level.white, level.sigma, (noisy - pair.clean).square().mean().sqrt().item()


@pytest.mark.parametrize(
    ("word", "channels"),
    [("camera:0.1+0.04", 1), ("camera:0.1+0.04+75", 1), ("camera:0.1+0.04+75", 3), ("camera:0.05+0.02+90", 3)],
)
def test_noise_of_a_camera_is_coarse_and_as_strong_as_it_is(word: str, channels: int) -> None:
    white, sigma, true = _measured(word, channels)
    assert not white and 0.8 * true < sigma < 1.25 * true


@pytest.mark.parametrize("word", ["gaussian:5", "gaussian:25", "poisson-gaussian:25+5", "jpeg:75"])
def test_white_noise_and_clean_images_are_not(word: str) -> None:
    white, sigma, _ = _measured(word, 3)
    assert white and (word != "jpeg:75" or sigma < 1 / 255)


def test_a_few_flat_tones_do_not_hide_it_and_texture_is_none() -> None:
    generator = np.random.default_rng(0)
    light = generator.random(6000)
    noisy = 60 * generator.chisquare(20, 6000) / 20
    assert coarseness(np.where(light < 0.1, noisy / 50, noisy), light, 24) == pytest.approx(60**0.5, rel=0.2)
    assert coarseness(np.where(light < 0.5, noisy / 50, noisy), light, 24) == 1.0  # half of the tones are even
    assert coarseness(generator.chisquare(20, 6000) / 20, light, 24) == 1.0
    assert coarseness(60 * generator.random(6000) ** 3, light, 24) == 1.0  # texture: no flattest part is even
