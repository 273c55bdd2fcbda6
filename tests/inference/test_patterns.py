"""Patterns that were taken for noise are given back; noise is not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from denoise_cli import methods, shelf
from denoise_cli.cli.app import main
from denoise_cli.fields import fill
from denoise_cli.image import Box, Image, Source, read, write
from denoise_cli.inference import patterns
from denoise_cli.inference.patterns import Grain, keep_patterns
from denoise_cli.inference.run import Asked, Engine, answer
from denoise_cli.inference.workbench import Wish, Workbench
from denoise_cli.metrics.psnr import psnr

Stock = Callable[..., shelf.Entry]
SIGMA = 2 / 255
GRAIN = Grain(0.0, SIGMA)


def checked(height: int = 120, width: int = 90) -> Image:
    """Gray, with a fine chequered field on its left; all with a little noise."""
    rows, columns = np.mgrid[:height, :width]
    field = np.where(columns < 40, 0.25 * ((rows + columns) % 2) - 0.125, 0.0)
    noise = SIGMA * np.random.default_rng(0).standard_normal((3, height, width))
    return Image((0.5 + field + noise).astype(np.float32), Source("x.png"))


def flat(image: Image) -> Image:
    return image.with_pixels(np.full_like(image.pixels, 0.5))


def test_a_pattern_stays_and_noise_goes() -> None:
    noisy = checked()
    kept = keep_patterns(noisy, flat(noisy), GRAIN).pixels
    assert np.array_equal(kept[..., :40], noisy.pixels[..., :40])
    assert kept[..., 60:] == pytest.approx(flat(noisy).pixels[..., 60:], abs=0.1 * SIGMA)


@pytest.mark.parametrize("sigma", [4 / 255, 25 / 255])
@pytest.mark.parametrize("channels", [1, 3])
def test_noise_is_no_pattern_even_where_it_is_stronger_than_was_measured(sigma: float, channels: int) -> None:
    noise = 5 * sigma * np.random.default_rng(0).standard_normal((channels, 200, 200))
    noisy = Image((0.5 + noise).astype(np.float32), Source("x.png"))
    assert np.array_equal(keep_patterns(noisy, flat(noisy), Grain(0.0, sigma)).pixels, flat(noisy).pixels)


def test_a_pattern_as_weak_as_the_noise_goes() -> None:
    noisy = checked()
    assert np.array_equal(keep_patterns(noisy, flat(noisy), Grain(0.0, 0.06)).pixels, flat(noisy).pixels)


def test_of_a_weak_texture_no_more_goes_than_there_was_noise() -> None:
    texture = np.random.default_rng(1).standard_normal((3, 90, 120)) * np.array([0, 2 / 255]).repeat(60)
    noise = SIGMA * np.random.default_rng(0).standard_normal((3, 90, 120))
    noisy = Image((0.5 + texture + noise).astype(np.float32), Source("x.png"))
    left = keep_patterns(noisy, flat(noisy), GRAIN).pixels - 0.5
    assert np.abs(left[..., :50]).max() < 0.2 * SIGMA
    went = (noisy.pixels - 0.5 - left)[..., 70:]
    assert went.std() == pytest.approx(1.1 * SIGMA, rel=0.1)
    compressed = Grain(0.0, SIGMA, alone=False)
    assert np.array_equal(keep_patterns(noisy, flat(noisy), compressed).pixels, flat(noisy).pixels)


def test_noise_that_grows_with_the_light_is_no_texture() -> None:
    light = np.linspace(0.1, 0.9, 200, dtype=np.float32) * np.ones((3, 90, 200), np.float32)
    noise = 0.02 * np.sqrt(light) * np.random.default_rng(0).standard_normal(light.shape).astype(np.float32)
    noisy, clean = (Image(pixels, Source("x.png")) for pixels in (light + noise, light))
    (told, even) = (
        keep_patterns(noisy, clean.with_pixels(light.copy()), grain) for grain in (Grain(0.02, 0.0), Grain(0.0, 0.01))
    )
    assert np.abs(told.pixels - light).max() < 0.003
    assert np.abs(even.pixels - light)[..., 150:].max() > 0.01


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 3)])
def test_any_size(shape: tuple[int, int]) -> None:
    noisy = checked(*shape)
    assert keep_patterns(noisy, flat(noisy), GRAIN).pixels.shape == (3, *shape)


def test_bands_of_rows_are_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    noisy = checked()
    whole = keep_patterns(noisy, flat(noisy), GRAIN).pixels.copy()
    monkeypatch.setattr(patterns, "_BAND", 7 * noisy.width)
    assert keep_patterns(noisy, flat(noisy), GRAIN).pixels == pytest.approx(whole, abs=1e-6)


@pytest.mark.parametrize("box", [Box(0, 0, 30, 30), Box(31, 50, 20, 9), Box(60, 100, 30, 20)])
def test_a_part_is_as_in_the_whole(box: Box) -> None:
    card, noisy = methods.find("median"), checked()
    engine = Engine(card.make(card.config), card.options, torch.device("cpu"), torch.float32)
    (whole,) = answer(engine, noisy, GRAIN).images
    part = Engine(engine.denoiser, engine.options, engine.device, engine.dtype, asked=Asked(box=box))
    (found,) = answer(part, noisy, GRAIN).images
    assert found.pixels == pytest.approx(whole.cut(box).pixels, abs=1e-6)
    (plain,) = answer(engine, noisy).images
    assert not np.array_equal(whole.pixels, plain.pixels)


def test_only_where_no_model_is_named(tmp_path: Path) -> None:
    clean = checked()
    path = tmp_path / "checked.png"
    write(clean, path)
    for words, name in (([], "auto.png"), (["--model", "dt.gaussian"], "named.png")):
        assert main(["run", str(path), "-o", str(tmp_path / name), "-q", *words]) == 0
    eight = torch.from_numpy(read(path).pixels)[None]
    scores = [
        psnr(torch.from_numpy(read(tmp_path / name).pixels)[None], eight).item() for name in ("auto.png", "named.png")
    ]
    assert scores[0] > 35 and scores[1] < 30


@pytest.mark.parametrize(
    ("changes", "mapped", "kept"),
    [({}, False, True), ({"sigma": 25.0}, False, False), ({"shot": 0.1}, False, False), ({}, True, False)],
)
def test_only_where_no_level_is_told(stock: Stock, changes: dict[str, Any], mapped: bool, kept: bool) -> None:
    stock("ffdnet.color", "gaussian")
    noisy = checked()
    levels = torch.full((1, 1, noisy.height, noisy.width), 0.1) if mapped else None
    bench = Workbench(Wish(asked=Asked(sigma_map=levels)), lambda card: fill(card.options, changes, card.name))
    assert (bench.choose(noisy).grain is not None) == kept
