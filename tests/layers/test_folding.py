"""Batch normalisation folded into convolutions."""

import copy

import pytest
import torch
from torch import nn

from denoise_cli.layers.folding import fold_batch_norm, forward_folded


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


@pytest.mark.parametrize("bias", [False, True])
def test_frozen_norms_give_what_they_did_and_all_weights_a_gradient(bias: bool) -> None:
    torch.manual_seed(1)
    layers = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, stride=2, bias=bias), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 3), nn.ReLU()
    )
    for _ in range(3):
        layers(torch.randn(4, 3, 8, 8))
    layers[1].eval()
    image, results = torch.randn(2, 3, 8, 8), []
    for forward in (layers, lambda values: forward_folded(layers, values)):
        layers.zero_grad()
        output = forward(image)
        output.square().sum().backward()
        gradients = [weight.grad.clone() for weight in layers.parameters() if weight.grad is not None]
        assert len(gradients) == len(list(layers.parameters()))
        results.append([output.detach(), *gradients])
    torch.testing.assert_close(results[0], results[1], rtol=1e-4, atol=1e-5)


def test_norms_that_follow_the_batch_stay_as_they_are() -> None:
    torch.manual_seed(2)
    layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    image = torch.randn(2, 3, 8, 8)
    output = forward_folded(layers, image)
    assert layers[1].num_batches_tracked == 1
    torch.testing.assert_close(output, layers(image))
