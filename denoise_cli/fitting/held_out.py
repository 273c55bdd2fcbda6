"""Stop by pixels that the fit does not see: their misfit is the error of the estimate plus the noise, which is fixed.

Cross-validation as in Jo, Chun, Choi, "Rethinking Deep Image Prior for Denoising", ICCV 2021, asks for, without its
derivative: the noise of a pixel that was never fitted is independent of the estimate there.
"""

from torch import Tensor

from denoise_cli.method import Step

PATIENCE = 200
_SHARE = 0.05  # of the pixels
_STOPS = ("auto", "held-out")


def share(given: float | None, stop: str) -> float:
    """Which share of the pixels is held out: what was ``given``, else as much as it takes where ``stop`` goes by it."""
    if given is not None:
        return given
    return _SHARE if stop in _STOPS else 0.0


class HeldOut:
    """The step with the least misfit on the held-out pixels."""

    def __init__(self, patience: int = PATIENCE) -> None:
        self.patience: int | None = patience

    def score(self, step: Step) -> Tensor:
        """The misfit on the held-out pixels."""
        assert step.held_out is not None, "this fit holds no pixels out"
        return step.held_out
