"""Salt-and-pepper impulses: their share, where they are, and a first filling of the holes that they leave.

An impulse is a pixel whose channels are all 0 or all 1. So are the pixels of a saturated area of the clean image; they
are told apart by their neighbours: in a saturated area these are of the same extreme far more often than by chance.
Where each channel is struck by itself, each is an image of its own.
"""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from denoise_cli.errors import UsageError
from denoise_cli.layers.local import locally
from denoise_cli.shapes import from_channels, to_channels

_DENSITY = (2.0, 4)  # sigma and radius of the window in which neighbours of the same extreme are counted, pixels
_FILLING = ((0.5, 2), (1.2, 3), (2.5, 7))  # sigma and radius of the windows that fill a hole, narrow ones first
_SHARE_LIMIT = 0.95  # a share of 1 would leave nothing to fill from
_SURROUNDINGS = (1.5, 3)  # sigma and radius of the window that says what is around a pixel
_LEAST_SEEN = 0.5  # weight of the pixels in that window that are neither black nor white
_LEAPS = (0.35, 0.15)  # least distance from what is around that is a surprise; the second in dark and bright images
_SPREADS = 3.0  # the same in deviations of what is around
_SCARCE = 0.02  # share of the pixels below which the places for a surprise are too few
_SHORT = 0.105  # so near an extreme are pixels just short of it
_TAIL = 0.5  # of a clipped tail, what is beyond the extreme for each pixel just short of it; less for a normal one
_FEWEST = 4  # impulses that are no accident
_UNEQUAL = (4.0, 0.1)  # salt and pepper differ by more than chance: in deviations, and as a part of the share
_STROKES = 1.5  # pixels alike among those that touch, for each one in the ring around those; 1 where they are scattered
_CHANCE = 0.06  # share of touching pixels alike that may be chance
_BILEVEL = 0.97  # share of black and white pixels above which there are no others
_LEAST_APART = 0.002  # share of impulses in channels that is no accident
_APART = (24, 1.5, 4.0)  # the least number of them; for each pixel just short of an extreme, and for the root of these
_AT_ONCE = 1 << 20  # pixels
_IN_CACHE = 1 << 16  # pixels: sums of windows take a third to 0.4 of the time of a large image at once
FILL_RADIUS = _FILLING[-1][1]
FIND_RADIUS = _DENSITY[1]


