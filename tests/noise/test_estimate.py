"""How noisy an image is."""

import pytest
import torch
from torch import Tensor

from denoise_cli.errors import UsageError
from denoise_cli.noise import parse, stored
from denoise_cli.noise.estimate import gaussian_sigma, known_sigma, noise_level


def scene(low: float = 0.1, high: float = 0.9, channels: int = 3) -> Tensor:
    """A smooth scene from ``low`` to ``high`` with an edge in it: (1, C, 160, 192)."""
    ramp = torch.linspace(low, high, 192).expand(1, channels, 160, 192).clone()
    ramp[..., 60:100, 50:90] = high + low - ramp[..., 60:100, 50:90]
    return ramp


def noisy(clean: Tensor, noise: str) -> Tensor:
    return parse(noise)(clean, torch.Generator().manual_seed(0)).noisy


@pytest.mark.parametrize("sigma", [2, 5, 15, 25, 50, 75])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_sigma_of_a_smooth_scene(sigma: int, channels: int) -> None:
    measured = gaussian_sigma(noisy(scene(channels=channels).expand(2, -1, -1, -1), f"gaussian:{sigma}"))
    assert measured.shape == (2,)
    assert measured.tolist() == pytest.approx([sigma / 255] * 2, rel=0.05)


@pytest.mark.parametrize("ends", [(0.0, 0.4), (0.6, 1.0), (0.0, 1.0)])
@pytest.mark.parametrize("sigma", [25, 50])
def test_clipping_is_undone(ends: tuple[float, float], sigma: int) -> None:
    image = stored(noisy(scene(*ends), f"gaussian:{sigma}"))
    assert gaussian_sigma(image).item() == pytest.approx(sigma / 255, rel=0.06)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_what_is_known_to_be_wrong_is_left_out(share: float) -> None:
    image = noisy(scene(), "gaussian:15")
    known = torch.rand((1, 160, 192), generator=torch.Generator().manual_seed(1)) >= share
    spoilt = torch.where(known, image[0], torch.ones(()))
    assert noise_level(spoilt, known).sigma == pytest.approx(15 / 255, rel=0.08)
    assert noise_level(spoilt, torch.zeros_like(known)).sigma == 0


def test_it_is_measured_in_full_precision_also_under_autocast() -> None:
    image = noisy(scene(), "gaussian:5")[0]
    with torch.autocast("cpu", torch.bfloat16):
        under = noise_level(image)
    assert under == noise_level(image)


def test_what_is_not_finite_is_left_out() -> None:
    image = noisy(scene(), "gaussian:15")[0]
    image[0, 80, 90], image[1, 20, 30] = torch.nan, torch.inf
    assert noise_level(image).sigma == pytest.approx(15 / 255, rel=0.05)
    assert noise_level(torch.full((3, 20, 30), torch.nan)).sigma == 0


def test_noise_that_grows_with_the_light() -> None:
    level = noise_level(stored(noisy(scene(), "poisson-gaussian:25+5"))[0])
    assert level.shot == pytest.approx(25 / 255, rel=0.1) and level.read < 10 / 255 and level.white
    even = noise_level(stored(noisy(scene(), "gaussian:15"))[0])
    assert even.shot == 0 and even.read == even.sigma


@pytest.mark.parametrize("peak", [30, 100])
@pytest.mark.parametrize("end", [0.02, 0.96])
def test_photons_beside_a_black_and_beside_a_white_wall(end: float, peak: int) -> None:
    clean = scene(0.1, 0.8)
    clean[..., :70, :] = end
    level = noise_level(stored(noisy(clean, f"poisson:{peak}"))[0])
    assert level.shot == pytest.approx(peak**-0.5, rel=0.1)
    assert level.sigma == pytest.approx((clean.mean().item() / peak) ** 0.5, rel=0.05)


def test_correlated_noise_is_not_white() -> None:
    grain = noisy(torch.full((1, 1, 80, 96), 0.5), "gaussian:20")
    image = torch.nn.functional.interpolate(grain, scale_factor=2, mode="bilinear")[0]
    level = noise_level(image)
    assert not level.white and level.fine < 0.7 * level.sigma
    assert level.sigma == pytest.approx(image.std().item(), rel=0.25)


def test_gray_in_three_channels_is_gray() -> None:
    image = noisy(scene(channels=1), "gaussian:15")[0]
    assert noise_level(image.expand(3, -1, -1)) == noise_level(image)


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (90, 1)])
def test_too_small_to_tell(size: tuple[int, int]) -> None:
    assert gaussian_sigma(torch.rand((3, 1, *size))).tolist() == [0, 0, 0]


@pytest.mark.parametrize("size", [(2, 2), (3, 7), (5, 4000), (32, 32)])
def test_odd_sizes(size: tuple[int, int]) -> None:
    image = stored(noisy(torch.full((1, 3, *size), 0.5), "gaussian:20"))
    assert 0 < gaussian_sigma(image).item() < 40 / 255


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_one_flat_colour_has_no_noise(value: float) -> None:
    assert gaussian_sigma(torch.full((1, 3, 40, 50), value)).item() == pytest.approx(0, abs=1e-5)


def test_a_level_is_the_given_one_on_either_scale_or_measured() -> None:
    image = noisy(scene(), "gaussian:25")
    assert known_sigma(25, image, "nlm") == known_sigma(25 / 255, image, "nlm") == 25 / 255
    assert known_sigma(None, image, "nlm") == pytest.approx(gaussian_sigma(image).item())
    with pytest.raises(UsageError, match=r"nlm: sigma cannot be -1"):
        known_sigma(-1, image, "nlm")
