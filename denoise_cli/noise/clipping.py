"""What clipping to [0, 1] makes of noise that may grow with the light: its mean, its variance, its kurtosis."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_FEW, _COUNTS = 20, 64  # photons, on average, up to which each is counted; and how many these can at most be
_LIGHT = np.linspace(-0.6, 1.6, 221)
_STEPS = np.linspace(-4, 4, 161)  # deviations
_LOG_FACTORIALS = np.array([math.lgamma(count + 1) for count in range(_COUNTS)])
_CHANCE = np.exp(-np.square(_STEPS) / 2) / np.exp(-np.square(_STEPS) / 2).sum()


def clipped(tones: Array, shot: float, read: float) -> tuple[Array, Array, Array]:
    """The light of blocks with means ``tones`` (C, K), what clipping leaves of the variance, its kurtosis: (K,) each.

    ``shot`` and ``read`` are deviations on [0, 1]; the variance before clipping is shot^2 x + read^2.

    By the moments of a clipped normal variable, or where the photons are few of a clipped sum of normal ones, for each
    count of them. Clipped noise has a negative excess kurtosis k: the squares of two coefficients of P^2 pixels then
    have the covariance k / P^2 in units of the squared variance.
    """
    variance = (shot * shot * _LIGHT.clip(0, 1) + read * read).clip(1e-12)
    moments = _moments(_LIGHT, np.sqrt(variance))
    few = (_LIGHT >= 0) & (_FEW * shot * shot > _LIGHT)
    if few.any():
        counts = np.arange(_COUNTS, dtype=np.float64)
        photons = _LIGHT[few, None] / shot**2
        chance = np.exp(counts * np.log(photons.clip(1e-300)) - photons - _LOG_FACTORIALS)
        moments[:, few] = _moments(counts * shot**2, np.full_like(counts, max(read, 1e-6))) @ chance.T
    mean, second, third, fourth = moments
    left = (second - np.square(mean)).clip(0)
    central = fourth - 4 * mean * third + 6 * np.square(mean) * second - 3 * mean**4
    kurtosis = central / np.square(left).clip(1e-18) - 3
    share = (left / variance).clip(1e-3, 1)
    found = _read_off(np.maximum.accumulate(mean), (_LIGHT.clip(0, 1), share, kurtosis.clip(-2, 0)), tones)
    light, kept, excess = (part.mean(axis=0, dtype=np.float32) for part in found)
    return light, kept, excess


def _moments(mean: Array, sigma: Array) -> Array:
    """The first four moments, about 0, of normal variables (N,) that are clipped to [0, 1]: (4, N)."""
    values = (mean[:, None] + sigma[:, None] * _STEPS).clip(0, 1)
    squares = np.square(values)
    return np.stack((values @ _CHANCE, squares @ _CHANCE, (values * squares) @ _CHANCE, np.square(squares) @ _CHANCE))


def _read_off(x: Array, ys: Sequence[Array], at: Array) -> list[Array]:
    """Each of ``ys`` at the places ``at`` between the rising ``x``, linearly."""
    places = at.astype(np.float64).clip(1e-6, 1 - 1e-6)
    after = np.searchsorted(x, places).clip(1, len(x) - 1)
    before = after - 1
    part = ((places - x[before]) / np.diff(x).clip(1e-12)[before]).clip(0, 1)
    return [y[before] + part * np.diff(y)[before] for y in ys]
