"""A mixture gives each image one of its noises, as often as the weights say."""

import pytest
import torch

from denoise_cli import noise
from denoise_cli.data.synthesize import folder_of


def test_each_image_has_one_noise_as_often_as_its_weight() -> None:
    clean = torch.full((400, 1, 8, 8), 0.5)
    pair = noise.parse("3*gaussian:25 + 1*sp:1")(clean, torch.Generator().manual_seed(0))
    impulses = ((pair.noisy == 0) | (pair.noisy == 1)).flatten(1).all(1)
    assert 70 < impulses.sum() < 130
    assert torch.equal(pair.sigma.flatten(), torch.where(impulses, 1.0, 25 / 255))
    assert pair.noisy[~impulses].std().item() == pytest.approx(25 / 255, rel=0.03)


def test_levels_of_pixels_beside_levels_of_images() -> None:
    clean = torch.rand((8, 3, 6, 7), generator=torch.Generator().manual_seed(0))
    pair = noise.parse("1*gaussian:25 + 1*poisson-gaussian:0.1+0.02")(clean, torch.Generator().manual_seed(0))
    even = (pair.sigma == 25 / 255).flatten(1).all(1)
    assert pair.sigma.shape == clean.shape and 0 < even.sum() < 8
    assert torch.allclose(pair.sigma[~even], (0.01 * clean[~even] + 0.0004).sqrt())


def test_plus_signs_within_are_no_others() -> None:
    mixture = noise.parse("0.5*mixed:25+0.05+0.5*camera:0.1+0.02+60 + 1e-05*sp:0.1")
    assert str(mixture) == "0.5*mixed:25+0.05 + 0.5*camera:0.1+0.02+60 + 1e-05*sp:0.1"
    assert str(noise.parse("1e+16*sp:0.1 + 2*sp:0.2")) == "1e+16*sp:0.1 + 2*sp:0.2"


def test_the_name_of_its_folder_is_one_for_every_system() -> None:
    assert folder_of("0.5*gaussian:0..55 + 0.5*mixed:25+0.05") == "0.5-gaussian-0..55+0.5-mixed-25+0.05"


def test_only_the_ratio_of_the_weights_counts() -> None:
    clean = torch.rand(16, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    found = [
        noise.parse(f"{one}*gaussian:25 + {other}*sp:0.2")(clean, torch.Generator().manual_seed(1)).noisy
        for one, other in (("0.5", "0.25"), ("2e-50", "1e-50"), ("2e39", "1e39"))
    ]
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])
