"""How long a training waits for its data."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


class Waiting:
    """Measures the time in which the device has no batch to learn from.

    On CUDA that is the time on the GPU's own clock from the end of a step until its next batch is there, whether it
    computes the batch or idles; elsewhere the time in which the batch is made. Nothing here waits for the device but
    ``seconds``.
    """

    def __init__(self, device: torch.device) -> None:
        self._on_gpu = device.type == "cuda"
        self._seconds = 0.0
        self._pending: list[tuple[Any, Any]] = []

    @contextmanager
    def for_data(self) -> Iterator[None]:
        """The block makes the data."""
        if self._on_gpu:
            before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
            before.record()
            yield
            after.record()
            self._pending.append((before, after))
        else:
            began = time.perf_counter()
            yield
            self._seconds += time.perf_counter() - began

    def seconds(self) -> float:
        """How long so far."""
        for before, after in self._pending:
            after.synchronize()
            self._seconds += before.elapsed_time(after) / 1000
        self._pending.clear()
        return self._seconds
