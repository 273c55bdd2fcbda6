"""Camera noise is correlated between neighbours, grows with its levels, and leaves an even scene even."""

import pytest
import torch
from torch import Tensor

from denoise_cli import noise
from denoise_cli.metrics.psnr import psnr
from denoise_cli.noise.camera import Response, demosaic


def _neighbours(word: str, channels: int) -> float:
    """The correlation of the noise of neighbouring pixels, on an even gray scene."""
    pair = noise.parse(word)(torch.full((2, channels, 128, 128), 0.5), torch.Generator().manual_seed(0))
    error = pair.noisy - pair.noisy.mean((2, 3), keepdim=True)
    return ((error[..., 1:] * error[..., :-1]).mean() / error.square().mean()).item()


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_neighbours_share_their_noise(channels: int) -> None:
    assert _neighbours("camera:0.08+0.02", channels) > 0.2
    assert abs(_neighbours("gaussian:25", channels)) < 0.03
    assert abs(_neighbours("poisson-gaussian:0.08+0.02", channels)) < 0.03


def _smooth(side: int = 64) -> Tensor:
    row, column = torch.meshgrid(torch.arange(side), torch.arange(side + 5), indexing="ij")
    wave = 0.5 + 0.4 * torch.sin(row / 9) * torch.cos(column / 11)
    return torch.stack([wave, wave.flip(0), wave.flip(1)]).unsqueeze(0)


