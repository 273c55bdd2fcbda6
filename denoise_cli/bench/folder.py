"""How much of a run over a folder of small images is spent in the net."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import torch

from denoise_cli import device as devices
from denoise_cli.bench import process
from denoise_cli.image import read
from denoise_cli.inference.pipeline import TOGETHER, TOGETHER_PIXELS
from denoise_cli.inference.run import answer_all
from denoise_cli.inference.workbench import Wish, Workbench

AUTO = "auto"  # no model is named: a look at each image decides
_COARSE, _SIGMA = 6, 25  # points across the colours of an image; noise on them, on the scale to 255


@dataclass(frozen=True)
class Share:
    """Seconds of the processor, all threads together."""

    model: str
    images: int
    side: int  # of an image, pixels
    run: float  # of `denoise run` on the folder, from start to exit
    net: float  # of the net alone, on the same images in memory, as many at once as the run takes

    @property
    def share(self) -> float:
        """What part of the run is spent in the net."""
        return self.net / self.run


def measure(model: str, count: int, side: int) -> Share:
    """Run over a folder of ``count`` noisy PNG images of ``side`` x ``side`` pixels, then the net by itself.

    Without a model (``auto``) it is the net that the first image takes. Seconds of the processor, which other work on
    the machine lengthens less than those that pass. Raises ``DenoiseError`` where the run fails, ``WeightsError`` and
    ``UsageError`` for a model that is not there.
    """
    cpu = torch.device("cpu")
    named = [] if model == AUTO else ["-m", model]
    bench = Workbench(Wish(None if model == AUTO else model, dtype=devices.fast_dtype(cpu)), lambda card: card.options)
    with TemporaryDirectory() as folder:
        source = Path(folder, "in")
        source.mkdir()
        draw = np.random.default_rng(0)
        for index in range(count):
            coarse = draw.integers(30, 220, (_COARSE, _COARSE, 3), dtype=np.uint8)
            colours = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
            noisy = (colours + draw.normal(0, _SIGMA, colours.shape)).round().clip(0, 255).astype(np.uint8)
            cv2.imwrite(str(source / f"{index:06d}.png"), noisy)
        ran = process.denoise("run", str(source), "-o", str(Path(folder, "out")), *named, "--device", "cpu", "-q")
        images = [read(path) for path in sorted(source.iterdir())]
    engine = bench.choose(images[0]).engine
    at_once = max(1, min(TOGETHER, TOGETHER_PIXELS // side**2))
    groups = [images[first : first + at_once] for first in range(0, count, at_once)]
    answer_all(engine, groups[0])  # what is done once does not count
    began = time.process_time()
    for group in groups:
        answer_all(engine, group)
    return Share(model, count, side, ran.seconds, time.process_time() - began)


def table(shares: Sequence[Share]) -> str:
    """The runs as a Markdown table."""
    lines = ["| model | images | run, s | net, s | in the net |", "| --- | ---: | ---: | ---: | ---: |"]
    lines += [
        f"| {one.model} | {one.images} of {one.side}x{one.side} | {one.run:.1f} | {one.net:.1f} "
        f"| {100 * one.share:.0f} % |"
        for one in shares
    ]
    return "\n".join(lines)
