"""An image in, its estimates out: channels, precision, tiles and checks around one denoiser."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from denoise_cli.errors import DenoiseError, DeviceError
from denoise_cli.image import Image
from denoise_cli.inference import tiles
from denoise_cli.inference.sigma_map import Told, check_size
from denoise_cli.method import Denoiser
from denoise_cli.shapes import from_channels, to_channels

_SMALLEST_TILE = 64


@dataclass(frozen=True)
class Engine:
    """A denoiser on its device, with what the user asked of it."""

    denoiser: Denoiser
    options: Any
    device: torch.device
    dtype: torch.dtype  # of the convolutions
    counts: tuple[int, ...] | None = None  # iterations to save, ascending; None: one estimate by the options
    tile: int | None = None  # side of the tiles; None: by the image's size
    sigma_map: Tensor | None = None  # the noise level at every pixel of every image, (1, 1, H, W), for a ``Mapped``


def ready(engine: Engine) -> Engine:
    """The engine with its net on the device, in the memory format that is fastest there."""
    if isinstance(engine.denoiser, nn.Module):
        engine.denoiser.to(engine.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return engine


def denoise_image(engine: Engine, image: Image) -> list[Image]:
    """The estimates of one image, with its metadata.

    A result with values that are not finite is computed again in float32; out of memory halves the tiles and tries
    again. Raises ``DeviceError`` where even small tiles do not fit, ``DenoiseError`` where float32 is not finite, and
    ``InputError`` where a map of noise levels has another size.
    """
    if engine.sigma_map is not None:
        check_size(engine.sigma_map, image)
    noisy = torch.from_numpy(image.pixels)[None].to(engine.device)
    estimates = _within_memory(engine, noisy)
    if not all(torch.isfinite(estimate).all() for estimate in estimates):
        estimates = _within_memory(replace(engine, dtype=torch.float32), noisy)
        if not all(torch.isfinite(estimate).all() for estimate in estimates):
            raise DenoiseError(
                f"{image.source.name}: the result is not finite, in float32 either.",
                "The weights do not suit this image: choose others with --model.",
            )
    return [image.with_pixels(estimate[0].float().cpu().numpy()) for estimate in estimates]


def _within_memory(engine: Engine, noisy: Tensor) -> list[Tensor]:
    try:
        return _denoise(engine, noisy)
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not isinstance(error, torch.OutOfMemoryError) and not _is_full(error):
            raise
        smaller = (engine.tile or max(noisy.shape[-2:])) // 2
        if smaller < _SMALLEST_TILE or engine.denoiser.reach(engine.options) is None:
            raise DeviceError(
                f"Out of memory on {engine.device}, for an image of {noisy.shape[-1]}x{noisy.shape[-2]} pixels.",
                "Close other programs, use --device cpu, or fewer --iters.",
            ) from error
    return _within_memory(replace(engine, tile=smaller), noisy)


def _is_full(error: RuntimeError) -> bool:
    return "alloc" in str(error).lower() and "memory" in str(error).lower()  # PyTorch's CPU allocator has no own class


def _denoise(engine: Engine, noisy: Tensor) -> list[Tensor]:
    denoiser = engine.denoiser
    taken = to_channels(noisy, denoiser.channels)
    if engine.sigma_map is not None:
        denoiser = Told.by(denoiser)
        taken = denoiser.join(taken, engine.sigma_map)
    options = denoiser.settle(noisy, engine.options)
    with (
        torch.inference_mode(),
        torch.autocast(engine.device.type, engine.dtype, enabled=engine.dtype != torch.float32),
    ):
        reach_of = options if engine.counts is None else replace(options, iters=engine.counts[-1])
        tiling = tiles.plan(noisy.shape[-2], noisy.shape[-1], denoiser, reach_of, engine.tile)
        estimates = tiles.denoise(denoiser, taken, options, engine.counts, tiling)
    if isinstance(denoiser, Told):
        estimates = [denoiser.part(estimate)[0] for estimate in estimates]
    return [from_channels(estimate, noisy) for estimate in estimates]
