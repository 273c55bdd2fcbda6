"""The running mean worked by hand."""

import pytest
import torch

from denoise_cli.fitting.averaging import RunningMean


def test_the_first_outputs_are_soon_forgotten() -> None:
    mean = RunningMean(0.9)
    assert mean.take(torch.tensor([1.0])).item() == 1.0
    assert mean.take(torch.tensor([0.0])).item() == pytest.approx(2 / 12)  # decay 2 / (10 + 2)
    for _ in range(200):
        last = mean.take(torch.tensor([0.5])).item()
    assert last == pytest.approx(0.5)


def test_without_a_decay_it_is_the_last_output() -> None:
    mean = RunningMean(0.0)
    mean.take(torch.tensor([1.0]))
    assert mean.take(torch.tensor([0.25])).item() == 0.25
