"""What denoising an image will take, before it is done."""

import time
from dataclasses import dataclass, replace

import torch

from denoise_cli.device import memory
from denoise_cli.image import Image
from denoise_cli.inference import tiles
from denoise_cli.inference.run import Engine, tiling_of
from denoise_cli.layers.turns import TURNS
from denoise_cli.method import Denoiser, Fitter, Wrapper
from denoise_cli.shapes import to_channels, to_unit

_TRIED = (64, 1024)  # rows and columns, at most, of the piece whose time is taken


@dataclass(frozen=True)
class Plan:
    """How an image will be denoised, and what it takes."""

    height: int  # of what is to be denoised
    width: int
    tiling: tiles.Tiling
    count: int  # of the tiles or strips
    rows: int | None  # made at a time; None: a tile is done at once
    memory: int | None  # bytes, of the process as it is now and what comes; None where that is not known
    seconds: float | None  # of the denoising, from a trial with a small piece; None where that would be a fit


def plan_of(engine: Engine, image: Image) -> Plan:
    """The plan for ``image``; it runs the denoiser on a small piece, to take its time. Tiles are those of the last.

    Raises ``InputError`` where the part that was asked for leaves the image.
    """
    asked = engine.asked
    part = image if asked.box is None else image.cut(asked.box)
    taken = torch.from_numpy(image.samples)[None].to(engine.device)
    noisy = to_channels(taken[:, :1] if engine.apart else taken, engine.denoiser.channels)
    options = engine.denoiser.settle(to_unit(noisy[..., : _TRIED[1], : _TRIED[1]]), engine.options)
    work = tiles.Work(engine.denoiser, options, engine.counts, engine.dtype)
    height, width = image.height, image.width
    if part is not image and work.reach is not None:
        height, width = min(part.height + 2 * work.reach, height), min(part.width + 2 * work.reach, width)
    tiling = tiling_of(engine, work, height, width)
    tall, wide = tiling.cut(height, width)
    need = tiles.working_memory(height, width, work, tiling, engine.device)
    ways = (len(TURNS) if asked.every_turn else 1) * (image.channels if engine.apart else 1)
    each = None if _fits(engine.denoiser) else _seconds(work, noisy[..., : _TRIED[0], : _TRIED[1]])
    plan = Plan(
        height,
        width,
        tiling,
        -(-height // tall) * -(-width // wide),
        tiles.rows_of(height, width, work, tiling, engine.device),
        None if need is None else (memory() or 0) + need + 4 * noisy[0, :, 0, 0].numel() * height * width,
        None if each is None else ways * each * height * width,
    )
    if engine.first is None:
        return plan
    before = plan_of(engine.first, image)
    most = None if plan.memory is None or before.memory is None else max(plan.memory, before.memory)
    seconds = None if plan.seconds is None or before.seconds is None else before.seconds + plan.seconds
    return replace(plan, memory=most, seconds=seconds)


def _fits(denoiser: Denoiser) -> bool:
    """Whether it learns from the image, which takes long however small a piece is."""
    return isinstance(denoiser.net if isinstance(denoiser, Wrapper) else denoiser, Fitter)


def _seconds(work: tiles.Work, piece: torch.Tensor) -> float:
    """For each pixel; the second of two trials counts."""
    with torch.inference_mode():
        for _ in range(2):
            began = time.monotonic()
            tiles.denoise(work, piece, tiles.Tiling(None, 0))
    return (time.monotonic() - began) / piece[0, 0].numel()
