"""How noisy an image is, from the image alone: its level, whether it grows with the light, whether it is white.

Blocks are taken through a cosine transform (and colours through one of three points); white noise has the same
deviation in every coefficient, independently, where pictures live in the low ones. So the blocks that are weakest in
the low coefficients are chosen, and the noise is measured in the high ones, which the choice does not bias: after
Ponomarenko, Lukin, Zriakhov, Kaarna, Astola, "An automatic approach to lossy compression of AVIRIS images", IGARSS
2007. Added to it: clipping is undone by the moments of a clipped normal variable and of few photons, the number of
blocks settles itself, pixels that are known to be wrong are left out, and a level for each tone gives the noise of
photons.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from denoise_cli.errors import UsageError
from denoise_cli.noise.clipping import Array, clipped
from denoise_cli.noise.coarse import coarseness
from denoise_cli.noise.levels import on_unit

_SIDES = (8, 6, 4, 3, 2)  # of the blocks; the largest of which there are enough without a wrong pixel
_ENOUGH = 300  # blocks without a wrong pixel
_MOST_BLOCKS = 25_000  # in an image, or twice as many; a stride thins them out
_FEW_VALUES = 12_000  # of an image in which blocks begin at every pixel; in others at every second one at least
_FRACTIONS = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16)  # of the blocks that are chosen: as many as agree with fewer
_FEWEST = 24  # blocks chosen
_CREST = 1.5  # deviations by which more blocks may differ from fewer and still agree
_FIRST = 500  # blocks for the first guess
_ROUNDS = 4  # of clipping undone with the level of the round before, at most
_SETTLED = 3e-3  # relative change of the level from round to round, which ends them
_LEAST_KEPT = 0.3  # share of the variance that clipping must have left in a block
_UNTOUCHED = 0.8  # share that it must have left where the growth of noise with the light is read
_DIMMEST = 0.05  # least variance of a block's noise, over that at the mean light
_TELLS = 0.2  # of that, from which a block tells the level
_NOTHING = 1e-6  # sigma that is rounding
_TONES = 12  # bins of brightness
_BIN_BLOCKS = 60  # blocks that a bin of brightness must have
_GROWS = 1.3  # deviation at the brightest part over that at the darkest, from which noise counts as growing with light
_MISFIT = 0.25  # relative distance of the levels from the line, above which they are no line
_BELOW = 0.4  # of the levels lie below the line
_OUTLYING = 0.5  # of an error, in the logarithm: what is further off counts no more


@dataclass(frozen=True)
class NoiseLevel:
    """Standard deviations on [0, 1] of the noise of one image, before it was clipped."""

    sigma: float  # over the image, of one pixel
    fine: float  # in the finest detail only; less than ``sigma`` where the noise is correlated from pixel to pixel
    shot: float  # where it is white: part that grows with the square root of the light; variance shot^2 x + read^2
    read: float  # part that is the same everywhere
    white: bool  # whether coarse and fine detail are equally noisy in the flattest blocks


def known_sigma(given: float | None, noisy: Tensor, model: str, name: str = "sigma") -> float:
    """The standard deviation of the noise on [0, 1]: ``given``, as typed, or measured on noisy images (N, C, H, W).

    What is measured is at most 1, which only impulses exceed. Raises ``UsageError`` for a level below 0, which it calls
    the ``name`` of ``model``.
    """
    if given is None:
        return min(1.0, gaussian_sigma(noisy).mean().item())
    if not (isinstance(given, int | float) and math.isfinite(given) and given >= 0):
        raise UsageError(
            f"{model}: {name} cannot be {given!r}.", "It is 0 or more: up to 1 on [0, 1], above on 0..255."
        )
    return on_unit(given)


def gaussian_sigma(noisy: Tensor) -> Tensor:
    """The standard deviation of white noise in each image (N, C, H, W), as (N,), on [0, 1]: that of the finest detail.

    So that a texture without any flat patch does not pass for coarse noise. An image with fewer than two rows or
    columns has none that could be measured: 0.
    """
    levels = [noise_level(image).fine for image in noisy]
    return torch.tensor(levels, dtype=torch.float32, device=noisy.device)


def noise_level(image: Tensor, known: Tensor | None = None) -> NoiseLevel:
    """The noise of one image (C, H, W) on [0, 1], from the pixels that are ``known`` (1, H, W) to be no impulses.

    What is not finite is left out too. Values below 0 or above 1 say that it was not clipped.
    """
    image = image.detach().float()
    if len(image) > 1 and all(torch.equal(channel, image[0]) for channel in image[1:]):
        image = image[:1]
    finite = image.isfinite().all(dim=0, keepdim=True)
    if not finite.all():
        image, known = image.where(finite, 0.0), finite if known is None else finite & known
    with torch.autocast(image.device.type, enabled=False):  # which would round the noise away
        blocks = _blocks(image, known)
    if blocks is None:
        return NoiseLevel(0.0, 0.0, 0.0, 0.0, True)
    clips = image.min().item() >= 0 and image.max().item() <= 1
    light = image.mean().clamp(0, 1).item()
    shot, read = 0.0, math.sqrt(_median(blocks.high[:: 1 + len(blocks.high) // _FIRST]))
    for _ in range(_ROUNDS):
        before = shot, read
        blocks = _levelled(blocks, shot, read, light, clips)
        part = blocks.untouched(_LEAST_KEPT)
        shot, read = _growth(part) or (0.0, _weakest(part))
        if math.dist(before, (shot, read)) <= _SETTLED * read:
            break
    sigma = math.sqrt(shot * shot * light + read * read)
    if shot > 0 and sigma > 0:  # the line tells how levels relate, the flattest blocks of all tones the level itself
        part = _levelled(blocks, shot, read, light, clips).untouched(_UNTOUCHED)
        telling = part.scale > _TELLS * part.kept
        part = part.take(telling) if telling.any() else part
        right = _weakest(part) / sigma
        shot, read, sigma = shot * right, read * right, sigma * right
    if sigma < _NOTHING:
        return NoiseLevel(0.0, 0.0, 0.0, 0.0, True)
    level = part.kept * (shot * shot * part.light.clip(0) + read * read).clip(1e-12)
    coarse = coarseness(part.every / level, part.light, part.fewest)
    if coarse > 1:
        return NoiseLevel(sigma * coarse, sigma, 0.0, sigma * coarse, False)
    return NoiseLevel(sigma, sigma, shot, read, True)


@dataclass(frozen=True)
class _Blocks:
    """Blocks of an image: K of them, in float32."""

    low: Array  # (K,) mean square of the low coefficients, the mean left out
    high: Array  # (K, F) square of the high ones
    every: Array  # (K,) mean square of all but the mean
    tones: Array  # (C, K) mean of each channel
    light: Array  # (K,) mean of the light, before anything was clipped
    kept: Array  # (K,) share of the noise's variance that clipping left
    scale: Array  # (K,) variance of the noise that is left, over that at the image's mean light
    tie: Array  # (K,) by how much the high coefficients of clipped noise rise with its low ones; 0 if not clipped
    lows: int  # low coefficients of a channel
    pixels: int  # of a block
    overlap: float  # how many blocks a pixel is in

    @property
    def fewest(self) -> int:
        """How many blocks say something."""
        return max(_FEWEST, round(2 * self.overlap))

    def take(self, chosen: Array) -> "_Blocks":
        """Those that are ``chosen``."""
        parts = {
            name: getattr(self, name)[chosen] for name in ("low", "high", "every", "light", "kept", "scale", "tie")
        }
        return replace(self, tones=self.tones[:, chosen], **parts)

    def untouched(self, least: float) -> "_Blocks":
        """Those in which clipping left so much of the variance; where they are few, the better half."""
        usable = self.kept > least
        if usable.all():
            return self
        if usable.sum() < min(4 * self.fewest, len(usable)):
            usable = self.kept >= _median(self.kept)
        return self.take(usable)


def _blocks(image: Tensor, known: Tensor | None) -> _Blocks | None:
    """The blocks of ``image``; ``None`` where it is too small for any."""
    height, width = image.shape[-2:]
    sides = [side for side in _SIDES if side <= min(height, width)]
    chosen: tuple[int, int, Tensor | None] | None = None
    for side in sides:
        least = 2 if image.numel() >= _FEW_VALUES and side > 4 else 1
        stride = max(least, min(side, round(math.sqrt(height * width / _MOST_BLOCKS))))
        if known is None:
            chosen = side, stride, None
            break
        whole = -functional.max_pool2d(-known.float(), side, 1)[0] > 0.5
        count = int(whole.sum())
        if count >= _ENOUGH * stride * stride or count >= whole.numel() / 2 or side == sides[-1]:
            stride = stride if count >= _ENOUGH * stride * stride else 1
            chosen = side, stride, whole[::stride, ::stride].flatten()
            break
    if chosen is None:
        return None
    side, stride, whole_blocks = chosen
    tones = functional.avg_pool2d(image, side, stride).flatten(1)  # (C, K)
    if len(image) == 3:
        image = torch.tensordot(_cosines(3).to(image), image, dims=1)
    parts = image.unfold(1, side, stride).unfold(2, side, stride)  # (C, rows, columns, side, side)
    pixels = parts.permute(1, 2, 0, 3, 4).reshape(-1, len(image), side**2)  # (K, C, side^2)
    if whole_blocks is not None:
        if not whole_blocks.any():
            return None
        tones, pixels = tones[:, whole_blocks], pixels[whole_blocks]
    basis, lows, highs = _basis(side)
    squares = (pixels @ basis.to(image.device)).square_()
    high = squares[..., -highs:].flatten(1).cpu().numpy()
    low, every = (part.mean(dim=(1, 2)).cpu().numpy() for part in (squares[..., :lows], squares))
    light, one, none = tones.mean(dim=0).cpu().numpy(), np.ones_like(low), np.zeros_like(low)
    return _Blocks(low, high, every, tones.cpu().numpy(), light, one, one, none, lows, side**2, (side / stride) ** 2)


def _levelled(blocks: _Blocks, shot: float, read: float, mean: float, clips: bool) -> _Blocks:
    """What ``shot`` and ``read`` say of each block, in an image of ``mean`` light; ``clips`` where it is clipped."""
    if clips:
        light, kept, excess = clipped(blocks.tones, shot, read)
        tie = excess / blocks.pixels
        blocks = replace(blocks, light=light, kept=kept, tie=tie / (2 / blocks.lows + tie))
    level = (shot * shot * blocks.light.clip(0) + read * read) / max(shot * shot * mean + read * read, 1e-12)
    return replace(blocks, scale=blocks.kept * level.clip(_DIMMEST))


def _weakest(blocks: _Blocks) -> float:
    """The deviation in the high coefficients of as many of the weakest blocks as agree with fewer of them."""
    return math.sqrt(_weakest_variances(blocks, [np.arange(len(blocks.low))])[0])


def _weakest_variances(blocks: _Blocks, groups: Sequence[Array]) -> list[float]:
    """The same, squared, for each of several groups of blocks, by their places."""
    rank, fewest = blocks.low / blocks.scale, blocks.fewest
    chosen, ends = list[Array](), list[list[int]]()
    for group in groups:
        counts = [min(len(group), max(fewest, int(part * len(group)))) for part in _FRACTIONS]
        chosen.append(group[rank[group].argsort()[: counts[-1]]])
        ends.append(sorted(set(counts)))
    places = np.concatenate(chosen)
    rows = np.empty((len(places), 2 + blocks.high.shape[1]))
    rows[:, 0], rows[:, 1] = rank[places], blocks.tie[places]
    np.divide(blocks.high[places], blocks.scale[places, None], out=rows[:, 2:])
    first = np.cumsum([0, *(counts[-1] for counts in ends)])
    starts = [start + end for start, counts in zip(first, ends, strict=False) for end in (0, *counts[:-1])]
    sums = np.split(np.add.reduceat(rows, starts), np.cumsum([len(counts) for counts in ends])[:-1])
    means = [part.cumsum(axis=0) / np.array(counts)[:, None] for part, counts in zip(sums, ends, strict=True)]
    weak, tie, high = np.split(np.concatenate(means), (1, 2), axis=1)
    features = high.shape[1]
    middle = np.partition(high, (features - 1) // 2, axis=1)[:, (features - 1) // 2, None]
    levels = iter(((middle - tie * weak) / (1 - tie)).clip(0).ravel().tolist())
    return [_agreed([(count, next(levels)) for count in counts], features, blocks.overlap) for counts in ends]


def _agreed(found: Sequence[tuple[int, float]], features: int, overlap: float) -> float:
    """The last of the variances, each of so many of the weakest blocks, before one that tops what it may."""
    level = error = math.inf
    for count, variance in found:
        if variance - level > _CREST * error:
            break
        independent = max(1.0, 4 * count / max(4.0, overlap)) * features
        level, error = variance, variance * math.sqrt(2 / independent)
    return level


def _growth(blocks: _Blocks) -> tuple[float, float] | None:
    """Shot and read deviation by the line through the level at each tone; ``None`` where it does not grow."""
    blocks = blocks.untouched(_UNTOUCHED)
    bins = (blocks.light.clip(0, 1 - 1e-6) * _TONES).astype(np.intp)
    count = np.bincount(bins, minlength=_TONES)
    full = np.flatnonzero(count >= max(_BIN_BLOCKS, 2 * blocks.fewest))
    tones = np.bincount(bins, blocks.light, _TONES)[full] / count[full]
    if len(full) < 3 or tones[-1] - tones[0] < 0.2:
        return None
    inside = np.split(bins.argsort(kind="stable"), count.cumsum()[:-1])
    variances = _weakest_variances(blocks, [inside[tone] for tone in full])
    levels = np.bincount(bins, blocks.scale / blocks.kept, _TONES)[full] / count[full] * variances
    slope, offset, misfit = _line(tones, levels, np.sqrt(count[full]))
    if slope * tones[-1] + offset < _GROWS**2 * (slope * tones[0] + offset) or misfit > _MISFIT:
        return None
    return math.sqrt(slope), math.sqrt(offset)


def _line(x: Array, y: Array, w: Array) -> tuple[float, float, float]:
    """Slope and offset, neither below 0, of the line through ``y`` of least relative error, and that error.

    It is the weighted mean of the errors' sizes, those below the line a little heavier: texture adds to the level.
    """
    share = np.linspace(0, 1, 201)[:, None]  # of the slope
    distance = np.log(y.clip(1e-12) / (share * x + (1 - share)).clip(1e-12))
    order = distance.argsort(axis=1)
    reached = w[order].cumsum(axis=1) >= _BELOW * w.sum()
    first = np.take_along_axis(order, reached.argmax(axis=1)[:, None], axis=1)
    middle = np.take_along_axis(distance, first, axis=1)
    apart = distance - middle
    sizes = np.where(apart > 0, 2 * _BELOW * apart, 2 * (_BELOW - 1) * apart).clip(max=_OUTLYING)
    errors = sizes @ w / w.sum()
    best = int(errors.argmin())
    scale, part = math.exp(middle[best, 0]), float(share[best, 0])
    return part * scale, (1 - part) * scale, float(errors[best])


def _median(values: Array) -> float:
    """The value in the middle, the lower one where there are two."""
    half = (values.size - 1) // 2
    return float(np.partition(values, half, axis=None)[half])


@lru_cache
def _cosines(side: int) -> Tensor:
    """The orthonormal cosine transform (DCT-II) of ``side`` points: (side, side)."""
    with torch.inference_mode(False):
        points = torch.arange(side, dtype=torch.float64)
        matrix = torch.cos(math.pi * (2 * points + 1) * points[:, None] / (2 * side)) * math.sqrt(2 / side)
        matrix[0] /= math.sqrt(2)
        return matrix.float()


@lru_cache
def _basis(side: int) -> tuple[Tensor, int, int]:
    """Its products over a block, (side^2, side^2 - 1), from low to high; how many of these are low, how many high."""
    with torch.inference_mode(False):
        matrix = _cosines(side)
        products = torch.einsum("ux,vy->xyuv", matrix, matrix).reshape(side * side, side * side)
        points = torch.arange(side)
        order = (points[:, None] + points).flatten()
        high = order > side if side > 3 else order >= side
        ranked = order.argsort(stable=True)[1:]
        return products[:, ranked].contiguous(), int((order < side).sum()) - 1, int(high.sum())
