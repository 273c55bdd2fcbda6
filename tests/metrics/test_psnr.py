import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from denoise_cli.errors import InputError
from denoise_cli.metrics.psnr import psnr


def test_by_hand() -> None:
    clean = torch.full((2, 3, 4, 5), 0.5)
    estimate = torch.stack([clean[0] + 0.1, clean[1] - 0.01])  # MSE 1e-2 and 1e-4
    assert psnr(estimate, clean).tolist() == pytest.approx([20.0, 40.0], abs=1e-4)


def test_one_level_of_255() -> None:
    clean = torch.zeros(1, 1, 8, 8)
    assert psnr(clean + 1 / 255, clean).item() == pytest.approx(20 * math.log10(255), abs=1e-4)


def test_the_mean_is_over_all_channels_at_once() -> None:
    estimate, clean = torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    estimate[:, 0] = 0.3  # MSE 0.09 / 3
    assert psnr(estimate, clean).item() == pytest.approx(-10 * math.log10(0.03), abs=1e-4)


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 37, 53)])
def test_equals_scikit_image(shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(1)
    clean = random.random(shape)
    estimate = np.clip(clean + random.normal(0, 0.1, shape), 0, 1)
    oracle = peak_signal_noise_ratio(clean, estimate, data_range=1)
    assert psnr(torch.tensor(estimate)[None], torch.tensor(clean)[None]).item() == pytest.approx(oracle, abs=1e-9)


def test_what_lies_outside_is_clipped_and_the_input_left_alone() -> None:
    clean, estimate = torch.ones(1, 1, 4, 4), torch.full((1, 1, 4, 4), 1.5)
    assert psnr(estimate, clean).item() == math.inf
    assert estimate.max() == 1.5


def test_identical_images_are_infinite_and_nan_stays_nan() -> None:
    clean = torch.rand(1, 3, 8, 8)
    assert psnr(clean, clean).item() == math.inf
    assert math.isnan(psnr(clean * math.nan, clean).item())


def test_other_shapes_are_an_error_even_where_they_broadcast() -> None:
    with pytest.raises(InputError, match=r"\(1, 1, 8, 8\) and \(1, 3, 8, 8\)"):
        psnr(torch.zeros(1, 1, 8, 8), torch.zeros(1, 3, 8, 8))
    with pytest.raises(InputError):
        psnr(torch.zeros(3, 8, 8), torch.zeros(3, 8, 8))
