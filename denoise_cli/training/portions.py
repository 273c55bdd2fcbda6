"""How many images are worked on at once: fewer where the memory runs out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch

from denoise_cli import device as devices
from denoise_cli.errors import DeviceError

_T = TypeVar("_T")


@dataclass
class Portions:
    """How many images a piece of work takes at once; what it learned of the memory it keeps."""

    limit: int | None = None  # at most so many; None: all that there are
    halvings: int = 0  # how often the memory was too small for them

    def size(self, count: int) -> int:
        """How many of ``count`` images go at once."""
        return -(-min(count, self.limit or count) // (1 << self.halvings))

    def fit(self, count: int, work: Callable[[int], _T], device: torch.device, one: str) -> _T:
        """What ``work`` returns, which is told how many of ``count`` images to take at once.

        It is begun anew with half as many where ``device``, or the machine, has no memory left. Raises ``DeviceError``
        where a single one, which is called ``one``, is too much.
        """
        while True:
            size = self.size(count)
            try:
                return work(size)
            except (RuntimeError, MemoryError) as error:
                if not devices.is_out_of_memory(error):
                    raise
                if size == 1:
                    raise DeviceError(
                        f"Out of memory on {device}, for {one}.",
                        "Use a smaller --patch or a smaller net, or close other programs.",
                    ) from error
            self.halvings += 1  # here, where the failed attempt is no longer held by its traceback
            if device.type == "cuda":
                torch.cuda.empty_cache()
