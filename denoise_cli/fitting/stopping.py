"""When a fit is to stop: the words for it, and what every rule promises.

Left alone, a fit goes from the image to its noise; the best estimate lies on the way.
"""

from typing import Protocol

from torch import Tensor

from denoise_cli.errors import UsageError
from denoise_cli.fitting.discrepancy import Discrepancy
from denoise_cli.fitting.held_out import HeldOut
from denoise_cli.fitting.variance import RunningVariance
from denoise_cli.method import Step

FORMS = "auto, held-out, variance, sigma:25 or none"


class Rule(Protocol):
    """Scores the steps of one fit, in their order."""

    @property
    def patience(self) -> int | None:
        """Steps without a better score after which the fit stops; ``None``: it does not."""
        ...

    def score(self, step: Step) -> Tensor:
        """(N,) for each image, the lower the better; infinite: not known yet; minus infinite: stop here."""
        ...


class Last:
    """The last step is the best one: nothing stops the fit."""

    patience = None

    def score(self, step: Step) -> Tensor:
        """Minus the number of the step."""
        return step.loss.new_full(step.loss.shape, -step.number)


class Automatic:
    """The held-out pixels where the fit has any, else the running variance: of few pixels none may be held out."""

    def __init__(self) -> None:
        self._rule: Rule | None = None

    @property
    def patience(self) -> int | None:
        """That of the rule that was taken."""
        return None if self._rule is None else self._rule.patience

    def score(self, step: Step) -> Tensor:
        """That of the rule that was taken, by the first step."""
        if self._rule is None:
            self._rule = RunningVariance() if step.held_out is None else HeldOut()
        return self._rule.score(step)


def rule(word: str) -> Rule:
    """The rule for ``auto``, ``held-out``, ``variance``, ``none``, or ``sigma:25`` (a level as in noise words).

    Raises ``UsageError`` for any other word.
    """
    kind, colon, level = word.partition(":")
    if kind == "sigma" and colon:
        return Discrepancy.parse(level)
    makers = {"auto": Automatic, "held-out": Automatic, "variance": RunningVariance, "none": Last}
    if word not in makers:
        raise UsageError(f"A fit cannot stop at {word!r}.", f"Write {FORMS}.")
    made: Rule = makers[word]()
    return made
