"""The deep image prior on small images: what it brings to fit several as one batch."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch

from denoise_cli.bench import zero_shot
from denoise_cli.bench.protocol import CBSD68
from denoise_cli.bench.zero_shot import TIMED, Place, subjects
from denoise_cli.fitting.follow import follow
from denoise_cli.metrics.psnr import psnr

IMAGES = 8
SIDES = (32, 48, 64)  # pixels


@dataclass(frozen=True)
class Together:
    """Whole fits of images of one size, so many as one batch; means over the images."""

    side: int  # pixels
    batch: int
    seconds: float  # of the processor, all threads together
    psnr: float  # dB


def measure(place: Place) -> Iterator[Together]:
    """Alone and together at each size, which is kept in ``place``."""
    for side in SIDES:
        for batch in (1, IMAGES):
            name = f"together-{side}-{batch}-{zero_shot.DEFAULT.digest()}"
            found = place.recall(name, partial(_fitted, place, side, batch))
            if found is not None:
                yield Together(**found)


def section(found: Sequence[Together]) -> Iterator[str]:
    """The lines of a page: a table with a row for each size; none where nothing was measured."""
    if not found:
        return
    yield ""
    yield "## Small images as one batch"
    yield ""
    yield (
        f"The middle of the first {IMAGES} images of CBSD68, {TIMED}, fitted one after the other, and with their nets "
        "side by side as one, which each leaves as it is done. Seconds of the processor an image, all threads together."
    )
    yield ""
    yield "| pixels | alone, seconds an image | as one batch | times as fast | alone, dB | as one batch |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for alone, together in zip(found[::2], found[1::2], strict=False):
        yield (
            f"| {alone.side} x {alone.side} | {alone.seconds:.1f} | {together.seconds:.1f} "
            f"| {alone.seconds / together.seconds:.1f} | {alone.psnr:.2f} | {together.psnr:.2f} |"
        )


def _fitted(place: Place, side: int, batch: int) -> dict[str, Any]:
    variant = zero_shot.DEFAULT
    fitter, options = variant.make()
    seconds, scores = 0.0, list[float]()
    images = list(subjects(place.data, (TIMED,), side, IMAGES, (CBSD68,)))
    for start in range(0, len(images), batch):
        noisy, clean = (
            torch.cat([getattr(image, kind) for image in images[start : start + batch]]).to(place.device)
            for kind in ("noisy", "clean")
        )
        with variant.precision(place.device):
            began = time.process_time()
            last = deque(follow(fitter, noisy, options), maxlen=1).pop()
            seconds += time.process_time() - began
        scores += psnr(last.best, clean).tolist()
    return asdict(Together(side, batch, seconds / len(images), sum(scores) / len(images)))
