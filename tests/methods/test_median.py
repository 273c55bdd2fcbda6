"""The median filter."""

import pytest
import torch

from denoise_cli.errors import UsageError
from denoise_cli.methods import median
from denoise_cli.methods.median import Config, Median, Options


def test_three_by_three_by_hand() -> None:
    noisy = torch.tensor([[0.1, 0.9, 0.2], [0.8, 0.0, 0.7], [0.3, 0.6, 0.4]])[None, None]
    estimate = Median(Config()).denoise(noisy, Options(window=3))
    assert estimate[0, 0, 1, 1] == 0.4
    # the corner, mirrored: 0.1 once, 0.9 and 0.8 twice, 0.0 four times
    assert estimate[0, 0, 0, 0] == 0.1


def test_a_single_impulse_goes_and_an_edge_stays() -> None:
    clean = torch.zeros((1, 2, 9, 9))
    clean[..., 5:] = 1.0
    noisy = clean.clone()
    noisy[0, 0, 4, 2] = 1.0
    assert torch.equal(Median(Config()).denoise(noisy, Options()), clean)


@pytest.mark.parametrize("window", [0, -3, 4])
def test_windows_that_have_no_middle(window: int) -> None:
    with pytest.raises(UsageError, match=f"no window of {window} pixels"):
        Median(Config()).settle(torch.zeros((1, 1, 4, 4)), Options(window=window))


def test_a_window_larger_than_the_image() -> None:
    noisy = torch.tensor([[0.2, 0.4, 0.9]])[None, None]
    estimate = Median(Config()).denoise(noisy, Options(window=9))
    assert estimate.shape == noisy.shape and estimate[0, 0, 0, 1] in noisy


@pytest.mark.parametrize("window", [9, 11])
def test_both_ways_to_the_median_agree(window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    noisy = torch.rand((2, 3, 24, 17), generator=torch.Generator().manual_seed(0))
    usual = Median(Config()).denoise(noisy, Options(window=window))
    monkeypatch.setattr(median, "_NETWORK", 20 - window)
    assert torch.equal(Median(Config()).denoise(noisy, Options(window=window)), usual)
