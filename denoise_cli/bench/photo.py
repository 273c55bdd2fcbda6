"""A whole run on a large photo, beside the net in plain PyTorch and beside what the processor can multiply."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from denoise_cli import device as devices
from denoise_cli.bench import process
from denoise_cli.bench.memory import photo
from denoise_cli.bench.speed import matrix_rate
from denoise_cli.errors import UsageError
from denoise_cli.image import read
from denoise_cli.inference import tiles
from denoise_cli.inference.workbench import Wish, Workbench
from denoise_cli.shapes import to_channels, to_unit

_PIECE = 1024  # side of what plain PyTorch is timed on, pixels


@dataclass(frozen=True)
class Whole:
    """Seconds of the processor, all threads together, but for ``wall``."""

    model: str
    megapixels: float
    run: float  # of `denoise run`, from start to exit, the photo decoded and the result encoded
    wall: float  # that passed
    peak: int  # bytes that were resident at most
    eager: float  # of plain PyTorch in float32, for a megapixel
    flops: float  # multiplications and additions of the net on the whole photo
    rate: float  # of those that matrices take, a second of the processor

    @property
    def share(self) -> float:
        """Of the matrix rate that the whole run reaches."""
        return self.flops / self.run / self.rate

    @property
    def times(self) -> float:
        """How many times as fast as plain PyTorch the whole run is."""
        return self.eager * self.megapixels / self.run


def measure(model: str, megapixels: int) -> Whole:
    """One run of ``model`` on a generated photo; the peers and the matrices right after it, on the same threads.

    Raises ``UsageError`` for a model that cannot be walked, ``DenoiseError`` where the run fails.
    """
    cpu = torch.device("cpu")
    dtype = devices.fast_dtype(cpu)
    bench = Workbench(Wish(model, dtype=dtype), lambda card: card.options)
    with TemporaryDirectory() as folder:
        source, target = Path(folder, "photo.jpg"), Path(folder, "clean.jpg")
        source.write_bytes(photo(megapixels))
        image = read(source)
        engine = bench.choose(image).engine
        work = tiles.Work(engine.denoiser, engine.options, engine.counts)
        channels, stride = engine.denoiser.channels or 3, engine.denoiser.stride
        height, width = (-(-side // stride) * stride for side in (image.height, image.width))
        way = tiles.traced(work, (1, channels, height, width), cpu)
        if way is None or not way.macs:
            raise UsageError(f"{model} is no net that is walked down an image.", "Name a convolutional net.")
        ran = process.denoise("run", str(source), "-o", str(target), "-m", model, "--device", "cpu", "-q")
    piece = to_unit(to_channels(torch.from_numpy(image.samples)[None, ..., :_PIECE, :_PIECE], channels))
    eager = _seconds(work, piece[..., : piece.shape[-2] // stride * stride, : piece.shape[-1] // stride * stride])
    size = image.height * image.width / 1e6
    return Whole(model, size, ran.seconds, ran.wall, ran.peak, eager, 2 * way.macs, matrix_rate(dtype))


def table(found: Sequence[Whole]) -> str:
    """The runs as a Markdown table."""
    lines = [
        "| model | megapixels | run, s | of the processor, s | s a megapixel | PyTorch, float32 | times as fast "
        "| share of the matrix rate | peak |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {one.model} | {one.megapixels:.1f} | {one.wall:.1f} | {one.run:.1f} | {one.run / one.megapixels:.2f} "
        f"| {one.eager:.2f} | {one.times:.1f} | {100 * one.share:.0f} % | {one.peak / 1e6:.0f} MB |"
        for one in found
    ]
    return "\n".join(lines)


def _seconds(work: tiles.Work, piece: Tensor) -> float:
    """Of the processor, for a megapixel, layer after layer; the faster of two."""
    taken = []
    with torch.inference_mode():
        for _ in range(2):
            began = time.process_time()
            work.estimates(piece)
            taken.append(time.process_time() - began)
    return min(taken) / piece[0, 0].numel() * 1e6
