"""Stop when the misfit has come down to the noise: Morozov's discrepancy principle.

V. A. Morozov, "On the solution of functional equations by the method of regularization", Soviet Math. Dokl. 1966.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from denoise_cli.errors import UsageError
from denoise_cli.method import Step
from denoise_cli.noise.gaussian import Gaussian


@dataclass(frozen=True)
class Discrepancy:
    """The first step whose mean squared misfit is at most ``sigma`` squared."""

    sigma: float  # standard deviation of the noise, on [0, 1]
    patience = None

    @classmethod
    def parse(cls, level: str) -> "Discrepancy":
        """From a level as in noise words: at most 1 it is on [0, 1], above on 0..255; raises ``UsageError``."""
        sigma = Gaussian.parse(level).sigma
        if sigma.low != sigma.high:
            raise UsageError(f"A fit cannot stop at the levels {level!r}.", "Name one: sigma:25.")
        return cls(sigma.low)

    def score(self, step: Step) -> Tensor:
        """The misfit, and minus infinity once it has come down."""
        return torch.where(step.loss <= self.sigma**2, -torch.inf, step.loss)
