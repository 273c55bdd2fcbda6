"""How fast nets run on this processor, and how much of what its matrix units can do that is."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from denoise_cli import methods
from denoise_cli.inference import tiles
from denoise_cli.layers.folding import fold_batch_norm

_NETS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "dncnn gray, 17 layers": ("dncnn", {"channels": 1, "depth": 17}, {}),
    "dncnn colour, 20 layers": ("dncnn", {}, {}),
    "dt, 10 iterations": ("dt", {}, {"iters": 10}),
}
NETS = tuple(_NETS)
_MATRIX = 2048  # side of the matrices that are multiplied


@dataclass(frozen=True)
class Timed:
    """What one way to run a net takes."""

    net: str
    way: str
    seconds: float  # of the processor, all threads together, for a megapixel
    rate: float  # multiplications and additions a second of the processor


def matrix_rate(dtype: torch.dtype, repeats: int) -> float:
    """Multiplications and additions a second of the processor, of square matrices of ``dtype``."""
    matrix = torch.randn(_MATRIX, _MATRIX).to(dtype)
    return 2 * _MATRIX**3 / _fastest(lambda: matrix @ matrix, repeats)


def timed(net: str, side: int, dtype: torch.dtype, repeats: int) -> Iterator[Timed]:
    """Each way to run one of ``NETS``, of random weights, on an image of ``side`` x ``side``."""
    name, config, options = _NETS[net]
    card = methods.find(name)
    made = card.make(replace(card.config, **config))
    assert isinstance(made, nn.Module)
    denoiser: Any = made.eval().requires_grad_(False)
    noisy = torch.rand((1, denoiser.channels, side, side), generator=torch.Generator().manual_seed(0))
    work = tiles.Work(denoiser, replace(card.options, **options))
    way = tiles.traced(work, tuple(noisy.shape), noisy.device)
    assert way is not None

    def one(words: str, run: Callable[[], Any]) -> Timed:
        with torch.inference_mode():
            seconds = _fastest(run, repeats)
        return Timed(net, words, seconds / side**2 * 1e6, 2 * way.macs / seconds)

    def whole(dtype: torch.dtype) -> None:
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            work.estimates(noisy)

    yield one("float32, the whole image", lambda: whole(torch.float32))
    fold_batch_norm(denoiser)
    denoiser.to(memory_format=torch.channels_last)
    yield one("float32, folded, channels last", lambda: whole(torch.float32))
    if dtype != torch.float32:
        yield one(f"{_word(dtype)}, folded, channels last", lambda: whole(dtype))
    walked = replace(work, dtype=dtype)
    yield one(f"{_word(dtype)}, walked (denoise run)", lambda: tiles.denoise(walked, noisy, tiles.Tiling(None, 0)))


def table(found: list[Timed], rate: float, dtype: torch.dtype) -> str:
    """A Markdown table; ``rate`` is that of matrices of ``dtype``."""
    head = f"share of the {_word(dtype)} matrix rate"
    lines = [f"| net | way | s a megapixel | times as fast | {head} |", "| --- | --- | ---: | ---: | ---: |"]
    slowest: dict[str, float] = {}
    for row in found:
        base = slowest.setdefault(row.net, row.seconds)
        share = f"{100 * row.rate / rate:.0f} %"
        lines.append(f"| {row.net} | {row.way} | {row.seconds:.2f} | {base / row.seconds:.1f} | {share} |")
    return "\n".join(lines) + "\n"


def _fastest(run: Callable[[], Any], repeats: int) -> float:
    """Seconds of the processor: others on the machine cost wall time, not these."""
    taken = []
    for _ in range(repeats + 1):  # the first prepares
        began = time.process_time()
        run()
        taken.append(time.process_time() - began)
    return min(taken[1:])


def _word(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