@pytest.mark.parametrize("channels", [1, 3])
def test_without_noise_little_changes(channels: int) -> None:
    clean = _smooth()[:, :channels]
    pair = noise.parse("camera:0+0")(clean, torch.Generator().manual_seed(0))
    assert psnr(pair.noisy, clean).item() > 35
    assert psnr(noise.parse("camera:0+0+90")(clean, torch.Generator().manual_seed(0)).noisy, clean).item() > 30
    even = torch.tensor([0.1, 0.5, 0.9])[:channels].reshape(1, channels, 1, 1).expand(4, channels, 9, 7).contiguous()
    assert torch.allclose(noise.parse("camera:0+0")(even, torch.Generator().manual_seed(0)).noisy, even, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_clean_is_the_same_photograph_without_its_noise(channels: int) -> None:
    scene = torch.rand((2, channels, 15, 18), generator=torch.Generator().manual_seed(1))
    still, grainy = (
        noise.parse(word)(scene, torch.Generator().manual_seed(0)) for word in ("camera:0+0", "camera:5+2")
    )
    assert torch.equal(still.noisy, still.clean) and torch.equal(still.clean, grainy.clean)
    assert not torch.equal(grainy.noisy, grainy.clean)
    fine = [image.diff(dim=3).square().mean() for image in (still.clean, scene)]
    assert fine[0] < 0.8 * fine[1]  # the mosaic takes detail


def test_what_holds_camera_noise_keeps_its_clean_photographs() -> None:
    scene = torch.rand((40, 3, 16, 16), generator=torch.Generator().manual_seed(1))
    photos = noise.parse("0.5*camera:5+2 + 0.5*gaussian:25")(scene, torch.Generator().manual_seed(0)).clean
    same = (photos == scene).flatten(1).all(dim=1)
    assert 8 < same.sum() < 32
    inside = noise.parse("patch:camera:5+2")(scene, torch.Generator().manual_seed(0))
    outside = (inside.noisy == scene).all(dim=1, keepdim=True)
    assert outside.any() and (inside.clean == scene)[outside.expand_as(scene)].all()
    assert not torch.equal(inside.clean, scene)


def test_the_error_grows_with_either_level() -> None:
    errors = [
        (pair.noisy - pair.clean).square().mean().sqrt().item()
        for level in ("0+0", "0.02+0", "0.02+0.03", "0.16+0.06")
        for pair in [noise.parse(f"camera:{level}")(_smooth(), torch.Generator().manual_seed(0))]
    ]
    assert errors == sorted(errors) and errors[-1] > 3 * errors[0]


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_sigma_is_that_of_the_sensor_at_each_value(channels: int) -> None:
    clean = torch.tensor([0.0, 1.0])[:, None, None, None].expand(2, channels, 5, 4)
    pair = noise.parse("camera:0.4+0.3+60..100")(clean, torch.Generator().manual_seed(0))
    assert pair.sigma.shape == clean.shape
    assert torch.allclose(pair.sigma, torch.where(clean == 0, 0.3, 0.5), atol=1e-5)


def test_images_stay_in_range_and_do_not_look_at_one_another() -> None:
    clean = torch.rand((3, 3, 21, 34), generator=torch.Generator().manual_seed(1))
    other = clean.clone()
    other[1] = 0.5
    one, two = (
        noise.parse("camera:0..0.16+0..0.06")(x, torch.Generator().manual_seed(0)).noisy for x in (clean, other)
    )
    assert one.min() >= 0 and one.max() <= 1
    assert torch.equal(one[0], two[0]) and torch.equal(one[2], two[2]) and not torch.equal(one[1], two[1])


def test_the_response_rises_from_0_to_1_and_is_undone() -> None:
    response = Response.draw(5, torch.Generator().manual_seed(0))
    light = torch.linspace(0, 1, 201).reshape(1, 1, 1, -1).expand(5, 1, 1, -1)
    values = response(light)
    assert values[..., 0].abs().max() < 1e-6 and (values[..., -1] - 1).abs().max() < 1e-6
    assert (values.diff(dim=3) > 0).all()
    assert torch.allclose(response.undo(values), light, atol=1e-4)


def test_demosaicing_by_hand() -> None:
    sensed = torch.arange(48, dtype=torch.float32).reshape(1, 3, 4, 4)
    red, green, blue = sensed[0]
    seen = demosaic(sensed, torch.tensor([0, 1]).reshape(2, 1, 1, 1, 1))[0]  # green red / blue green
    assert seen[0, 0, 1] == red[0, 1] and seen[1, 1, 1] == green[1, 1] and seen[2, 1, 2] == blue[1, 2]
    assert seen[0, 1, 1] == (red[0, 1] + red[2, 1]) / 2
    assert seen[0, 1, 2] == (red[0, 1] + red[0, 3] + red[2, 1] + red[2, 3]) / 4
    assert seen[1, 1, 2] == (green[0, 2] + green[2, 2] + green[1, 1] + green[1, 3]) / 4
    assert seen[2, 2, 1] == (blue[1, 0] + blue[1, 2] + blue[3, 0] + blue[3, 2]) / 4
    assert seen[2, 0, 0] == blue[1, 0]  # at the edge only one is near


def _photograph(word: str) -> tuple[Tensor, Tensor]:
    """The noise of an even gray scene's photograph (3, 256, 256), and its luma (256, 256)."""
    pair = noise.parse(word)(torch.full((1, 3, 256, 256), 0.4), torch.Generator().manual_seed(3))
    error = (pair.noisy - pair.clean)[0]
    return error, torch.einsum("c,chw->hw", torch.tensor([0.299, 0.587, 0.114]), error)


def _fine(plane: Tensor) -> float:
    """The share of the power above an eighth of the sampling rate, in either direction."""
    power = torch.fft.fft2(plane - plane.mean()).abs().square()
    high = torch.fft.fftfreq(plane.shape[-1]).abs() > 1 / 8
    return (power[high[:, None] | high].sum() / power.sum()).item()


def test_a_camera_smooths_noise_of_colour_more_than_that_of_luma() -> None:
    sharp, smooth = _photograph("camera:0.06+0.02+100+0"), _photograph("camera:0.06+0.02+100+2.5")
    colour = [_fine(error[0] - luma) for error, luma in (sharp, smooth)]
    assert colour[0] > 0.3 and colour[1] < 0.1
    assert _fine(smooth[1]) > 2 * colour[1] and _fine(smooth[1]) < _fine(sharp[1])


def test_white_balance_and_colour_matrix_make_red_and_blue_the_noisiest() -> None:
    error, _ = _photograph("camera:0.06+0.02+100+0")
    red, green, blue = error.std(dim=(1, 2))
    assert red > 1.2 * green and blue > 1.2 * green
    plain, _ = _photograph("camera:0.06+0.02+100")
    assert error.std() > 1.2 * plain.std()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_processed_photograph_without_noise_is_that_of_the_scene(channels: int) -> None:
    clean = _smooth()[:, :channels]
    pair = noise.parse("camera:0+0+100+0..3")(clean, torch.Generator().manual_seed(0))
    assert psnr(pair.clean, clean).item() > 35 and psnr(pair.noisy, pair.clean).item() > 38


def test_images_of_one_batch_are_smoothed_each_by_itself() -> None:
    clean = torch.rand((3, 3, 21, 34), generator=torch.Generator().manual_seed(1))
    other = clean.clone()
    other[1] = 0.5
    one, two = (
        noise.parse("camera:0.1+0.05+90+0..3")(scene, torch.Generator().manual_seed(0)) for scene in (clean, other)
    )
    assert torch.equal(one.noisy[0], two.noisy[0]) and torch.equal(one.noisy[2], two.noisy[2])
    assert not torch.equal(one.noisy[1], two.noisy[1])
    assert one.sigma.shape == clean.shape and not torch.equal(one.sigma[0], one.sigma[2])
    assert one.noisy.min() >= 0 and one.noisy.max() <= 1


@pytest.mark.parametrize("side", [1, 2, 5])
def test_small_photographs_are_smoothed_too(side: int) -> None:
    pair = noise.parse("camera:0.1+0.05+90+3")(torch.full((2, 3, side, side), 0.3), torch.Generator().manual_seed(0))
    assert pair.noisy.shape == (2, 3, side, side) and pair.noisy.isfinite().all()


def test_the_pixels_of_a_word_come_back() -> None:
    for word in ("camera:0.1+0.05", "camera:0.1+0.05+60..90", "camera:0..0.1+0.05+60..90+0..2.5", "camera:1+1+90+0"):
        assert str(noise.parse(word)) == word
