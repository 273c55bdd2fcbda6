"""Painting over salt and pepper."""

import pytest
import torch

from denoise_cli.errors import UsageError
from denoise_cli.methods.inpaint import Config, Inpaint, Options
from denoise_cli.noise import parse


def scene(channels: int) -> torch.Tensor:
    coarse = torch.rand((1, channels, 5, 5), generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(coarse, size=(64, 64), mode="bicubic").clamp(0.1, 0.9)


@pytest.mark.parametrize("scheme", ["telea", "navier-stokes"])
@pytest.mark.parametrize("channels", [1, 3])
def test_it_paints_over_the_impulses_and_leaves_the_rest(channels: int, scheme: str) -> None:
    clean = scene(channels)
    noisy = parse("sp:0.3")(clean, torch.Generator().manual_seed(1)).noisy
    net = Inpaint(Config())
    options = net.settle(noisy, Options(scheme=scheme))
    assert options.share == pytest.approx(0.3, abs=0.03)
    estimate = net.denoise(noisy, options)
    known = (noisy == clean).all(dim=1, keepdim=True).expand_as(noisy)
    assert torch.equal(estimate[known], clean[known])
    assert (estimate - clean).square().mean().sqrt() < 0.03


def test_without_impulses_and_without_anything_else() -> None:
    net = Inpaint(Config())
    clean = scene(3)
    assert torch.equal(net.denoise(clean, net.settle(clean, Options())), clean)
    alone = parse("sp:0.9")(torch.zeros((1, 1, 8, 8)), torch.Generator().manual_seed(0)).noisy
    assert net.denoise(alone, Options(share=0.94)).isfinite().all()


@pytest.mark.parametrize("knobs", [Options(scheme="paint"), Options(radius=0), Options(share=1.0)])
def test_knobs_out_of_their_range(knobs: Options) -> None:
    with pytest.raises(UsageError, match=r"inpaint: "):
        Inpaint(Config()).settle(scene(1), knobs)
