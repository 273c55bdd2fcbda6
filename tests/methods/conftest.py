"""What the tests of the trainable methods share: a tiny training run, and the reach as it is measured."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from denoise_cli import noise, seeds
from denoise_cli.method import Denoiser, Method, Recipe, Trainable
from denoise_cli.metrics.psnr import psnr

Gain = Callable[..., float]
MeasuredReach = Callable[..., int]


def _smooth(count: int, channels: int, side: int, key: str) -> Tensor:
    """Images without detail, which even a net that has seen little can clean."""
    coarse = torch.rand((count, channels, 4, 4), generator=seeds.generator(0, key))
    return functional.interpolate(coarse, size=(side, side), mode="bilinear")


@pytest.fixture
def gain() -> Gain:
    """How many dB a few steps of training win over the noisy images, on images that were not trained on."""

    def train(card: Method, word: str, *, steps: int, rate: float = 3e-3, side: int = 32, **config: Any) -> float:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            net = card.make(replace(card.config, **config))
        assert isinstance(net, nn.Module) and isinstance(net, Trainable) and isinstance(card.recipe, Recipe)
        channels = net.channels or 1
        for layer in net.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.momentum = 0.1  # too few steps for the running statistics of a slower one
        optimiser = torch.optim.Adam(net.parameters(), lr=rate)
        net.train()
        for step in range(steps):
            clean = _smooth(8, channels, side, f"training {step}")
            pair = noise.parse(word)(clean, seeds.generator(0, "noise", step))
            optimiser.zero_grad()
            net.loss(pair, card.recipe, seeds.generator(0, "loss", step)).backward()
            nn.utils.clip_grad_norm_(net.parameters(), card.recipe.clip)
            optimiser.step()
        net.eval()
        clean = _smooth(8, channels, side, "held out")
        pair = noise.parse(word)(clean, seeds.generator(0, "held out noise"))
        with torch.no_grad():
            estimate = net.denoise(pair.noisy, card.options)
        return (psnr(estimate, clean) - psnr(pair.noisy, clean)).mean().item()

    return train


@pytest.fixture
def measured_reach() -> MeasuredReach:
    """The reach by the gradient of ``stride`` output pixels in a row, with weights under which none vanishes."""

    def measure(net: Any, options: Any, run: Callable[[Tensor], Tensor], height: int = 16) -> int:
        assert isinstance(net, nn.Module) and isinstance(net, Denoiser)
        net.double().eval()
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.fill_(1 / parameter[0].numel() if parameter.ndim == 4 else 0.1)
        reach = net.reach(options)
        assert reach is not None
        first = -(-(reach + 3) // net.stride) * net.stride
        noisy = torch.rand(
            (1, net.channels or 1, height, 2 * first + net.stride), generator=seeds.generator(0, "reach")
        )
        noisy = noisy.double().requires_grad_()
        farthest = 0
        for column in range(first, first + net.stride):
            (gradient,) = torch.autograd.grad(run(noisy)[0, 0, height // 2, column], noisy)
            touched = gradient[0].abs().amax(dim=(0, 1)).nonzero().flatten()
            farthest = max(farthest, column - int(touched.min()), int(touched.max()) - column)
        return farthest

    return measure
