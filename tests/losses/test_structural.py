"""SSIM, MS-SSIM and Mix: against scikit-image and the paper at the centre of a patch, and their gradients."""

import pytest
import torch
from skimage.metrics import structural_similarity
from torch import Tensor
from torch.nn import functional

from denoise_cli.losses.structural import SIGMAS, mix, ms_ssim, similarity, ssim
from denoise_cli.metrics.ssim import ssim as metric

C1, C2 = 1e-4, 9e-4


def _images(side: int = 40, channels: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand((1, channels, 6, 6), generator=generator, dtype=torch.float64)
    clean = functional.interpolate(coarse, (side, side), mode="bilinear")
    return clean + 0.1 * torch.randn(clean.shape, generator=generator, dtype=torch.float64), clean


def _patch_moments(estimate: Tensor, clean: Tensor, sigma: float) -> tuple[float, float]:
    """Luminance and contrast-structure of a whole odd patch (P, P) under a Gaussian at its centre, pixel by pixel."""
    half = len(clean) // 2
    weight, sums = 0.0, [0.0] * 5
    for row in range(len(clean)):
        for column in range(len(clean)):
            x, y = float(estimate[row, column]), float(clean[row, column])
            w = float(torch.tensor(-((row - half) ** 2 + (column - half) ** 2) / (2 * sigma**2)).double().exp())
            weight += w
            sums = [s + w * v for s, v in zip(sums, (x, y, x * x, y * y, x * y), strict=True)]
    mx, my, xx, yy, xy = (s / weight for s in sums)
    luminance = (2 * mx * my + C1) / (mx * mx + my * my + C1)
    return luminance, (2 * (xy - mx * my) + C2) / (xx - mx * mx + yy - my * my + C2)


@pytest.mark.parametrize("sigma", [1.5, 3.0])
def test_the_map_is_that_of_scikit_image_where_windows_lie_inside(sigma: float) -> None:
    estimate, clean = _images()
    luminance, structure = similarity(estimate, clean, sigma)
    _, expected = structural_similarity(
        estimate[0, 0].numpy(), clean[0, 0].numpy(), data_range=1.0, gaussian_weights=True, sigma=sigma,
        use_sample_covariance=False, full=True,
    )  # fmt: skip
    edge = int(3.5 * sigma + 0.5)
    inside = (slice(edge, -edge), slice(edge, -edge))
    assert torch.allclose((luminance * structure)[0, 0][inside], torch.from_numpy(expected)[inside], atol=1e-12)


def test_the_usual_sigma_has_the_window_of_the_metric() -> None:
    estimate, clean = (image.clamp(0, 1) for image in _images(channels=3))
    luminance, structure = similarity(estimate, clean, 1.5)
    inside = (luminance * structure)[..., 5:-5, 5:-5]
    assert inside.mean().item() == pytest.approx(metric(estimate, clean).item(), abs=1e-12)


def test_the_centre_of_a_patch_is_as_in_the_paper() -> None:
    estimate, clean = (image[..., :15, :15] for image in _images())
    for sigma in (4.0, 8.0):  # windows as wide as the patch
        expected = _patch_moments(estimate[0, 0], clean[0, 0], sigma)
        centre = [factor[0, 0, 7, 7].item() for factor in similarity(estimate, clean, sigma)]
        assert centre == pytest.approx(expected, abs=1e-7)  # weights of the slow loop are rounded to float32


def test_ms_ssim_is_the_product_over_the_scales_at_every_pixel() -> None:
    estimate, clean = _images()
    factors = [similarity(estimate, clean, sigma) for sigma in (0.5, 1.0, 2.0, 4.0, 8.0)]
    product = factors[-1][0]
    for _, structure in factors:
        product = product * structure.clamp(min=0)
    assert SIGMAS == (0.5, 1.0, 2.0, 4.0, 8.0)
    assert ms_ssim(estimate, clean).item() == pytest.approx(1 - product.mean().item(), abs=1e-12)


def test_two_negative_structures_do_not_make_a_positive() -> None:
    stripes = torch.tensor([0.2, 0.8] * 8).expand(1, 1, 16, 16).contiguous()
    assert similarity(1 - stripes, stripes, 1.0)[1].max() < 0
    assert ms_ssim(1 - stripes, stripes, (1.0, 2.0)).item() == 1


@pytest.mark.parametrize("loss", [ssim, ms_ssim, mix])
def test_nothing_is_lost_where_nothing_is_wrong(loss: object) -> None:
    assert callable(loss)
    _, clean = _images(channels=3)
    assert loss(clean, clean).item() == pytest.approx(0, abs=1e-12)
    flat = torch.full((2, 1, 8, 8), 0.5, dtype=torch.float64)
    brighter = flat + 0.1  # only luminance differs
    expected = 1 - (2 * 0.5 * 0.6 + C1) / (0.25 + 0.36 + C1)
    assert ssim(brighter, flat).item() == pytest.approx(expected, abs=1e-12)
    assert ms_ssim(brighter, flat).item() == pytest.approx(expected, abs=1e-12)
    assert mix(brighter, flat, 0.5).item() == pytest.approx((expected + 0.1) / 2, abs=1e-12)


def test_mix_weighs_errors_by_the_widest_gaussian() -> None:
    clean = torch.zeros((1, 1, 33, 33), dtype=torch.float64)
    middle, corner = clean.clone(), clean.clone()
    middle[..., 16, 16], corner[..., 0, 0] = 0.5, 0.5
    assert mix(middle, clean, 0.0) > mix(corner, clean, 0.0)  # more windows hold the middle
    assert mix(torch.full_like(clean, 0.3), clean, 0.0).item() == pytest.approx(0.3)
    both = 0.84 * ms_ssim(middle, clean) + 0.16 * mix(middle, clean, 0.0)
    assert mix(middle, clean).item() == pytest.approx(both.item())


@pytest.mark.parametrize("loss", [ssim, ms_ssim, mix])
def test_gradients(loss: object) -> None:
    assert callable(loss)
    estimate, clean = _images(side=7, channels=2)
    estimate.requires_grad_()
    assert torch.autograd.gradcheck(lambda image: loss(image, clean), (estimate,))


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 1, 9), (1, 3, 37, 53)])
def test_any_size_will_do(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    estimate, clean = torch.rand(shape, generator=generator), torch.rand(shape, generator=generator)
    for loss in (ssim, ms_ssim, mix):
        assert 0 < loss(estimate, clean).item() < 2


def test_half_precision_around_it_does_not_matter() -> None:
    estimate, clean = (image.float() for image in _images(channels=3))
    rounded = estimate.bfloat16()
    for loss in (ssim, ms_ssim, mix):
        with torch.autocast("cpu", torch.bfloat16):
            value = loss(rounded, clean)
        assert value.dtype == torch.float32
        assert value.item() == loss(rounded.float(), clean).item()
    with torch.inference_mode():
        ssim(estimate[..., :31], clean[..., :31])
    estimate = estimate[..., :31].clone().requires_grad_()
    ssim(estimate, clean[..., :31]).backward()
    assert estimate.grad is not None and estimate.grad.abs().sum() > 0
