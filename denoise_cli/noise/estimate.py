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
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import median_low

import torch
from torch import Tensor
from torch.nn import functional

from denoise_cli.errors import UsageError
from denoise_cli.noise.clipping import clipped
from denoise_cli.noise.levels import on_unit

_SIDES = (8, 6, 4, 3, 2)  # of the blocks; the largest of which there are enough without a wrong pixel
_ENOUGH = 300  # blocks without a wrong pixel
_MOST_BLOCKS = 40_000  # in an image; a stride thins them out
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
_WHITE = 1.6  # deviation of the low coefficients over the high ones, up to which noise counts as white
_FLAT = 0.02  # share of the blocks, the flattest, that tell whether noise is white
_TELLING = 5  # times as many blocks must be
_EVEN = 1.8  # at most so much less flat, or the flattest are texture too
_DEPTHS = (2.42, 1.755)  # deviations below the mean of the flattest 2 % and 10 % of what is normal
_MOST_SPREAD = 0.45  # deviation of the logarithm of the energy that is taken for that of noise


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

    Values below 0 or above 1 say that it was not clipped.
    """
    image = image.detach().float()
    if len(image) > 1 and all(torch.equal(channel, image[0]) for channel in image[1:]):
        image = image[:1]
    blocks = _blocks(image, known)
    if blocks is None:
        return NoiseLevel(0.0, 0.0, 0.0, 0.0, True)
    clips = image.min().item() >= 0 and image.max().item() <= 1
    light = image.mean().clamp(0, 1).item()
    shot, read = 0.0, blocks.high[:: 1 + len(blocks.high) // _FIRST].median().sqrt().item()
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
        part = part.take(part.scale > _TELLS * part.kept)
        right = _weakest(part) / sigma
        shot, read, sigma = shot * right, read * right, sigma * right
    if sigma < _NOTHING:
        return NoiseLevel(0.0, 0.0, 0.0, 0.0, True)
    coarse = _coarse(part, shot, read)
    if coarse > _WHITE:
        return NoiseLevel(sigma * coarse, sigma, 0.0, sigma * coarse, False)
    return NoiseLevel(sigma, sigma, shot, read, True)


@dataclass(frozen=True)
class _Blocks:
    """Blocks of an image: K of them."""

    low: Tensor  # (K,) mean square of the low coefficients, the mean left out
    high: Tensor  # (K, F) square of the high ones
    every: Tensor  # (K,) mean square of all but the mean
    tones: Tensor  # (C, K) mean of each channel
    light: Tensor  # (K,) mean of the light, before anything was clipped
    kept: Tensor  # (K,) share of the noise's variance that clipping left
    scale: Tensor  # (K,) variance of the noise that is left, over that at the image's mean light
    tie: Tensor  # (K,) by how much the high coefficients of clipped noise rise with its low ones; 0 if not clipped
    lows: int  # low coefficients of a channel
    pixels: int  # of a block
    overlap: float  # how many blocks a pixel is in

    @property
    def fewest(self) -> int:
        """How many blocks say something."""
        return max(_FEWEST, round(2 * self.overlap))

    def take(self, chosen: Tensor) -> "_Blocks":
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
            usable = self.kept >= self.kept.median()
        return self.take(usable)


def _blocks(image: Tensor, known: Tensor | None) -> _Blocks | None:
    """The blocks of ``image``; ``None`` where it is too small for any."""
    height, width = image.shape[-2:]
    sides = [side for side in _SIDES if side <= min(height, width)]
    chosen: tuple[int, int, Tensor | None] | None = None
    for side in sides:
        stride = max(1, min(side, round(math.sqrt(height * width / _MOST_BLOCKS))))
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
    basis = _basis(side).to(image.device)
    rows = functional.conv2d(image[:, None], basis, stride=stride).flatten(2)  # (C, side^2, K)
    if whole_blocks is not None:
        if not whole_blocks.any():
            return None
        rows = rows[..., whole_blocks]
    tones = rows[:, 0] / side  # (C, K)
    if len(image) == 3:
        rows = torch.einsum("cd,dpk->cpk", _cosines(3).to(rows), rows)
    squares = rows[:, 1:].square()
    order = _order(side).to(image.device)[1:]
    lower = order < side
    high = squares[:, order > side if side > 3 else order >= side].flatten(0, 1).T.contiguous()
    low = squares[:, lower].mean(dim=(0, 1))
    one, none, light = torch.ones_like(low), torch.zeros_like(low), tones.mean(dim=0)
    every, overlap = squares.mean(dim=(0, 1)), (side / stride) ** 2
    return _Blocks(low, high, every, tones, light, one, one, none, int(lower.sum()), side**2, overlap)


def _levelled(blocks: _Blocks, shot: float, read: float, mean: float, clips: bool) -> _Blocks:
    """What ``shot`` and ``read`` say of each block, in an image of ``mean`` light; ``clips`` where it is clipped."""
    if clips:
        light, kept, excess = clipped(blocks.tones, shot, read)
        tie = excess / blocks.pixels
        blocks = replace(blocks, light=light, kept=kept, tie=tie / (2 / blocks.lows + tie))
    level = (shot * shot * blocks.light.clamp_min(0) + read * read) / max(shot * shot * mean + read * read, 1e-12)
    return replace(blocks, scale=blocks.kept * level.clamp_min(_DIMMEST))


def _weakest(blocks: _Blocks, inside: Tensor | None = None) -> float:
    """The deviation in the high coefficients of as many of the weakest blocks as agree with fewer of them.

    Of all blocks, or of those at the places ``inside``.
    """
    low, scale = (part if inside is None else part[inside] for part in (blocks.low, blocks.scale))
    order = (low / scale).argsort()
    ranked = order if inside is None else inside[order]
    counts = [max(blocks.fewest, int(fraction * len(ranked))) for fraction in _FRACTIONS]
    chosen = ranked[: counts[-1]]
    scale = blocks.scale[chosen]
    rows = torch.column_stack((blocks.low[chosen] / scale, blocks.tie[chosen], blocks.high[chosen] / scale[:, None]))
    level = error = math.inf
    for count in counts:
        weak, tie, *high = rows[:count].mean(dim=0).tolist()
        found = max(0.0, (median_low(high) - tie * weak) / (1 - tie))
        if found - level > _CREST * error:
            break
        independent = max(1.0, 4 * min(count, len(ranked)) / max(4.0, blocks.overlap)) * len(high)
        level, error = found, found * math.sqrt(2 / independent)
        if count >= len(ranked):
            break
    return math.sqrt(level)


def _growth(blocks: _Blocks) -> tuple[float, float] | None:
    """Shot and read deviation by the line through the level at each tone; ``None`` where it does not grow."""
    blocks = blocks.untouched(_UNTOUCHED)
    edges = torch.linspace(0, 1, _TONES + 1)[1:-1].to(blocks.low)
    bins = torch.bucketize(blocks.light.clamp(0, 1), edges)
    tones, levels, weights = [], [], []
    for index in range(_TONES):
        inside = (bins == index).nonzero()[:, 0]
        if len(inside) < max(_BIN_BLOCKS, 2 * blocks.fewest):
            continue
        level = (blocks.scale[inside] / blocks.kept[inside]).mean().item()
        levels.append(level * _weakest(blocks, inside) ** 2)
        tones.append(blocks.light[inside].mean().item())
        weights.append(math.sqrt(len(inside)))
    if len(tones) < 3 or tones[-1] - tones[0] < 0.2:
        return None
    x, y, w = (torch.tensor(values, dtype=torch.float64) for values in (tones, levels, weights))
    slope, offset, misfit = _line(x, y, w)
    if slope * x[-1] + offset < _GROWS**2 * (slope * x[0] + offset) or misfit > _MISFIT:
        return None
    return math.sqrt(slope), math.sqrt(offset)


def _line(x: Tensor, y: Tensor, w: Tensor) -> tuple[float, float, float]:
    """Slope and offset, neither below 0, of the line through ``y`` of least relative error, and that error.

    It is the weighted mean of the errors' sizes, those below the line a little heavier: texture adds to the level.
    """
    share = torch.linspace(0, 1, 201, dtype=x.dtype)[:, None]  # of the slope
    distance = (y.clamp_min(1e-12) / (share * x + (1 - share)).clamp_min(1e-12)).log()
    ranked = distance.sort(dim=1)
    reached = w[ranked.indices].cumsum(dim=1) >= _BELOW * w.sum()
    middle = ranked.values.gather(1, reached.int().argmax(dim=1, keepdim=True))
    apart = distance - middle
    sizes = torch.where(apart > 0, 2 * _BELOW * apart, 2 * (_BELOW - 1) * apart).clamp_max(_OUTLYING)
    errors = (sizes * w).sum(dim=1) / w.sum()
    best = int(errors.argmin())
    scale = middle[best].exp().item()
    part = share[best].item()
    return part * scale, (1 - part) * scale, errors[best].item()


def _coarse(blocks: _Blocks, shot: float, read: float) -> float:
    """The deviation of all coefficients over that of the high ones where blocks are flat; 1 if texture hides it.

    In white noise the flattest blocks have nearly the mean energy, in correlated noise, where few coefficients hold it,
    far less; how fast it rises among the flattest says by how much, as if its logarithm were normal.
    """
    level = blocks.kept * (shot * shot * blocks.light.clamp_min(0) + read * read).clamp_min(1e-12)
    every = (blocks.every / level).sort().values
    count = max(blocks.fewest, int(_FLAT * len(every)))
    if len(every) < 2 * _TELLING * count:
        return 1.0
    flat, more = (every[:number].mean().item() for number in (count, _TELLING * count))
    if math.sqrt(flat) <= _WHITE or more > _EVEN * flat:
        return 1.0
    spread = min(_MOST_SPREAD, math.log(more / flat) / (_DEPTHS[0] - _DEPTHS[1]))
    return math.sqrt(more * math.exp(_DEPTHS[1] * spread + spread * spread / 2))


@lru_cache
def _cosines(side: int) -> Tensor:
    """The orthonormal cosine transform (DCT-II) of ``side`` points: (side, side)."""
    with torch.inference_mode(False):
        points = torch.arange(side, dtype=torch.float64)
        matrix = torch.cos(math.pi * (2 * points + 1) * points[:, None] / (2 * side)) * math.sqrt(2 / side)
        matrix[0] /= math.sqrt(2)
        return matrix.float()


@lru_cache
def _basis(side: int) -> Tensor:
    """Its products over a block, as convolution kernels: (side^2, 1, side, side)."""
    with torch.inference_mode(False):
        matrix = _cosines(side)
        return torch.einsum("ux,vy->uvxy", matrix, matrix).reshape(side * side, 1, side, side).contiguous()


def _order(side: int) -> Tensor:
    """How high a coefficient is: (side^2,)."""
    points = torch.arange(side)
    return (points[:, None] + points[None, :]).flatten()
