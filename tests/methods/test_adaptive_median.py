"""The adaptive median filter."""

import pytest
import torch

from denoise_cli.errors import UsageError
from denoise_cli.methods import adaptive_median
from denoise_cli.methods.adaptive_median import AdaptiveMedian, Config, Options
from denoise_cli.noise import parse


def by_hand(padded: torch.Tensor, row: int, column: int, radius: int) -> float:
    own = padded[row, column].item()
    for reach in range(1, radius + 1):
        window = padded[row - reach : row + reach + 1, column - reach : column + reach + 1].flatten().sort().values
        least, median, greatest = window[0].item(), window[len(window) // 2].item(), window[-1].item()
        if least < median < greatest:
            return own if least < own < greatest else median
    return median


@pytest.mark.parametrize("at_once", [200, 1 << 24])
def test_pixel_by_pixel(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adaptive_median, "_AT_ONCE", at_once)
    clean = torch.rand((1, 1, 14, 17), generator=torch.Generator().manual_seed(0)) * 0.6 + 0.2
    noisy = parse("sp:0.6")(clean, torch.Generator().manual_seed(1)).noisy
    estimate = AdaptiveMedian(Config()).denoise(noisy, Options(window=7))
    padded = torch.nn.functional.pad(noisy, (3, 3, 3, 3), mode="reflect")[0, 0]
    for row in range(14):
        for column in range(17):
            assert estimate[0, 0, row, column] == by_hand(padded, row + 3, column + 3, 3)


def test_impulses_go_and_the_rest_stays() -> None:
    rows, columns = torch.meshgrid(torch.arange(40), torch.arange(40), indexing="ij")
    clean = (0.3 + 0.005 * rows + 0.003 * columns).expand(1, 3, 40, 40)
    noisy = parse("sp:0.5")(clean, torch.Generator().manual_seed(1)).noisy
    estimate = AdaptiveMedian(Config()).denoise(noisy, Options())
    assert (estimate - clean).abs().max() < 0.05
    known = noisy == clean
    assert (estimate[known] == clean[known]).float().mean() > 0.9


@pytest.mark.parametrize("window", [1, 0, 4])
def test_windows_that_cannot_grow(window: int) -> None:
    with pytest.raises(UsageError, match=f"window cannot be {window}"):
        AdaptiveMedian(Config()).settle(torch.zeros((1, 1, 4, 4)), Options(window=window))
