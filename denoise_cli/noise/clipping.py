"""What clipping to [0, 1] makes of noise that may grow with the light: its mean, its variance, its kurtosis."""

import torch
from torch import Tensor

_FEW, _COUNTS = 20, 64  # photons, on average, up to which each is counted; and how many these can at most be


def clipped(tones: Tensor, shot: float, read: float) -> tuple[Tensor, Tensor, Tensor]:
    """The light of blocks with means ``tones`` (C, K), what clipping leaves of the variance, its kurtosis: (K,) each.

    ``shot`` and ``read`` are deviations on [0, 1]; the variance before clipping is shot^2 x + read^2.

    By the moments of a clipped normal variable, or where the photons are few of a clipped sum of normal ones, for each
    count of them. Clipped noise has a negative excess kurtosis k: the squares of two coefficients of P^2 pixels then
    have the covariance k / P^2 in units of the squared variance.
    """
    light = torch.linspace(-0.6, 1.6, 221, dtype=torch.float64)
    variance = (shot * shot * light.clamp(0, 1) + read * read).clamp_min(1e-12)
    moments = _moments(light, variance.sqrt())
    few = (light >= 0) & (light < _FEW * shot * shot)
    if few.any():
        counts = torch.arange(_COUNTS, dtype=torch.float64)
        photons = light[few, None] / shot**2
        chance = torch.exp(torch.xlogy(counts, photons) - photons - torch.lgamma(counts + 1))
        moments[:, few] = _moments(counts * shot**2, torch.full_like(counts, max(read, 1e-6))) @ chance.T
    mean, second, third, fourth = moments
    left = (second - mean.square()).clamp_min(0)
    central = fourth - 4 * mean * third + 6 * mean.square() * second - 3 * mean**4
    kurtosis = central / left.square().clamp_min(1e-18) - 3
    share = (left / variance).clamp(1e-3, 1)
    rising = mean.cummax(dim=0).values
    found = _read_off(rising, torch.stack((light.clamp(0, 1), share, kurtosis.clamp(-2, 0))), tones)
    light, kept, excess = found.mean(dim=1)
    return light, kept, excess


def _moments(mean: Tensor, sigma: Tensor) -> Tensor:
    """The first four moments, about 0, of normal variables (N,) that are clipped to [0, 1]: (4, N)."""
    steps = torch.linspace(-4, 4, 161, dtype=torch.float64)
    chance = torch.exp(-steps.square() / 2)
    values = (mean[:, None] + sigma[:, None] * steps).clamp(0, 1)
    squares = values.square()
    return torch.stack((values, squares, values * squares, squares.square())) @ (chance / chance.sum())


def _read_off(x: Tensor, y: Tensor, at: Tensor) -> Tensor:
    """Each row of ``y`` at the places ``at`` between the rising ``x``, linearly: (rows, *at)."""
    x, y = x.to(at.device), y.to(at.device)
    places = at.double().clamp(1e-6, 1 - 1e-6)
    after = torch.searchsorted(x, places).clamp(1, len(x) - 1)
    part = ((places - x[after - 1]) / (x[after] - x[after - 1]).clamp_min(1e-12)).clamp(0, 1)
    return torch.lerp(y[:, after - 1], y[:, after], part).to(at)
