"""Batch normalisation folded into convolutions."""

import copy

import pytest
import torch
from torch import nn

from denoise_cli.layers.folding import fold_batch_norm


class Inner(nn.Module):
    def __init__(self, bias: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, bias=bias), nn.BatchNorm2d(4), nn.ReLU(), nn.BatchNorm2d(4))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.body(image)  # type: ignore[no-any-return]


@pytest.mark.parametrize("bias", [False, True])
def test_wherever_it_stands(bias: bool) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.Sequential(Inner(bias)))
    for _ in range(3):
        net(torch.randn(4, 3, 8, 8))
    net.eval().requires_grad_(False)
    folded = fold_batch_norm(copy.deepcopy(net))
    kinds = [type(module) for module in folded.modules()]
    assert kinds.count(nn.BatchNorm2d) == 1, "the one behind the ReLU cannot be folded"
    image = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(folded(image), net(image))
