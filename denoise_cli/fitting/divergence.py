"""Whether a fit diverges, by its losses and its estimates."""

import torch
from torch import Tensor

from denoise_cli.method import Step

_EXPLODED = 20.0  # a loss so many times the first one counts as diverged at once
_RISEN = 1.25, 0.01  # so many times the first one, and so much more: once a fit had its time to find its way
_LEAST = 0.02  # what the first one counts for at least: by chance the net may begin near the image
_LOOK = 25  # steps between looks at whether it has risen


class Course:
    """The losses of one fit, image by image.

    A net whose outputs are bounded never explodes: one that diverges stays where its outputs are black or white, with a
    loss of a few times the first one. In its first steps a sound fit may be there too.
    """

    def __init__(self) -> None:
        self._first: Tensor | None = None
        self._coarse = False
        self._risen: Tensor | None = None

    def take(self, step: Step) -> Tensor:
        """Which images' ``step`` can be an answer, (N,) of bool: all is finite, and nothing has exploded."""
        if self._first is None or self._risen is None:
            self._first = step.loss.clamp_min(_LEAST)
        elif self._coarse and not step.coarse:  # the misfit of all pixels, with the noise that their means had not
            self._first = torch.where(self._risen, self._first, torch.maximum(self._first, step.loss))
        self._coarse = step.coarse
        self._risen = step.loss > _RISEN[0] * self._first + _RISEN[1]
        finite = step.loss.isfinite() & step.estimate.isfinite().flatten(1).all(dim=1)
        return finite & (step.loss <= _EXPLODED * self._first)

    def risen(self) -> Tensor:
        """Which images' loss is clearly above the first one, (N,) of bool."""
        assert self._risen is not None, "no step was taken"
        return self._risen

    def has_risen(self, number: int, *, last: bool) -> bool:
        """Whether that is so for any at step ``number``, if it is one at which to look, as the ``last`` one is."""
        return (last or number % _LOOK == 0) and bool(self.risen().any())
