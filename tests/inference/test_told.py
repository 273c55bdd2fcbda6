"""Noise levels that are told, for floating-point images that leave [0, 1]."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from denoise_cli import denoise
from denoise_cli.image import Source
from denoise_cli.image.arrays import from_array
from denoise_cli.inference.choose import Look, look
from denoise_cli.inference.told import told


@dataclass(frozen=True)
class Options:
    """Of a method that is told its noise."""

    sigma: float | None = None
    shot: float | None = None
    stop: str = "auto"


WIDE = Source("x", scale=4.0, offset=-0.5)


def noisy(level: float = 0.1) -> np.ndarray:
    """An image of steps from 0 to 1 with noise that was not clipped."""
    clean = np.repeat(np.linspace(0, 1, 8, dtype=np.float32), 12)[None].repeat(96, axis=0)
    return clean + level * np.random.default_rng(0).standard_normal(clean.shape, dtype=np.float32)


@pytest.mark.parametrize("sigma", [0.1, 25.5])
@pytest.mark.parametrize("model", ["bm3d", "ffdnet.gray", "tv"])
def test_a_level_is_in_the_units_of_the_image(model: str, sigma: float) -> None:
    image = noisy()
    low, high = min(0.0, float(image.min())), max(1.0, float(image.max()))
    assert low < 0 and high > 1
    inside = (image - low) / (high - low)
    wanted = denoise(inside, model=model, sigma=0.1 / (high - low), precision="float32") * (high - low) + low
    found = denoise(image, model=model, sigma=sigma, precision="float32")
    np.testing.assert_allclose(found, wanted, atol=2e-5)


def test_a_map_of_levels_is_too() -> None:
    image = noisy()
    levels = np.full_like(image, 0.1)
    uniform = denoise(image, model="ffdnet.gray", sigma=0.1, precision="float32")
    found = denoise(image, model="ffdnet.gray", sigma_map=levels, precision="float32")
    np.testing.assert_allclose(found, uniform, atol=2e-5)


def test_what_is_seen_is_told_in_the_units_of_the_image() -> None:
    image = from_array(noisy(), "x")
    seen = look(image).on(image.source)
    assert image.source.scale > 1.2
    assert seen.sigma == pytest.approx(0.1, rel=0.05)


def test_the_variance_of_noise_that_grows_with_the_light() -> None:
    options = told(Options(sigma=0.2, shot=0.1), WIDE)
    for pixel in (0.2, 0.9):
        value = 4.0 * pixel - 0.5
        assert 16 * (options.shot**2 * pixel + options.sigma**2) == pytest.approx(0.1**2 * value + 0.2**2)
    seen = Look(0.0, 0.0, shot=options.shot, read=options.sigma).on(WIDE)
    assert (seen.shot, seen.read) == (pytest.approx(0.1), pytest.approx(0.2))


def test_the_misfit_that_a_fit_stops_at() -> None:
    assert told(Options(stop="sigma:51"), WIDE).stop == "sigma:0.050000000"
    assert told(Options(stop="sigma:0.2"), WIDE).stop == "sigma:0.050000000"
    assert told(Options(stop="auto"), WIDE) == Options(stop="auto")


def test_what_stays() -> None:
    options = Options(sigma=-1, shot=-2)
    assert told(options, WIDE) == options, "the method says what is wrong with them"
    assert told(Options(), WIDE) == Options(), "it is measured in the pixels"
    assert told(replace(options, sigma=25), Source("x")) == replace(options, sigma=25)
