"""Which of the shipped weights suit an image, by a look at its noise."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

import torch

from denoise_cli import methods, shelf
from denoise_cli.errors import WeightsError
from denoise_cli.image import Image, Source
from denoise_cli.inference.patterns import Grain
from denoise_cli.layers.impulses import apart_share, find_impulses, salt_and_pepper
from denoise_cli.method import PAIRS
from denoise_cli.noise import parse
from denoise_cli.noise.blocks import has_jpeg_blocks
from denoise_cli.noise.camera import Camera
from denoise_cli.noise.estimate import noise_level
from denoise_cli.noise.gaussian import Gaussian
from denoise_cli.noise.impulse import SaltAndPepper
from denoise_cli.noise.jpeg import Jpeg
from denoise_cli.noise.mixed import Mixed
from denoise_cli.noise.mixture import parts
from denoise_cli.noise.patch import bare
from denoise_cli.noise.sharpness import sharpness
from denoise_cli.shapes import stacked, to_unit

IMPULSES, GAUSSIAN = "impulses", "gaussian"
MIXED = "mixed"  # impulses and other noise beside them
JPEG = "jpeg"  # blocks of JPEG
CAMERA = "camera"  # noise that is correlated from pixel to pixel, and what JPEG does to a camera's own pixels
LIGHT = "poisson-gaussian"  # noise that grows with the light
KINDS = (IMPULSES, MIXED, CAMERA, JPEG, LIGHT, GAUSSIAN)  # of weights; gaussian ones are for any other noise, or none
_LOOKED_AT, _BANDS = 1 << 22, 16  # pixels of an image that are looked at, in so many bands
_SEARCHED = 1 << 21  # of them, those that are searched for impulses: a share of one in ten thousand is two hundred
GLANCE = 1 << 20  # pixels that are looked at where nothing depends on it
_LEAST_IMPULSES = 0.002  # share below which an image counts as free of salt and pepper
_LEAST_TOLD = 10 / 255  # sigma below which its error weighs: a fine texture passes for noise, black hides it
_LEAST_BESIDE = 8 / 255  # sigma from which noise beside impulses is worth removing; fine textures read up to 7
_LEAST_CORRELATED = 2 / 255  # sigma below which noise that is not white may be that of a clean picture, compressed
_ROUGH = 80  # quality of a JPEG file below which what it lost is worth restoring, also where no block stands out
_FINE = 93  # quality from which a JPEG file keeps noise as it was
_FAIR = 70  # quality below which blocks of JPEG are what there is most to restore of
_SOFT = 0.7  # times as much fine detail as coarse, below which pixels are those of a camera
_LEAST_COARSE = 4.0  # times as much noise in coarse detail as in the finest: demosaicing leaves 5 to 20


@dataclass(frozen=True)
class Look:
    """What the noise of an image looks like."""

    impulse_share: float  # of the pixels; where they come apart, of those of each channel
    sigma: float  # standard deviation of the noise beside them, on [0, 1]
    shot: float = 0.0  # part of it that grows with the light: variance shot^2 x + read^2
    read: float = 0.0
    white: bool = True  # False: the noise is correlated from pixel to pixel
    clipped_share: float = 0.0  # share of the values that are exactly 0 or 1, the impulses left out
    jpeg_blocks: bool = False
    fine: float = 0.0  # sigma in the finest detail only, which denoisers of white noise go by
    whole: bool = False  # whether no pixel was left out of all that
    apart: bool = False  # whether each channel has impulses of its own
    jpeg_quality: float | None = None  # 1 to 100, of the JPEG file that it was read from
    sharpness: float = 1.0  # finest detail over that twice as coarse, where it is compressed

    def on(self, source: Source) -> "Look":
        """The same in the values of ``source``, a floating-point file whose pixels were brought into [0, 1]."""
        scale, shot = source.scale, sqrt(source.scale) * self.shot
        read = sqrt(max(0.0, (scale * self.read) ** 2 - shot**2 * source.offset))
        return replace(self, sigma=scale * self.sigma, fine=scale * self.fine, shot=shot, read=read)

    @property
    def suits(self) -> str:
        """The kind of weights it takes where there are none for what else it shows."""
        return IMPULSES if self.impulse_share > _LEAST_IMPULSES else GAUSSIAN

    @property
    def grainy_beside(self) -> bool:
        """Whether there is other noise beside the impulses, worth removing too."""
        return self.suits == IMPULSES and self.fine > _LEAST_BESIDE

    @property
    def beside(self) -> "Look":
        """What is left once the impulses are gone."""
        return replace(self, impulse_share=0.0, apart=False)

    @property
    def grain(self) -> Grain | None:
        """The noise, where it is such that what cannot have been noise can be told from it."""
        if self.suits != GAUSSIAN or self.demosaiced or self.compressed:
            return None
        return Grain(self.shot, self.read if self.shot else self.sigma, self.white)

    @property
    def demosaiced(self) -> bool:
        """Whether there is noise worth removing that is correlated as that of a camera's mosaic is."""
        return not self.white and self.sigma > _LEAST_CORRELATED and self.sigma > _LEAST_COARSE * self.fine

    @property
    def compressed(self) -> bool:
        """Whether there is loss by JPEG worth restoring, or noise that it changed."""
        return self.jpeg_blocks or self._quality < (_FINE if self.sigma > _LEAST_CORRELATED else _ROUGH)

    @property
    def straight(self) -> bool:
        """Whether it is a camera's own JPEG, as soft as those are, and of a fair quality."""
        return self.compressed and self._quality >= _FAIR and self.sharpness < _SOFT

    @property
    def _quality(self) -> float:
        return 100.0 if self.jpeg_quality is None else self.jpeg_quality

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of weights that it takes, of ``KINDS``, the most particular one first."""
        shown = {
            MIXED: self.grainy_beside,
            CAMERA: self.suits == GAUSSIAN and (self.demosaiced or self.straight),
            JPEG: self.suits == GAUSSIAN and self.compressed,
            LIGHT: self.suits == GAUSSIAN and self.shot > 0,
        }
        return (*(kind for kind, there in shown.items() if there), self.suits)

    def __str__(self) -> str:
        if self.suits == IMPULSES:
            grain = f" and sigma {255 * self.fine:.1f}" if self.grainy_beside else ""
            where = " in each channel by itself" if self.apart else ""
            return f"{100 * self.impulse_share:.1f} % salt and pepper{where}{grain}"
        words = [f"sigma {255 * self.sigma:.1f}"]
        if self.compressed:
            words.append("blocks of JPEG" if self.jpeg_quality is None else f"JPEG of quality {self.jpeg_quality:.0f}")
        return ", ".join(words)


def look(image: Image, most: int = _LOOKED_AT) -> Look:
    """Measure the noise of ``image``, of ``most`` pixels of it: the impulses first, the rest where there are none."""
    whole = torch.from_numpy(image.samples)[None]
    noisy = to_unit(_sampled(whole, most))
    alone = _alone(whole, most)
    apart = bool(alone > 0)
    share = alone if apart else salt_and_pepper(to_unit(_sampled(whole, min(most, _SEARCHED))))
    known, seen = None, stacked(noisy) if apart else noisy
    if share.item() > _LEAST_IMPULSES:
        known = ~find_impulses(seen, share.view(1, 1, 1, 1))[0]
    level = noise_level(seen[0], known)
    extreme = ((noisy <= 0) | (noisy >= 1)).float().mean().item()
    found = Look(
        share.item(),
        level.sigma,
        level.shot,
        level.read,
        level.white,
        max(0.0, extreme - share.item()),
        has_jpeg_blocks(noisy[0]),
        level.fine,
        known is None and noisy.shape == whole.shape,
        apart,
        image.source.jpeg.quality if image.source.jpeg else None,
    )
    return replace(found, sharpness=sharpness(noisy[0])) if found.compressed else found


def come_apart(image: Image) -> bool:
    """Whether each channel of ``image`` has salt and pepper of its own."""
    return bool(_alone(torch.from_numpy(image.samples)[None], _SEARCHED) > 0)


def _alone(whole: torch.Tensor, most: int) -> torch.Tensor:
    """The share of impulses in ``whole`` (1, C, H, W), as (1,), if they strike each channel by itself; else 0."""
    if whole.shape[1] == 1:
        return torch.zeros(1)
    pixels = min(most, _SEARCHED)
    return apart_share(to_unit(_sampled(whole, pixels)), to_unit(_sampled(stacked(whole), pixels)))


def _sampled(noisy: torch.Tensor, most: int) -> torch.Tensor:
    """``noisy`` (1, C, H, W); of a large image, bands of rows from all over it, one below the other.

    They are cut at multiples of 8, where blocks of a JPEG meet.
    """
    height, width = noisy.shape[-2:]
    rows = most // (_BANDS * width) // 8 * 8
    if height * width <= most or rows == 0:
        return noisy
    starts = [(index * height // _BANDS) // 8 * 8 for index in range(_BANDS)]
    return torch.cat([noisy[..., start : start + rows, :] for start in starts], dim=-2)


def choose(seen: Look, channels: int, entries: Sequence[shelf.Entry]) -> shelf.Entry:
    """The best of ``entries`` for the first kind of noise in what was seen that there are any for; see ``ranked``.

    Raises ``WeightsError`` where none suit.
    """
    for kind in seen.kinds:
        if able := ranked(kind, seen, channels, entries):
            return able[0]
    raise WeightsError(
        f"No weights here are for {seen.suits} and do what was asked.",
        "Name a model that needs none (median, nlm, impulse), or see `denoise models`.",
    )


def nearest(seen: Look, channels: int, entries: Sequence[shelf.Entry]) -> shelf.Entry:
    """Of ``entries``, at least one, which are the user's choice whatever they suit: those that learnt such noise first,
    impulses or other, then as in ``ranked``.
    """

    def rank(entry: shelf.Entry) -> tuple[bool, float, bool]:
        return not has_learnt(entry, seen), _beyond(entry, seen), entry.channels != channels

    return min(entries, key=rank)


def has_learnt(entry: shelf.Entry, seen: Look) -> bool:
    """Whether it met in training what was seen: salt and pepper, or other noise. Of pairs nobody knows."""
    if entry.noise == PAIRS:
        return True
    noises = bare(parse(entry.noise))
    if seen.suits == IMPULSES:
        return any(isinstance(noise, SaltAndPepper | Mixed) for noise in noises)
    return not all(isinstance(noise, SaltAndPepper) for noise in noises)


def restores_jpeg(entry: shelf.Entry) -> bool:
    """Whether it met what JPEG loses in training. Of pairs nobody knows."""
    noises = () if entry.noise == PAIRS else bare(parse(entry.noise))
    return any(isinstance(noise, Jpeg) or (isinstance(noise, Camera) and noise.jpeg is not None) for noise in noises)


def ranked(kind: str, seen: Look, channels: int, entries: Sequence[shelf.Entry]) -> list[shelf.Entry]:
    """Those of ``entries`` for a kind of noise: those that learnt such strong noise first, or come nearest to it, then,
    where there is little noise, those that need not be told how much, then those for as many channels, then in their
    order.
    """
    little = seen.sigma < _LEAST_TOLD

    def rank(entry: shelf.Entry) -> tuple[float, bool, bool]:
        return _beyond(entry, seen), little and _is_told(entry), entry.channels != channels

    return sorted((entry for entry in entries if kind in entry.kinds), key=rank)


def _is_told(entry: shelf.Entry) -> bool:
    """Whether the net goes by a noise level that is measured, and so by an error of it."""
    return entry.model in methods.names() and methods.find(entry.model).takes_map


def _beyond(entry: shelf.Entry, seen: Look) -> float:
    """By how much the noise is stronger in the image than the strongest white noise of training."""
    if f"{GAUSSIAN}:" not in entry.noise:
        return 0.0
    highest = [part.sigma.high for part in parts(parse(entry.noise)) if isinstance(part, Gaussian)]
    return max(0.0, seen.sigma - max(highest)) if highest else 0.0
