"""Scoring protocol on sets that the tests make themselves."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from denoise_cli.bench.protocol import CBSD68, Trial, images, run_trial
from denoise_cli.errors import InputError
from denoise_cli.image import Image, Source, write


@pytest.fixture
def data(tmp_path: Path) -> Path:
    draws = np.random.default_rng(1)
    for index, shape in enumerate(((3, 16, 24), (3, 16, 24), (3, 20, 12))):
        pixels = (draws.integers(64, 192, shape) / 255).astype(np.float32)
        write(Image(pixels, Source("made")), tmp_path / CBSD68 / f"{index}.png")
    return tmp_path


def test_a_trial_is_called_by_what_it_measures() -> None:
    assert str(Trial(CBSD68, "gaussian:25", True)) == "cbsd68 gaussian:25 8 bit"
    assert str(Trial(CBSD68, "sp:0.1", False)) == "cbsd68 sp:0.1 float"


def test_doing_nothing_scores_the_noise(data: Path) -> None:
    (score,) = run_trial(Trial(CBSD68, "gaussian:25", False), data, lambda noisy: [noisy], torch.device("cpu"))
    assert score == pytest.approx(20 * np.log10(255 / 25), abs=0.3)


def test_eight_bit_input_is_rounded_and_float_is_not(data: Path) -> None:
    seen: list[Tensor] = []

    def look(noisy: Tensor) -> list[Tensor]:
        seen.append(noisy)
        return [noisy]

    run_trial(Trial(CBSD68, "gaussian:25", True), data, look, torch.device("cpu"))
    assert all(torch.equal(noisy, (noisy * 255).round() / 255) for noisy in seen)
    seen.clear()
    run_trial(Trial(CBSD68, "gaussian:25", False), data, look, torch.device("cpu"))
    assert not any(torch.equal(noisy, (noisy * 255).round() / 255) for noisy in seen)


def test_an_images_noise_does_not_depend_on_the_others(data: Path) -> None:
    seen: list[Tensor] = []

    def look(noisy: Tensor) -> list[Tensor]:
        seen.extend(noisy)
        return [noisy]

    trial = Trial(CBSD68, "gaussian:25", False)
    run_trial(trial, data, look, torch.device("cpu"))
    last = seen[-1]
    (data / CBSD68 / "0.png").unlink()
    seen.clear()
    run_trial(trial, data, look, torch.device("cpu"))
    assert len(seen) == 2
    assert torch.equal(seen[-1], last)


def test_several_estimates_have_a_score_each(data: Path) -> None:
    trial = Trial(CBSD68, "gaussian:25", False)
    scores = run_trial(trial, data, lambda noisy: [noisy, noisy * 0 + 0.5], torch.device("cpu"))
    assert len(scores) == 2
    assert scores[0] != scores[1]


def test_a_missing_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no set 'cbsd68'"):
        run_trial(Trial(CBSD68, "sp:0.1", True), tmp_path, lambda noisy: [noisy], torch.device("cpu"))


def test_a_part_of_a_set_is_the_same_images_each_time(data: Path) -> None:
    every = dict(images(CBSD68, data))
    some = dict(images(CBSD68, data, limit=2))
    assert len(some) == 2 and some.keys() < every.keys()
    assert dict(images(CBSD68, data, limit=2)).keys() == some.keys()
    assert str(Trial(CBSD68, "sp:0.1", True, limit=2)) == "cbsd68 (2 images) sp:0.1 8 bit"


def test_the_worst_image_and_gray_ones(data: Path) -> None:
    shapes = []

    def blank(noisy: Tensor) -> list[Tensor]:
        shapes.append(noisy.shape[1])
        return [noisy * 0 + 0.5]

    trial = Trial(CBSD68, "gaussian:0", True, gray=True)
    (mean,) = run_trial(trial, data, blank, torch.device("cpu"))
    (worst,) = run_trial(replace(trial, worst=True), data, blank, torch.device("cpu"))
    assert worst < mean and set(shapes) == {1}
    assert str(replace(trial, worst=True)) == "cbsd68 in gray gaussian:0 8 bit, worst image"


def test_an_image_that_is_met_exactly_has_a_number_that_can_be_written(data: Path) -> None:
    (score,) = run_trial(Trial(CBSD68, "gaussian:0", True), data, lambda noisy: [noisy], torch.device("cpu"))
    assert score == 99
