"""What convolutions of low precision see."""

from dataclasses import replace

import torch

from denoise_cli import methods
from denoise_cli.inference import tiles
from denoise_cli.layers.rounding import as_convolved
from denoise_cli.method import Denoiser

CARD = methods.find("dncnn")


def nothing_taken() -> Denoiser:
    """A dncnn that predicts no noise."""
    net = CARD.make(replace(CARD.config, depth=3, features=4))
    torch.nn.init.zeros_(net.layers[-1].weight)  # type: ignore[attr-defined]
    assert isinstance(net, Denoiser)
    return net.eval()  # type: ignore[attr-defined, no-any-return]


def test_in_float32_nothing_is_rounded() -> None:
    image = torch.rand(2, 3, 8, 9)
    assert torch.equal(as_convolved(image), image)
    assert torch.equal(nothing_taken().denoise(image, CARD.options), image)


def test_the_noise_is_taken_from_what_the_net_sees() -> None:
    image = torch.rand(2, 3, 24, 20)
    seen = image.bfloat16().float()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(as_convolved(image), seen)
        assert torch.equal(nothing_taken().denoise(image, CARD.options), seen)
    work = tiles.Work(nothing_taken(), CARD.options, None, torch.bfloat16)
    with torch.inference_mode():
        (walked,) = tiles.denoise(work, image, tiles.plan(24, 20, work))
    assert torch.equal(walked, seen)
