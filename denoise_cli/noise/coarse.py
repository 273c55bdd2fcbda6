"""How much more noise there is in coarse detail than in the finest, in the flattest blocks of an image.

White noise is alike in both. That of a camera was spread over neighbours by demosaicing, and JPEG threw its finest part
away: what the finest detail shows is an eighth of it.
"""

import math
from statistics import fmean

import numpy as np

from denoise_cli.noise.clipping import Array

_WHITE = 1.6  # deviation of all coefficients over that of the high ones, up to which noise counts as white
_FLAT = 0.02  # share of the blocks, the flattest, that tell whether noise is white
_TELLING = 5  # times as many blocks must be
_EVEN = 1.8  # at most so much less flat, or the flattest are texture too
_DEPTHS = (2.42, 1.755)  # deviations below the mean of the flattest 2 % and 10 % of what is normal
_MOST_SPREAD = 0.45  # deviation of the logarithm of the energy that is taken for that of noise
_TONES, _AGREEING = 6, 5  # parts of the blocks by their light, and how many of these have to show coarse noise
_LEAST = 6.5  # as ``_WHITE``, of noise in parts of the tones: textures are less coarse


def coarseness(energy: Array, light: Array, fewest: int) -> float:
    """The deviation of all coefficients over that of the high ones; 1 where noise is white, or texture hides it.

    ``energy`` (K,) is the mean square of all coefficients of each block, over what the high ones say, ``light`` (K,)
    its brightness; ``fewest`` blocks say something. Where a camera's response makes some tones noisier than others, the
    flattest blocks are all of a few tones; then most tones have to show by themselves that they are far from white.
    """
    whole = _of_noise(energy, fewest)
    if whole is not None:
        return math.sqrt(whole)
    tones = np.array_split(light.argsort(kind="stable"), _TONES)
    found = [part for tone in tones if (part := _of_noise(energy[tone], fewest)) is not None]
    if len(found) < _AGREEING or min(found) < _LEAST**2:
        return 1.0
    return math.sqrt(fmean(found))


def _of_noise(energy: Array, fewest: int) -> float | None:
    """The mean energy of the noise in blocks of such ``energy``; ``None`` if it is white, or texture hides it.

    In white noise the flattest blocks have nearly the mean energy, in correlated noise, where few coefficients hold it,
    far less; how fast it rises among the flattest says by how much, as if its logarithm were normal.
    """
    count = max(fewest, int(_FLAT * len(energy)))
    if len(energy) < 2 * _TELLING * count:
        return None
    flattest = np.sort(energy)[: _TELLING * count]
    flat, more = float(flattest[:count].mean()), float(flattest.mean())
    if math.sqrt(flat) <= _WHITE or more > _EVEN * flat:
        return None
    spread = min(_MOST_SPREAD, math.log(more / flat) / (_DEPTHS[0] - _DEPTHS[1]))
    return more * math.exp(_DEPTHS[1] * spread + spread * spread / 2)
