"""Wavelet shrinkage."""

import pytest
import torch

from denoise_cli.errors import UsageError
from denoise_cli.methods.wavelet import Config, Options, Wavelet, _analyse, _gains, _synthesise
from denoise_cli.noise import parse


def scene(channels: int) -> torch.Tensor:
    coarse = torch.rand((1, channels, 4, 4), generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(coarse, size=(64, 72), mode="bicubic").clamp(0.1, 0.9)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_it_removes_most_of_the_noise(channels: int) -> None:
    clean = scene(channels)
    noisy = parse("gaussian:25")(clean, torch.Generator().manual_seed(0)).noisy
    net = Wavelet(Config())
    estimate = net.denoise(noisy, net.settle(noisy, Options()))
    assert (estimate - clean).square().mean() < 0.1 * (noisy - clean).square().mean()
    torch.testing.assert_close(estimate, net.denoise(noisy, Options()))


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (9, 2), (21, 34)])
@pytest.mark.parametrize("spread", [1, 4])
def test_there_and_back(size: tuple[int, int], spread: int) -> None:
    image = torch.rand((2, 1, *size), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(_synthesise(_analyse(image, spread), spread), image, atol=1e-6, rtol=0)


def test_no_noise_nothing_lost() -> None:
    image = scene(3)
    torch.testing.assert_close(Wavelet(Config()).denoise(image, Options(sigma=0.0)), image, atol=2e-6, rtol=0)


def test_the_gains_are_those_of_white_noise() -> None:
    low = torch.randn((1, 1, 200, 200), generator=torch.Generator().manual_seed(0))
    for level in range(3):
        low, *details = _analyse(low, 2**level)
        assert [band.std().item() for band in details] == pytest.approx(_gains(level), rel=0.1)


@pytest.mark.parametrize("knobs", [Options(sigma=-1.0), Options(levels=0), Options(levels=9), Options(window=4)])
def test_knobs_out_of_their_range(knobs: Options) -> None:
    with pytest.raises(UsageError, match=r"wavelet: .* cannot be"):
        Wavelet(Config()).settle(scene(1), knobs)
