import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.signal import convolve2d

from denoise_cli.errors import InputError
from denoise_cli.metrics.ms_ssim import ms_ssim
from denoise_cli.metrics.ssim import ssim

Plane = NDArray[np.float64]


def _oracle(estimate: Plane, clean: Plane) -> float:
    """MS-SSIM of (H, W), after the paper, with a two-dimensional window and slices for the pooling."""
    axis = np.arange(11) - 5
    window = np.exp(-(axis[:, None] ** 2 + axis[None, :] ** 2) / (2 * 1.5**2))
    window /= window.sum()

    def weighted(plane: Plane) -> Plane:
        return np.asarray(convolve2d(plane, window, mode="valid"))

    def halved(plane: Plane) -> Plane:
        plane = np.pad(plane, [(0, side % 2) for side in plane.shape], mode="edge")
        return (plane[::2, ::2] + plane[1::2, ::2] + plane[::2, 1::2] + plane[1::2, 1::2]) / 4

    product = 1.0
    for scale, weight in enumerate([0.0448, 0.2856, 0.3001, 0.2363, 0.1333]):
        if scale:
            estimate, clean = halved(estimate), halved(clean)
        mu, nu = weighted(estimate), weighted(clean)
        value = (2 * (weighted(estimate * clean) - mu * nu) + 9e-4) / (
            weighted(estimate**2) - mu**2 + weighted(clean**2) - nu**2 + 9e-4
        )
        if scale == 4:
            value = value * (2 * mu * nu + 1e-4) / (mu**2 + nu**2 + 1e-4)
        product *= max(value.mean(), 0.0) ** weight
    return product


@pytest.mark.parametrize("shape", [(1, 161, 161), (3, 176, 203)])
def test_equals_an_independent_implementation(shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(5)
    clean = np.clip(np.cumsum(random.normal(0, 0.03, shape), axis=-1) + 0.5, 0, 1)
    estimate = np.clip(clean + random.normal(0, 0.2, shape), 0, 1)
    oracle = np.mean([_oracle(*planes) for planes in zip(estimate, clean, strict=True)])
    assert 0.1 < oracle < 0.95
    assert ms_ssim(torch.tensor(estimate)[None], torch.tensor(clean)[None]).item() == pytest.approx(oracle, abs=1e-9)
    single = ms_ssim(torch.tensor(estimate).float()[None], torch.tensor(clean).float()[None])
    assert single.item() == pytest.approx(oracle, abs=1e-5)


def test_by_hand_on_flat_images() -> None:
    """Structure is 1 at all scales; the luminance of the coarsest is left, to the power of its weight."""
    estimate, clean = torch.full((1, 1, 161, 170), 0.2), torch.full((1, 1, 161, 170), 0.6)
    expected = ((2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)) ** 0.1333
    assert ms_ssim(estimate.double(), clean.double()).item() == pytest.approx(expected, abs=1e-6)


def test_identical_images_are_one_and_opposite_ones_zero_with_a_finite_gradient() -> None:
    clean = torch.rand(1, 1, 161, 161, generator=torch.Generator().manual_seed(6))
    assert ms_ssim(clean, clean).item() == 1.0
    opposite = (1 - clean).requires_grad_()
    value = ms_ssim(opposite, clean)
    assert value.item() == 0.0
    value.sum().backward()
    assert opposite.grad is not None and torch.isfinite(opposite.grad).all()


def test_fine_noise_costs_less_than_in_ssim() -> None:
    generator = torch.Generator().manual_seed(7)
    clean = torch.rand(1, 1, 24, 24, generator=generator).repeat_interleave(8, 2).repeat_interleave(8, 3)
    noisy = clean + 0.1 * torch.randn(clean.shape, generator=generator)
    assert ms_ssim(noisy, clean).item() > ssim(noisy, clean).item() + 0.05


def test_too_small_is_an_error() -> None:
    with pytest.raises(InputError, match="ms-ssim is not defined below 161 px: 160x500"):
        ms_ssim(torch.zeros(1, 1, 500, 160), torch.zeros(1, 1, 500, 160))
