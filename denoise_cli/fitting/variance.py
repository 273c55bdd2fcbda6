"""Stop where the outputs change least from step to step: before, the image comes; behind, the noise.

Hengkang Wang, Taihui Li, Zhong Zhuang, Tiancong Chen, Hengyue Liang, Ju Sun, "Early Stopping for Deep Image Prior",
TMLR 2023, section 2.2: the exponential moving variance.
"""

import torch
from torch import Tensor

from denoise_cli.method import Step

SHARE = 0.1  # of the present output in the running mean, and of its distance from that in the running variance
WARM_UP = 100  # steps before the variance means anything
PATIENCE = 300


class RunningVariance:
    """The step with the least exponential moving variance of the outputs."""

    def __init__(self, patience: int = PATIENCE, warm_up: int = WARM_UP) -> None:
        self.patience: int | None = patience
        self._warm_up = warm_up
        self._mean: Tensor | None = None
        self._variance: Tensor | None = None

    def score(self, step: Step) -> Tensor:
        """The variance; infinite while the fit warms up."""
        output = step.output.float()
        if self._mean is None or self._variance is None:
            self._mean, self._variance = output.clone(), torch.zeros_like(step.loss)
        away = output - self._mean
        self._mean = self._mean + SHARE * away
        squares = away.square().mean(dim=(1, 2, 3))
        self._variance = (1 - SHARE) * (self._variance + SHARE * squares)
        return self._variance if step.number > self._warm_up else torch.full_like(self._variance, torch.inf)
