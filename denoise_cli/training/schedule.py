"""The learning rate over the steps of a run."""

from math import cos, pi

from denoise_cli.method import Recipe


def rate_at(step: int, recipe: Recipe) -> float:
    """Linear warm-up to ``recipe.rate``, then half a cosine to zero at the last step.

    Loshchilov, Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017, equation 5, without restarts.
    """
    if step < recipe.warmup:
        return recipe.rate * (step + 1) / recipe.warmup
    part = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return recipe.rate * 0.5 * (1 + cos(pi * part))
