import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from denoise_cli.errors import InputError
from denoise_cli.metrics.ssim import similarity, ssim


@pytest.mark.parametrize("shape", [(1, 11, 11), (1, 150, 32), (3, 37, 53)])
def test_equals_scikit_image_on_valid_windows(shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(2)
    clean = np.cumsum(random.normal(0, 0.05, shape), axis=-1) + 0.5
    clean = np.clip(clean, 0, 1)
    estimate = np.clip(clean + random.normal(0, 0.1, shape), 0, 1)
    _, whole = structural_similarity(
        clean, estimate, channel_axis=0, data_range=1, full=True,
        gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
    )  # fmt: skip
    oracle = whole[:, 5:-5, 5:-5].mean()
    assert ssim(torch.tensor(estimate)[None], torch.tensor(clean)[None]).item() == pytest.approx(oracle, abs=1e-9)
    single = ssim(torch.tensor(estimate).float()[None], torch.tensor(clean).float()[None])
    assert single.item() == pytest.approx(oracle, abs=1e-5)


def test_by_hand_on_flat_images() -> None:
    """Without variance only the luminance is left: (2ab + C1) / (a^2 + b^2 + C1)."""
    estimate, clean = torch.full((1, 3, 16, 16), 0.4), torch.full((1, 3, 16, 16), 0.8)
    expected = (2 * 0.4 * 0.8 + 0.01**2) / (0.4**2 + 0.8**2 + 0.01**2)
    assert ssim(estimate.double(), clean.double()).item() == pytest.approx(expected, abs=1e-6)


def test_identical_images_are_one_and_images_of_a_batch_are_alone() -> None:
    clean = torch.rand(2, 3, 20, 24, generator=torch.Generator().manual_seed(3))
    noisy = clean.clone()
    noisy[1] = 1 - noisy[1]
    both = ssim(noisy, clean)
    assert both.shape == (2,)
    assert both[0].item() == 1.0
    assert both[1].item() == pytest.approx(ssim(noisy[1:], clean[1:]).item(), abs=1e-6)
    assert both[1].item() < 0  # the structure is turned round


def test_gradient_leads_uphill() -> None:
    generator = torch.Generator().manual_seed(4)
    clean = torch.rand(1, 1, 16, 16, generator=generator)
    noisy = (0.5 * clean + 0.5 * torch.rand(1, 1, 16, 16, generator=generator)).requires_grad_()
    before = ssim(noisy, clean)
    (slope,) = torch.autograd.grad(before.sum(), noisy)
    assert torch.isfinite(slope).all()
    assert ssim((noisy + 0.1 * slope / slope.norm()).detach(), clean).item() > before.item()


def test_the_maps_do_not_clip() -> None:
    clean, estimate = torch.full((1, 1, 11, 11), 0.9), torch.full((1, 1, 11, 11), 1.2, requires_grad=True)
    whole, structure = similarity(estimate, clean)
    assert whole.shape == structure.shape == (1, 1, 1, 1)
    whole.sum().backward()
    assert estimate.grad is not None and estimate.grad.sum() < 0


def test_too_small_is_an_error() -> None:
    with pytest.raises(InputError, match="ssim is not defined below 11 px: 30x10"):
        ssim(torch.zeros(1, 1, 10, 30), torch.zeros(1, 1, 10, 30))
