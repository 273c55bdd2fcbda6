"""Images one after another: while one is denoised, the next is read and the ones before are written."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from denoise_cli.errors import DenoiseError, UsageError
from denoise_cli.image import Image
from denoise_cli.inference.inputs import Item
from denoise_cli.inference.run import denoise_image
from denoise_cli.inference.workbench import Choice, Workbench

_WAITING = 3  # results that may wait to be written


@dataclass(frozen=True)
class Result:
    """What became of one input."""

    item: Item
    outputs: tuple[Path, ...]  # written; empty for a stream or after an error
    choice: Choice | None = None  # None where it was not read
    seconds: float = 0.0  # spent on choosing and denoising
    warnings: tuple[str, ...] = ()
    error: DenoiseError | None = None


def process(
    items: Sequence[Item],
    places: Sequence[Sequence[Path]],
    bench: Workbench,
    read: Callable[[Item], Image],
    write: Callable[[Sequence[Image], Sequence[Path]], None],
) -> Iterator[Result]:
    """Denoise every item into its places; the results come in the order of the items, once they are written.

    An error with one image is in its result and does not stop the others; a ``UsageError`` would meet all of them and
    is raised.
    """
    waiting: deque[tuple[Result, Future[None]]] = deque()
    with ThreadPoolExecutor(2) as pool:
        coming = pool.submit(read, items[0])
        for index, (item, paths) in enumerate(zip(items, places, strict=True)):
            present = coming
            if index + 1 < len(items):
                coming = pool.submit(read, items[index + 1])
            choice: Choice | None = None
            warnings: tuple[str, ...] = ()
            began = time.monotonic()
            try:
                image = present.result()
                warnings, began = image.source.warnings, time.monotonic()
                choice = bench.choose(image)
                estimates = denoise_image(choice.engine, image)
            except UsageError:
                coming.cancel()
                raise
            except DenoiseError as error:
                while waiting:
                    yield _settle(*waiting.popleft())
                yield Result(item, (), choice, time.monotonic() - began, warnings, error)
                continue
            result = Result(item, tuple(paths), choice, time.monotonic() - began, warnings)
            waiting.append((result, pool.submit(write, estimates, paths)))
            while waiting and (len(waiting) > _WAITING or waiting[0][1].done()):
                yield _settle(*waiting.popleft())
        while waiting:
            yield _settle(*waiting.popleft())


def _settle(result: Result, writing: Future[None]) -> Result:
    try:
        writing.result()
    except DenoiseError as error:
        return Result(result.item, (), result.choice, result.seconds, result.warnings, error)
    return result
