"""Finding and filling salt and pepper."""

import pytest
import torch

from denoise_cli.errors import UsageError
from denoise_cli.methods.impulse import Config, Impulse, Options
from denoise_cli.noise import parse


def scene(channels: int) -> torch.Tensor:
    coarse = torch.rand((1, channels, 5, 5), generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(coarse, size=(64, 64), mode="bicubic").clamp(0.1, 0.9)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.7])
def test_it_fills_the_impulses_and_leaves_the_rest(channels: int, share: float) -> None:
    clean = scene(channels)
    noisy = parse(f"sp:{share}")(clean, torch.Generator().manual_seed(1)).noisy
    method = Impulse(Config())
    options = method.settle(noisy, Options())
    assert options.share == pytest.approx(share, abs=0.03) and options.apart is False
    estimate = method.denoise(noisy, options)
    known = (noisy == clean).all(dim=1, keepdim=True).expand_as(noisy)
    assert torch.equal(estimate[known], clean[known])
    assert (estimate - clean).abs().max() < 0.3 and (estimate - clean).square().mean().sqrt() < 0.03


def test_channels_with_impulses_of_their_own() -> None:
    clean = scene(3)
    noisy = parse("sp:0.2")(clean.transpose(0, 1), torch.Generator().manual_seed(1)).noisy.transpose(0, 1)
    method = Impulse(Config())
    options = method.settle(noisy, Options())
    assert options.apart is True and options.share == pytest.approx(0.2, abs=0.03)
    assert (method.denoise(noisy, options) - clean).square().mean().sqrt() < 0.02
    together = method.settle(noisy, Options(apart=False))
    assert (method.denoise(noisy, together) - clean).square().mean().sqrt() > 0.1


def test_an_image_without_impulses_comes_out_as_it_went_in() -> None:
    clean = scene(3)
    clean[..., :20, :] = 1.0
    method = Impulse(Config())
    assert torch.equal(method.denoise(clean, method.settle(clean, Options())), clean)


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_that_cannot_be(share: float) -> None:
    with pytest.raises(UsageError, match="impulse: share cannot be"):
        Impulse(Config()).settle(scene(1), Options(share=share))
