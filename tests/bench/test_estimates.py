"""Estimates of batches, without files."""

import pytest
import torch

from denoise_cli.bench.estimates import estimates
from denoise_cli.inference.run import Engine
from denoise_cli.methods.dncnn import Config, DnCNN


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("taken", [1, 3])
def test_gray_and_colour_images_through_gray_and_colour_nets(channels: int, taken: int) -> None:
    net = DnCNN(Config(channels=taken, depth=3, features=4)).eval()
    noisy = torch.rand((2, channels, 10, 12), generator=torch.Generator().manual_seed(0))
    (estimate,) = estimates(Engine(net, None, torch.device("cpu"), torch.float32), None, noisy)
    assert estimate.shape == noisy.shape
