"""The running mean of outputs, which is better than any of them: what is in all of them is the image."""

from collections.abc import Sequence

from torch import Tensor

_START = 10  # about so many steps pass before the decay is the full one


class RunningMean:
    """An exponential mean whose decay grows to ``decay``, so that the first outputs are soon forgotten."""

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self._count = 0
        self._mean: Tensor | None = None

    def take(self, output: Tensor) -> Tensor:
        """The mean with ``output`` in it."""
        self._count += 1
        decay = min(self._decay, self._count / (_START + self._count))
        self._mean = output if self._mean is None else output.lerp(self._mean, decay)
        return self._mean

    def keep(self, chosen: Sequence[int]) -> None:
        """Go on with the mean of some of the images alone."""
        if self._mean is not None:
            self._mean = self._mean[list(chosen)]
