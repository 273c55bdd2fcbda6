"""JPEG noise is what a real encoder does: OpenCV's decoder agrees, and quality orders the error."""

import cv2
import numpy as np
import pytest
import torch

from denoise_cli import noise
from denoise_cli.errors import InputError


def _smooth() -> torch.Tensor:
    row, column = torch.meshgrid(torch.arange(64.0), torch.arange(80.0), indexing="ij")
    wave = 0.5 + 0.4 * torch.sin(row / 5) * torch.cos(column / 9)
    return torch.stack([wave, wave.flip(0), wave.flip(1)]).unsqueeze(0)


def test_gray_agrees_with_another_encoder() -> None:
    clean = _smooth()[:, :1]
    noisy = noise.parse("jpeg:30")(clean, torch.Generator()).noisy
    image = (clean[0, 0] * 255).round().byte().numpy()
    _, file = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 30])
    other = cv2.imdecode(file, cv2.IMREAD_GRAYSCALE)
    assert np.abs(other.astype(int) - (noisy[0, 0] * 255).round().int().numpy()).max() <= 2


def test_the_error_falls_with_quality_and_is_reported() -> None:
    clean = _smooth()
    pairs = [noise.parse(f"jpeg:{quality}")(clean, torch.Generator()) for quality in (5, 30, 95)]
    sigmas = [pair.sigma.item() for pair in pairs]
    assert sigmas == sorted(sigmas, reverse=True) and sigmas[-1] > 0
    assert torch.allclose(pairs[0].sigma.flatten(), (pairs[0].noisy - clean).square().mean().sqrt())


def test_two_channels_are_coded_one_by_one() -> None:
    clean = _smooth()
    both = noise.parse("jpeg:30")(clean[:, :2], torch.Generator()).noisy
    alone = noise.parse("jpeg:30")(clean[:, 1:2], torch.Generator()).noisy
    assert torch.equal(both[:, 1:], alone)


@pytest.mark.parametrize("shape", [(1, 3, 1, 65501), (1, 1, 65501, 1)])
def test_what_is_too_long_for_a_file_is_told(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=f"{shape[3]}x{shape[2]} pixels cannot be compressed"):
        noise.parse("jpeg:30")(torch.zeros(shape), torch.Generator())
    longest = torch.zeros(shape)[:, :, :65500, :65500]
    assert noise.parse("jpeg:30")(longest, torch.Generator()).noisy.shape == longest.shape
