"""Which images of a folder are fitted as one batch: small ones of one shape.

A step of the deep image prior in bfloat16, milliseconds of one core an image, alone and of 2, 4, 8, 16 in a batch:
32 x 32 pixels 9.8, 6.1, 4.4, 3.3, 3.0; 48 x 48 11.8, 7.9, 5.6, 5.0, 5.6; 64 x 64 16.9, 11.5, 9.1, 8.7, 9.8; 96 x 96
24.4, 18.7, 16.6, 17.7, 21.1. Images leave the batch as they are done, so that whole fits gain less; larger ones, that
would gain little, come alone.
"""

from collections.abc import Sequence
from contextlib import suppress

from denoise_cli.cli.fit_view import Task
from denoise_cli.errors import DenoiseError
from denoise_cli.image import decode, fetch

_MOST = 8  # images in a batch
_SMALL = 64 * 64  # pixels, up to which images come in batches unasked
_SMALL_FILE = 256 * 1024  # bytes; a larger file is not read to see whether its image is small


def batches_of(tasks: Sequence[Task], most: int | None, workers: int) -> list[list[Task]]:
    """The ``tasks`` in batches of images of one shape, at most ``most``; ``None``: as many as pay.

    No batch is so large that one of the ``workers`` would be left without. Where none holds more than one image, they
    stay in their order.
    """
    if most == 1 or len(tasks) <= workers:
        return [[task] for task in tasks]
    alike: dict[object, list[Task]] = {}
    for task in tasks:
        shape = _shape(task, small=most is None)
        alike.setdefault(task.index if shape is None else shape, []).append(task)
    found = []
    for group in alike.values():
        size = min(most or _MOST, -(-len(group) // workers))
        found += [group[start : start + size] for start in range(0, len(group), size)]
    return sorted(found, key=lambda batch: batch[0].index)


def _shape(task: Task, *, small: bool) -> tuple[int, ...] | None:
    """That of its image, (C, H, W); ``None`` where it comes alone, also since it cannot be read."""
    with suppress(DenoiseError, OSError):
        if task.item.path is not None and not (small and task.item.path.stat().st_size > _SMALL_FILE):
            name = task.item.name
            pixels = decode(fetch(name, task.max_pixels), name, task.max_pixels).pixels
            if not small or pixels[0].size <= _SMALL:
                return pixels.shape
    return None
