"""What a denoiser makes of a batch of noisy tensors, without files and tiles."""

from typing import Any

import torch
from torch import Tensor

from denoise_cli.inference.run import Engine
from denoise_cli.method import Denoiser, Iterative
from denoise_cli.shapes import from_channels, pad_to_multiple, to_channels


def estimates(engine: Engine, counts: tuple[int, ...] | None, noisy: Tensor) -> list[Tensor]:
    """The estimates of a batch, with as many channels as it; what a denoiser measures (the impulses' share) it measures
    on each image.
    """
    denoiser: Denoiser = engine.denoiser
    height, width = noisy.shape[-2:]
    padded = pad_to_multiple(to_channels(noisy, denoiser.channels), denoiser.stride)
    enabled = engine.dtype != torch.float32
    with torch.inference_mode(), torch.autocast(engine.device.type, engine.dtype, enabled=enabled):
        if counts is None:
            found: list[Any] = [denoiser.denoise(padded, engine.options)]
        else:
            assert isinstance(denoiser, Iterative)
            found = denoiser.estimates(padded, engine.options, counts)
    return [from_channels(estimate[..., :height, :width], noisy) for estimate in found]
