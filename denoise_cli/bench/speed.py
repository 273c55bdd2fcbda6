"""How fast nets run on this processor, one way beside the other, and how much of what it can do that is."""

import time
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from denoise_cli import methods
from denoise_cli.bench import peers
from denoise_cli.bench.peers import Way
from denoise_cli.inference import tiles
from denoise_cli.layers.folding import fold_batch_norm

_NETS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "dncnn gray, 17 layers": ("dncnn", {"channels": 1, "depth": 17}, {}),
    "dncnn colour, 20 layers": ("dncnn", {}, {}),
    "dt, 10 iterations": ("dt", {}, {"iters": 10}),
}
NETS = tuple(_NETS)
OURS = "denoise run"
_MATRIX = 2048  # side of the matrices that are multiplied


@dataclass(frozen=True)
class Timed:
    """What one way to run a net takes."""

    net: str
    way: str
    seconds: float | None  # of the processor, all threads together, for a megapixel; None where it cannot be run
    rate: float = 0.0  # multiplications and additions a second of the processor
    missing: str = ""  # why it cannot be run


def timed(net: str, side: int, dtype: torch.dtype, repeats: int, *, beside: bool = False) -> tuple[list[Timed], float]:
    """Each way to run one of ``NETS``, of random weights, on an image of ``side`` x ``side``, and the matrix rate.

    The rate is that of square matrices of ``dtype``, in multiplications and additions a second of the processor. The
    ways take turns, ``repeats`` times after one that does not count, and the fastest of each counts: others on the
    machine slow all of them alike. ``beside``: with the programs of others.
    """
    name, config, options = _NETS[net]
    card = methods.find(name)
    made = card.make(replace(card.config, **config))
    assert isinstance(made, nn.Module)
    denoiser: Any = made.eval().requires_grad_(False)
    noisy = torch.rand((1, denoiser.channels, side, side), generator=torch.Generator().manual_seed(0))
    work = tiles.Work(denoiser, replace(card.options, **options))
    way = tiles.traced(work, tuple(noisy.shape), noisy.device)
    assert way is not None
    with torch.inference_mode():
        ways = [*_ways(work, noisy, dtype, beside=beside), _matrices(dtype)]
        fastest = _race(ways, repeats)
    rows = [
        Timed(net, way_.name, None, missing=way_.missing)
        if seconds is None
        else Timed(net, way_.name, seconds / side**2 * 1e6, 2 * way.macs / seconds)
        for way_, seconds in zip(ways[:-1], fastest[:-1], strict=True)
    ]
    assert fastest[-1] is not None
    return rows, 2 * _MATRIX**3 / fastest[-1]


def matrix_rate(dtype: torch.dtype, repeats: int = 5) -> float:
    """That of ``timed``, by itself."""
    (seconds,) = _race([_matrices(dtype)], repeats)
    assert seconds is not None
    return 2 * _MATRIX**3 / seconds


def _matrices(dtype: torch.dtype) -> Way:
    matrix = torch.randn(_MATRIX, _MATRIX).to(dtype)
    return Way("matrices", lambda: matrix @ matrix)


def _ways(work: tiles.Work, noisy: Tensor, dtype: torch.dtype, *, beside: bool) -> Iterator[Way]:
    folded: Any = fold_batch_norm(deepcopy(work.denoiser))  # type: ignore[arg-type]
    folded.to(memory_format=torch.channels_last)
    plain = replace(work, denoiser=folded)
    walked = replace(plain, dtype=dtype)
    yield Way("PyTorch, float32", lambda: work.estimates(noisy))
    yield Way("PyTorch, float32, channels last", lambda: plain.estimates(noisy))
    if dtype != torch.float32:
        yield Way(f"PyTorch, {word(dtype)}, channels last", lambda: _at_once(walked, noisy))
    if beside:
        yield from peers.ways(walked, noisy)
    yield Way(f"{OURS}, {word(dtype)}", lambda: tiles.denoise(walked, noisy, tiles.Tiling(None, 0)))


def _at_once(work: tiles.Work, noisy: Tensor) -> list[Tensor]:
    """The estimates of the whole image, one layer after the other."""
    with torch.autocast("cpu", work.dtype, enabled=work.dtype != torch.float32):
        return work.estimates(noisy)


def table(found: Sequence[Timed], rates: Sequence[float], dtype: torch.dtype) -> str:
    """A Markdown table of the ways of each net; ``rates`` are the matrix rates, one for each net."""
    head = f"share of the {word(dtype)} matrix rate"
    lines = [f"| net | way | s a megapixel | times as fast | {head} |", "| --- | --- | ---: | ---: | ---: |"]
    nets = list(dict.fromkeys(row.net for row in found))
    slowest: dict[str, float] = {}
    for row in found:
        if row.seconds is None:
            lines.append(f"| {row.net} | {row.way} | {row.missing} | | |")
            continue
        base = slowest.setdefault(row.net, row.seconds)
        share = f"{100 * row.rate / rates[nets.index(row.net)]:.0f} %"
        lines.append(f"| {row.net} | {row.way} | {row.seconds:.2f} | {base / row.seconds:.1f} | {share} |")
    return "\n".join(lines) + "\n"


def _race(ways: Sequence[Way], repeats: int) -> list[float | None]:
    """Seconds of the processor that each way takes: others on the machine cost wall time, not these."""
    taken: list[list[float]] = [[] for _ in ways]
    for _ in range(repeats + 1):  # the first prepares
        for way, seconds in zip(ways, taken, strict=True):
            if way.run is not None:
                began = time.process_time()
                way.run()
                seconds.append(time.process_time() - began)
    return [min(seconds[1:]) if seconds else None for seconds in taken]


def word(dtype: torch.dtype) -> str:
    """The name of a type as people write it."""
    return str(dtype).removeprefix("torch.")
