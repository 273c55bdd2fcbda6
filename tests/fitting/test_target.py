"""Borders, weights and misfits on small images worked by hand."""

import pytest
import torch

from denoise_cli import seeds
from denoise_cli.fitting.target import Target, misfit


def test_the_border_comes_and_goes() -> None:
    noisy = torch.rand((1, 2, 3, 4), generator=seeds.generator(0))
    known = torch.ones((1, 1, 3, 4), dtype=torch.bool)
    known[..., 0, 0] = False
    aim = Target.make(noisy, known, 0.0, "reflect", 5, seeds.generator(0))
    assert aim.pixels.shape == (1, 2, 13, 14) and torch.equal(aim.within(aim.pixels), noisy)
    assert torch.equal(aim.within(aim.weight), known.float()) and aim.weight.sum() < aim.weight.numel() - 1
    assert aim.held_out_misfit(noisy) is None


def test_the_zeros_around_are_fitted_too() -> None:
    aim = Target.make(
        torch.ones((1, 1, 2, 2)), torch.ones((1, 1, 2, 2), dtype=torch.bool), 0.0, "zero", 1, seeds.generator(0)
    )
    assert aim.pixels.sum() == 4 and aim.weight.sum() == 16


def test_the_coarse_image_is_the_mean_of_what_is_fitted() -> None:
    noisy = torch.tensor([[1.0, 0.5, 0.2], [0.0, 0.3, 0.4]])[None, None]
    known = torch.tensor([[True, False, True], [True, True, True]])[None, None]
    aim = Target.make(noisy, known, 0.0, "none", 7, seeds.generator(0))
    pixels, weight = aim.coarse()
    torch.testing.assert_close(pixels[0, 0, 0], torch.tensor([1.3 / 3, 0.3]))
    torch.testing.assert_close(weight[0, 0, 0], torch.tensor([0.75, 1.0]))


@pytest.mark.parametrize(("loss", "wanted"), [("l2", (0.01 + 0.16) / 2), ("l1", 0.25), ("huber", 0.01125)])
def test_the_misfit_of_what_counts(loss: str, wanted: float) -> None:
    """Huber: (0.05 * (0.1 - 0.025) + 0.05 * (0.4 - 0.025)) / 2."""
    output = torch.tensor([0.1, 0.4, 9.0])[None, None, None]
    weight = torch.tensor([1.0, 1.0, 0.0])[None, None, None]
    assert misfit(output, torch.zeros_like(output), weight, loss).item() == pytest.approx(wanted)


def test_channels_with_weights_of_their_own() -> None:
    noisy = torch.tensor([[1.0, 0.5], [0.2, 0.4]]).view(1, 2, 1, 2)
    known = torch.tensor([[True, False], [True, True]]).view(1, 2, 1, 2)
    aim = Target.make(noisy, known, 0.0, "none", 0, seeds.generator(0))
    assert misfit(torch.zeros_like(noisy), aim.pixels, aim.weight, "l2").item() == pytest.approx((1 + 0.04 + 0.16) / 3)
    pixels, weight = aim.coarse()
    torch.testing.assert_close(pixels.flatten(), torch.tensor([1.0, 0.3]))
    assert weight.flatten().tolist() == [0.5, 1.0]
