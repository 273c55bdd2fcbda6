"""The learning rate over the steps of a run."""

from math import cos, pi

from denoise_cli.method import Recipe


def rate_at(step: int, recipe: Recipe) -> float:
    """Linear warm-up to ``recipe.rate``, then half a cosine to zero at the last step.

    A run that would end within its warm-up has one of a tenth of its steps.

    Loshchilov, Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017, equation 5, without restarts.
    """
    warmup = recipe.warmup if recipe.warmup < recipe.steps else recipe.steps // 10
    if step < warmup:
        return recipe.rate * (step + 1) / warmup
    part = (step - warmup) / (recipe.steps - warmup)
    return recipe.rate * 0.5 * (1 + cos(pi * part))