def impulse_share(noisy: Tensor) -> Tensor:
    """The share of impulses in each image (N, C, H, W), as (N, 1, 1, 1).

    Impulses are black and white equally often, saturated areas are mostly of one kind: twice the rarer extreme.
    """
    counts = torch.zeros((2, len(noisy), 1, 1, 1), device=noisy.device)
    rows = max(1, _AT_ONCE // noisy.shape[-1])
    for first in range(0, noisy.shape[-2], rows):
        band = noisy[..., first : first + rows, :]
        counts += torch.stack([extreme.sum(dim=(2, 3), keepdim=True) for extreme in _extremes(band)])
    return (2 * counts.amin(dim=0) / noisy[0, 0].numel()).clamp(max=_SHARE_LIMIT)


def known_share(share: float | None, noisy: Tensor, model: str) -> float:
    """The ``share`` that a user gives a ``model``; where it is None the mean one of the images ``noisy`` (N, C, H, W).

    Raises ``UsageError`` for one that cannot be.
    """
    if share is None:
        return impulse_share(noisy).mean().item()
    if not 0 <= share < 1:
        raise UsageError(f"{model}: share cannot be {share}.", "It is a share from 0 to below 1.")
    return share


def find_impulses(noisy: Tensor, share: Tensor | float) -> Tensor:
    """Where the impulses are, (N, 1, H, W) of bool, in images (N, C, H, W) with ``share`` of them, (N, 1, 1, 1)."""
    return locally(_find, FIND_RADIUS, noisy, share)


def find_apart(noisy: Tensor, share: Tensor | float) -> Tensor:
    """Where the impulses are, (N, C, H, W) of bool, that strike each channel of ``noisy`` images of that shape alone.

    ``share`` is theirs of a channel's pixels, a number or (N C, 1, 1, 1).
    """
    return from_channels(find_impulses(to_channels(noisy, 1), share), noisy)


def _find(noisy: Tensor, share: Tensor | float) -> Tensor:
    found = torch.zeros_like(noisy[:, :1], dtype=torch.bool)
    weight = _sums(torch.ones_like(noisy[:1, :1], dtype=torch.float32), *_DENSITY, hollow=True)
    for extreme in _extremes(noisy):
        density = _sums(extreme, *_DENSITY, hollow=True) / weight
        saturated = (density - share / 2) / (1 - share)  # share of the clean neighbours that are this extreme
        found |= (extreme > 0) & (saturated < 0.1 + 1.7 * share)
    return found


def fill(image: Tensor, known: Tensor) -> Tensor:
    """``image`` (N, C, H, W) with the pixels that are not ``known`` (N, 1 or C, H, W) filled from those that are.

    Normalised convolution with a Gaussian, in a wider window where the narrower one holds no known pixel; 0.5 where the
    widest holds none. Knutsson, Westin, "Normalized and Differential Convolution", CVPR 1993, equation 1.
    """
    return locally(_fill, FILL_RADIUS, image, known)


def _fill(image: Tensor, known: Tensor) -> Tensor:
    weight = known.float()
    channels = image.shape[1]
    signal = torch.cat((image * weight, weight), dim=1)  # (N, C + 1 or 2 C, H, W)
    filled = torch.full_like(image, 0.5)
    missing = ~known
    for sigma, radius in _FILLING:
        sums = _sums(signal, sigma, radius)
        reached = missing & (sums[:, channels:] > 1e-6)
        filled = torch.where(reached, sums[:, :channels] / sums[:, channels:].clamp_min(1e-6), filled)
        missing &= ~reached
        if not torch.compiler.is_exporting() and not missing.any():
            break
    return torch.where(known, image, filled)


def mark(filled: Tensor, unknown: Tensor) -> Tensor:
    """What a net is shown of a ``filled`` image (N, C, H, W) with ``unknown`` pixels (N, 1, H, W), of its shape.

    A known pixel as ``(value + 1) / 2``, an unknown one as the same of what it was filled with, negated: by the sign a
    net without biases can tell them apart.
    """
    seen = (filled + 1) / 2
    return torch.where(unknown, -seen, seen)


def salt_and_pepper(noisy: Tensor) -> Tensor:
    """The share of pixels in each image (N, C, H, W) that can only be salt and pepper, as (N,); 0 without any.

    White is counted where what is around is so dark, and so little spread, that a white pixel is a surprise, and black
    likewise: the share of the surprised places is half that of the impulses, wherever in the image they are. What looks
    alike is told from it: clipped noise leaves as surprising pixels just short of black and white too; strokes of text
    are of one colour, or hang together, where impulses are scattered. Of an image in black and white only, nothing is
    known but that.
    """
    return _salt_and_pepper(noisy)[0]


def _salt_and_pepper(noisy: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The share, the number of surprises that it comes from, and of surprising pixels just short of them: (N,) each."""
    extremes = _extremes(noisy)
    known = 1 - extremes[0] - extremes[1]
    if _count(known == 0).amax() < _FEWEST:
        none = noisy.new_zeros(len(noisy))  # as below, without the work
        return none, none, none
    gray = noisy.mean(dim=1, keepdim=True)
    sums = _sums(torch.cat((known, gray * known, gray * gray * known), dim=1), *_SURROUNDINGS, hollow=True)
    weight = sums[:, :1].clamp_min(1e-6)
    around = sums[:, 1:2] / weight
    spread = (sums[:, 2:] / weight - around.square()).clamp_min(0).sqrt()
    seen = sums[:, :1] > _LEAST_SEEN
    gaps, tones = (1 - around, around), (1 - gray, gray)  # of salt, of pepper
    counts, places, shorts, struck = [], [], [], []
    for extreme, gap, tone in zip(extremes, gaps, tones, strict=True):
        count, place, short, mask = _surprises(extreme > 0, tone, gap, spread, seen)
        counts.append(count)
        places.append(place)
        shorts.append(short)
        struck.append(mask)
    salt, pepper = (count / place.clamp_min(1) for count, place in zip(counts, places, strict=True))
    total = places[0] + places[1]
    share = 2 * (counts[0] + counts[1]) / total.clamp_min(1)
    chance = (share * (1 / places[0].clamp_min(1) + 1 / places[1].clamp_min(1))).sqrt()  # deviation of salt - pepper
    unequal = (salt - pepper).abs() > _UNEQUAL[0] * chance + _UNEQUAL[1] * share
    share = torch.where(unequal, 2 * torch.minimum(salt, pepper), share)
    bilevel = _mean(extremes[0] + extremes[1]) > _BILEVEL
    number, short = counts[0] + counts[1], shorts[0] + shorts[1]
    share = torch.where(bilevel | (number < _FEWEST), 0.0, share.clamp(max=_SHARE_LIMIT))
    if share.any():
        touching, near = (_alike(struck[0], side) + _alike(struck[1], side) for side in (3, 5))
        share = torch.where(touching / 8 > _STROKES * (near - touching) / 16 + _CHANCE, 0.0, share)  # strokes
    return share, number, short


def apart_share(noisy: Tensor, channels: Tensor) -> Tensor:
    """The share of impulses in each image (N, C, H, W), as (N,), where they strike each channel by itself; else 0.

    ``channels`` are those of the images, or a part of them, one below the other: (N, 1, K, W). They have impulses too
    where all channels are struck at once, but then the pixels have as many, and few others are found. Noise is clipped
    in one channel far more often than in all, so that more is asked for than of impulses in all.
    """
    share, number, short = _salt_and_pepper(channels)
    fewest, each_short, root = _APART
    enough = (share * channels[0].numel() > fewest) & (number > each_short * short + root * short.sqrt())
    share = torch.where(enough & (share > _LEAST_APART), share, 0.0)
    if not share.any():
        return share
    each = share.view(-1, 1, 1, 1)
    alone = find_apart(noisy, each.repeat_interleave(noisy.shape[1], 0)) & ~find_impulses(noisy, each)
    return torch.where((share > 2 * salt_and_pepper(noisy)) & (_mean(alone) > share / 2), share, 0.0)


def _surprises(
    extreme: Tensor, tone: Tensor, gap: Tensor, spread: Tensor, seen: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """How many pixels are a surprising ``extreme``, in how many places they would be one, how many are just short of it
    there, all (N,), and which are one.

    ``tone`` is how far a pixel is from the extreme, ``gap`` how far what is around it is, ``spread`` its deviation.
    Where the image leaves few such places, nearer ones are taken too.
    """
    best: tuple[Tensor, Tensor, Tensor, Tensor] | None = None
    for leap in _LEAPS:
        places = seen & (gap > leap) & (gap > _SPREADS * spread)
        found = places & extreme
        short = places & ~extreme & (tone < _SHORT)
        near = _count(short)
        number = _count(found) - _TAIL * near
        number = torch.where(number < near, 0.0, number)  # clipped noise alone
        here = number, _count(places).float(), near, found
        if best is None:
            best = here
            continue
        scarce = best[1] < _SCARCE * extreme[0, 0].numel()
        wide = scarce.view(-1, 1, 1, 1)
        best = (
            torch.where(scarce, here[0], best[0]),
            torch.where(scarce, here[1], best[1]),
            torch.where(scarce, here[2], best[2]),
            torch.where(wide, here[3], best[3]),
        )
    assert best is not None
    return best


def _count(mask: Tensor) -> Tensor:
    return mask.sum(dim=(1, 2, 3), dtype=torch.int32)


def _mean(mask: Tensor) -> Tensor:
    return mask.float().mean(dim=(1, 2, 3))


def _alike(mask: Tensor, side: int) -> Tensor:
    """How many others of ``mask`` (N, 1, H, W) a pixel of it has in the square of ``side`` around, on average: (N,)."""
    counts = side * side * functional.avg_pool2d(mask.float(), side, 1, side // 2) - 1
    return (counts * mask).sum(dim=(1, 2, 3)) / _count(mask).clamp_min(1)


def _extremes(noisy: Tensor) -> tuple[Tensor, Tensor]:
    white = (noisy.amin(dim=1, keepdim=True) >= 1).float()
    black = (noisy.amax(dim=1, keepdim=True) <= 0).float()
    return white, black


def _sums(image: Tensor, sigma: float, radius: int, *, hollow: bool = False) -> Tensor:
    """Sums over a Gaussian window, channel by channel: (N, C, H, W) to the same; what lies outside counts as 0.

    In the image's own precision, also where autocast is on: half of it would move pixels that are compared.
    """
    channels, height, width = image.shape[1:]
    kernel = _gaussian(sigma, radius, hollow).to(image).expand(channels, 1, -1, -1)
    rows = max(2 * radius, _IN_CACHE // width)
    with torch.autocast(image.device.type, enabled=False):
        if image.device.type != "cpu" or torch.compiler.is_exporting() or height <= rows:
            return functional.conv2d(image, kernel, padding=radius, groups=channels)
        padded = functional.pad(image, (0, 0, radius, radius))
        bands = [padded[..., first : first + rows + 2 * radius, :] for first in range(0, height, rows)]
        sums = [functional.conv2d(band, kernel, padding=(0, radius), groups=channels) for band in bands]
        return torch.cat(sums, dim=-2)


@lru_cache
def _gaussian(sigma: float, radius: int, hollow: bool) -> Tensor:
    """An unnormalised Gaussian of shape (1, 1, K, K); ``hollow``: without its centre."""
    with torch.inference_mode(False):  # it is kept, and may be needed for training next
        squares = torch.arange(-radius, radius + 1).float().square()
        kernel = torch.exp(-(squares[:, None] + squares[None, :]) / (2 * sigma * sigma))
        if hollow:
            kernel[radius, radius] = 0
        return kernel[None, None]
