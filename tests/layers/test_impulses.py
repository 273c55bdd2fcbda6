"""Salt and pepper: how much, where, and what was there."""

import pytest
import torch
from torch import Tensor

from denoise_cli.layers.impulses import apart_share, fill, find_apart, find_impulses, impulse_share, salt_and_pepper
from denoise_cli.noise import parse, stored
from denoise_cli.shapes import stacked


def scene(channels: int = 3) -> Tensor:
    coarse = torch.rand((1, channels, 5, 5), generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(coarse, size=(96, 96), mode="bicubic").clamp(0.1, 0.9)


def noisy(clean: Tensor, share: float) -> Tensor:
    return parse(f"sp:{share}")(clean, torch.Generator().manual_seed(1)).noisy


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.7])
def test_share_and_places(share: float) -> None:
    clean = scene()
    image = noisy(clean, share)
    assert impulse_share(image).shape == (1, 1, 1, 1)
    assert impulse_share(image).item() == pytest.approx(share, rel=0.2)
    found = find_impulses(image, impulse_share(image))
    assert found.dtype == torch.bool
    assert (found != (image != clean).any(dim=1, keepdim=True)).float().mean() < 0.002


def test_a_saturated_area_is_no_impulse() -> None:
    clean = scene()
    clean[..., :40] = 1.0
    image = noisy(clean, 0.2)
    found = find_impulses(image, impulse_share(image))
    hit = (image != clean).any(dim=1, keepdim=True)
    assert found[hit].float().mean() > 0.99  # what can be seen of them
    assert (found & ~hit)[..., :32].float().mean() < 0.02


def test_filling_by_hand() -> None:
    image = torch.tensor([[0.2, 9.0, 0.6]])[None, None]
    filled = fill(image, torch.tensor([[True, False, True]])[None, None])
    torch.testing.assert_close(filled, torch.tensor([[0.2, 0.4, 0.6]])[None, None])


def test_filling_widens_where_needed_and_gives_up_in_the_middle() -> None:
    image = torch.full((1, 2, 1, 40), 9.0)
    image[..., 0] = 0.25
    known = torch.zeros((1, 1, 1, 40), dtype=torch.bool)
    known[..., 0] = True
    filled = fill(image, known)
    torch.testing.assert_close(filled[..., :8], torch.full((1, 2, 1, 8), 0.25))
    assert (filled[..., 8:] == 0.5).all()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("share", [0.005, 0.02, 0.1, 0.4, 0.7])
def test_salt_and_pepper_is_told(channels: int, share: float) -> None:
    image = noisy(scene(channels), share)
    measured = salt_and_pepper(torch.cat((image, scene(channels))))
    drawn = (image != scene(channels)).any(dim=1).float().mean().item()
    assert measured.shape == (2,) and measured[0].item() == pytest.approx(drawn, abs=0.01) and measured[1] == 0


@pytest.mark.parametrize("tone", [0.05, 0.5, 0.95])
def test_few_impulses_in_a_small_dark_or_bright_image(tone: float) -> None:
    clean = torch.full((1, 3, 32, 32), tone)
    shares = [
        salt_and_pepper(parse("sp:0.02")(clean, torch.Generator().manual_seed(seed)).noisy).item() for seed in range(8)
    ]
    assert sum(share > 0.005 for share in shares) >= 6


@pytest.mark.parametrize("noise", ["gaussian:75", "poisson:10", "poisson:30"])
def test_clipped_noise_has_none(noise: str) -> None:
    clean = scene()
    image = stored(parse(noise)(clean[:, :1], torch.Generator().manual_seed(0)).noisy)
    assert salt_and_pepper(image).item() < 0.002


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.7])
def test_channels_that_are_struck_by_themselves(share: float) -> None:
    clean = scene()
    images = torch.cat((noisy(clean.transpose(0, 1), share).transpose(0, 1), noisy(clean, share), clean))
    apart = apart_share(images, stacked(images))
    assert apart.tolist() == [pytest.approx(share, abs=0.01), 0, 0]
    struck = images[:1] != clean
    found = find_apart(images[:1], share)
    assert found.shape == clean.shape and (found != struck).float().mean() < 0.002
    filled = fill(images[:1], ~found)
    assert torch.equal(filled[~found], images[:1][~found])
    alone = fill(images[:1, 1:2], ~found[:, 1:2])
    torch.testing.assert_close(filled[:, 1:2], alone)


def test_the_channels_of_a_gray_image_in_three_are_struck_together() -> None:
    image = noisy(scene(1), 0.2).expand(1, 3, -1, -1)
    assert apart_share(image, stacked(image)).item() == 0


@pytest.mark.parametrize("word", ["gaussian:50", "gaussian:75", "mixed:25+0.1", "sp:0.1"])
def test_what_strikes_no_channel_by_itself(word: str) -> None:
    small = scene()[..., :32, :32].repeat(8, 1, 1, 1)
    images = stored(parse(word)(small, torch.Generator().manual_seed(0)).noisy)
    assert not apart_share(images, stacked(images)).any()
