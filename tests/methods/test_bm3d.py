"""BM3D."""

import pytest
import torch

from denoise_cli.errors import UsageError
from denoise_cli.methods.bm3d import BM3D, METHOD, Config, Options, _cosines, _wavelets
from denoise_cli.metrics.psnr import psnr
from denoise_cli.noise import parse


def scene(channels: int) -> torch.Tensor:
    """Oblique stripes in other colours on each side."""
    rows, columns = torch.meshgrid(torch.arange(66), torch.arange(72), indexing="ij")
    wave = 0.5 + 0.3 * torch.sin((rows + 2 * columns) / 3.0)
    return torch.stack([wave * (1 - 0.2 * c * (columns > 30)) for c in range(channels)])[None].float()


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize(("sigma", "gain"), [(15, 6.0), (25, 7.0), (50, 7.0)])
def test_it_removes_most_of_the_noise(channels: int, sigma: int, gain: float) -> None:
    clean = scene(channels)
    noisy = parse(f"gaussian:{sigma}")(clean, torch.Generator().manual_seed(0)).noisy
    net = BM3D(Config())
    options = net.settle(noisy, Options(window=21))
    assert options.sigma == pytest.approx(sigma / 255, rel=0.15)
    estimate = net.denoise(noisy, Options(sigma=sigma, window=21))
    assert psnr(estimate, clean) > psnr(noisy, clean) + gain
    measured = net.denoise(noisy, Options(window=21))
    assert psnr(measured, clean) > psnr(noisy, clean) + gain - 1


def test_each_image_of_a_batch_is_measured_by_itself() -> None:
    clean = scene(1)
    noisy = [parse(f"gaussian:{sigma}")(clean, torch.Generator().manual_seed(0)).noisy for sigma in (10, 50)]
    net, options = BM3D(Config()), Options(window=9)
    both = net.denoise(torch.cat(noisy), options)
    torch.testing.assert_close(both, torch.cat([net.denoise(one, options) for one in noisy]))


def test_levels_on_either_scale_and_none() -> None:
    noisy = parse("gaussian:25")(scene(1), torch.Generator().manual_seed(0)).noisy
    net = BM3D(Config())
    assert torch.equal(net.denoise(noisy, Options(25, 9)), net.denoise(noisy, Options(25 / 255, 9)))
    assert torch.equal(net.denoise(noisy, Options(0.0)), noisy.clamp(0, 1))
    flat = torch.full((1, 3, 20, 20), 0.25)
    assert torch.equal(net.denoise(flat, net.settle(flat, Options())), flat)


@pytest.mark.parametrize("knobs", [Options(sigma=-1.0), Options(window=8), Options(window=0)])
def test_knobs_out_of_their_range(knobs: Options) -> None:
    with pytest.raises(UsageError, match=r"bm3d: (sigma|window) cannot be"):
        BM3D(Config()).settle(scene(1), knobs)


def test_the_transforms() -> None:
    cosines, wavelets = _cosines(8), _wavelets(8)
    identity = torch.eye(8, dtype=torch.float64)
    torch.testing.assert_close(cosines @ cosines.t(), identity)
    torch.testing.assert_close(wavelets.square().sum(dim=1), torch.ones(8, dtype=torch.float64))
    torch.testing.assert_close(wavelets[1:].sum(dim=1), torch.zeros(7, dtype=torch.float64), atol=1e-12, rtol=0)
    torch.testing.assert_close(
        wavelets[4, :3], torch.tensor([0.5**0.5, -(0.5**0.5), 0]).double()
    )  # the finest is Haar's


def test_the_reach_is_two_groups_wide() -> None:
    assert METHOD.make(Config()).reach(Options(window=39)) == 2 * (19 + 19 + 7 + 7)
