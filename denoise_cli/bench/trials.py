"""What each of the shipped weights is scored on, and beside what: by its noise, its channels and its size."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

from denoise_cli import methods, shelf
from denoise_cli.bench.protocol import BSD68, CBSD68, CIFAR, SET12, TINY_IMAGENET, Trial
from denoise_cli.data.classes import GROUPS
from denoise_cli.inference.choose import CAMERA, GAUSSIAN, IMPULSES, JPEG, LIGHT, MIXED
from denoise_cli.method import PAIRS
from denoise_cli.noise import Noise, parse
from denoise_cli.noise.camera import Camera
from denoise_cli.noise.chain import Chain, links
from denoise_cli.noise.gaussian import Gaussian
from denoise_cli.noise.impulse import SaltAndPepper
from denoise_cli.noise.jpeg import Jpeg
from denoise_cli.noise.levels import Level
from denoise_cli.noise.lowres import LowResolution
from denoise_cli.noise.mixed import Mixed
from denoise_cli.noise.mixture import Mixture
from denoise_cli.noise.poisson_gaussian import PoissonGaussian

COUNTS = (1, 3, 5, 10, 20)  # iterations at which recurrent nets are scored
MOST = 50  # further iterations for the small images of CIFAR
INPUT = "noisy input"  # beside an estimate: the image as it came
_BM3D = "bm3d"  # told the level that it measures, as every method of white noise is
_BUDGET = 9e12  # weights times pixels times iterations in a trial: some minutes on a core
_NUMBERS = (500, 200, 100, 50, 20, 10, 5)  # of images, where not all are taken
_PIXELS = {CBSD68: (68, 154_401), BSD68: (68, 154_401), SET12: (12, 152_917), CIFAR: (500, 1024)} | {
    TINY_IMAGENET: (1000, 4096)
}  # images, and pixels in each
_LEVELS: dict[type[Noise], tuple[str, ...]] = {
    Gaussian: ("gaussian:15", "gaussian:25", "gaussian:50"),
    SaltAndPepper: ("sp:0.1", "sp:0.3", "sp:0.5"),
    Mixed: ("mixed:15+0.05", "mixed:25+0.1", "mixed:50+0.2"),
    PoissonGaussian: ("poisson-gaussian:0.1+0.02", "poisson-gaussian:0.2+0.04"),
    Camera: (
        *("camera:0.02+0.01+95", "camera:0.05+0.02+90", "camera:0.1+0.04+75"),
        *("camera:0.02+0.01+95+2", "camera:0.05+0.02+90+2"),
    ),
    Jpeg: ("jpeg:10", "jpeg:20", "jpeg:40"),
    LowResolution: ("lowres:2", "lowres:3", "lowres:4"),
    Chain: ("gaussian:10 then jpeg:90", "gaussian:25 then jpeg:80", "gaussian:50 then jpeg:70"),
}
_PLAIN: dict[type[Noise], tuple[str, ...]] = {SaltAndPepper: (IMPULSES,), Gaussian: (GAUSSIAN,)}
_PARTICULAR: dict[type[Noise], tuple[str, ...]] = {  # kinds of weights that such an image takes: the first there are
    Mixed: (MIXED, IMPULSES),
    PoissonGaussian: (LIGHT, GAUSSIAN),
    Camera: (CAMERA, GAUSSIAN),
    Jpeg: (JPEG, GAUSSIAN),
    Chain: (JPEG, GAUSSIAN),
}
_TOLD = ("gaussian:15", "gaussian:25", "gaussian:35", "gaussian:50", "gaussian:75")  # of nets that are told sigma


@dataclass(frozen=True)
class Case:
    """A trial of one weights file: ``str`` is what its score is called, but for the number of iterations."""

    trial: Trial
    told: float | None = None  # the level on [0, 1] that the net is told; None: it measures, or needs none
    beside: tuple[str, ...] = ()  # scored on the same images: INPUT, a method without weights, other weights

    def __str__(self) -> str:
        return str(self.trial) + ", told sigma" * (self.told is not None)


def cases(entry: shelf.Entry) -> list[Case]:
    """What an entry is scored on; nothing for a classifier, or for a net that learned from pairs.

    Known levels of its noise that it saw in training, or else that noise itself; salt and pepper at every share. Those
    that saw one share only are the easy-to-hard experiment, which is CIFAR's. Of large nets not all images are scored.
    Then, and for particular noise, what `denoise run` would take instead is scored on the same ones.
    """
    card = methods.find(entry.model)
    if card.classifies or entry.noise == PAIRS:
        return []
    noise = parse(entry.noise)
    if card.per_class:
        return [_sized(entry, case) for case in _per_class(entry, noise)]
    if isinstance(noise, Mixture):
        impulses = all(isinstance(part, SaltAndPepper) for part in noise.noises)
        found = [case for part in noise.noises for case in _of(entry, part, everywhere=impulses)]
        found.append(Case(Trial(_photos(entry), "gaussian:0", True, worst=True)))
        return [_sized(entry, case) for case in dict.fromkeys(found)]
    return [_sized(entry, case) for case in _of(entry, noise, everywhere=True)]


def counts_of(entry: shelf.Entry, images: str) -> tuple[int, ...] | None:
    """The iterations at which an entry is scored on a set: up to the default, more on CIFAR; ``None``: it has none."""
    most = _default(entry)
    if most is None:
        return None
    more = (MOST,) if images == CIFAR and most == COUNTS[-1] else ()
    return tuple(sorted({*(count for count in COUNTS if count < most), most, *more}))


def _default(entry: shelf.Entry) -> int | None:
    options = methods.find(entry.model).options
    return options.iters if "iters" in {field.name for field in fields(options)} else None


def _of(entry: shelf.Entry, noise: Noise, *, everywhere: bool) -> Iterator[Case]:
    """The cases for one kind of noise; ``everywhere``: on all sets that know it, not on photographs only."""
    photos = _photos(entry)
    if isinstance(noise, Gaussian):
        yield from _gaussian(entry, noise, (photos, SET12) if photos == BSD68 and everywhere else (photos,))
    elif isinstance(noise, SaltAndPepper):
        easy = noise.share.low == noise.share.high
        sets = (CIFAR,) if easy and everywhere else (CIFAR, photos) if everywhere and entry.channels == 3 else (photos,)
        yield from (Case(Trial(name, word, True)) for name in sets for word in _LEVELS[SaltAndPepper])
    elif isinstance(noise, Mixed):
        gray = entry.channels == 1
        for word in _within(noise, _LEVELS[Mixed]):
            yield Case(Trial(TINY_IMAGENET, word, True, gray=gray), beside=(INPUT,))
    else:
        others = (INPUT, _BM3D) if isinstance(noise, Camera) else (INPUT,)
        words = _within(noise, _LEVELS.get(type(noise), ()))
        drawn = (str(noise),) if isinstance(noise, Camera) and everywhere else ()
        yield from (Case(Trial(photos, word, True), beside=others) for word in dict.fromkeys((*words, *drawn)))


def _gaussian(entry: shelf.Entry, noise: Gaussian, sets: tuple[str, ...]) -> Iterator[Case]:
    """In float as papers score, told the level where the net is; and once as a file comes."""
    told = "sigma" in {field.name for field in fields(methods.find(entry.model).options)}
    words = _within(noise, _TOLD if told else _LEVELS[Gaussian])
    if entry.model.startswith("bf-"):
        words = tuple(word for word in words if word == "gaussian:25") or words
    for name in sets:
        for word in words if name != SET12 else [word for word in words if word == "gaussian:25"]:
            yield Case(Trial(name, word, False), sigma_of(word) if told else None)
    if "gaussian:25" in words:
        yield from (Case(Trial(name, "gaussian:25", True)) for name in sets)


def _per_class(entry: shelf.Entry, noise: Noise) -> Iterator[Case]:
    """On the images of its class, beside the net for all; that one on all images."""
    tag = entry.name.partition(".")[2]
    only, beside = (tag, twins(entry)[:1]) if tag in GROUPS else ("", ())
    for word in _within(noise, _LEVELS.get(type(noise), ())):
        yield Case(Trial(TINY_IMAGENET, word, False, only=only, gray=entry.channels == 1), beside=beside)


def twins(entry: shelf.Entry) -> tuple[str, ...]:
    """The weights of the same method and noise that are for all classes."""
    return tuple(
        other.name
        for other in shelf.entries()
        if (other.model, other.noise, other.channels) == (entry.model, entry.noise, entry.channels)
        and other.name.partition(".")[2] not in GROUPS
    )


def _sized(entry: shelf.Entry, case: Case) -> Case:
    """The case on so many images as are scored in some minutes, beside other weights where these are not all."""
    trial = case.trial
    kind = type(parse(trial.noise))
    there, pixels = _PIXELS[trial.images]
    cost = entry.weights * pixels * (counts_of(entry, trial.images) or (1,))[-1]
    kinds = _PARTICULAR.get(kind, ())
    if there * cost > _BUDGET:
        limit = next((number for number in _NUMBERS if number < there and number * cost <= _BUDGET), _NUMBERS[-1])
        trial, kinds = replace(trial, limit=limit), kinds or _PLAIN.get(kind, ())
    rivals = () if trial.worst else _rivals(entry, kinds)
    return replace(case, trial=trial, beside=tuple(dict.fromkeys((*case.beside, *rivals[:1]))))


def _rivals(entry: shelf.Entry, kinds: tuple[str, ...]) -> tuple[str, ...]:
    """The weights that an image takes for the first of ``kinds`` that there are any for, best first.

    Without ``entry``, and without mixtures.
    """
    others = [
        other
        for other in shelf.entries()
        if other.name != entry.name and other.channels == entry.channels and "*" not in other.noise
    ]
    able = (tuple(other.name for other in others if kind in other.kinds) for kind in kinds)
    return next((names for names in able if names), ())


def _photos(entry: shelf.Entry) -> str:
    return CBSD68 if entry.channels == 3 else BSD68


def sigma_of(word: str) -> float:
    """The standard deviation on [0, 1] of Gaussian noise, by its word."""
    noise = parse(word)
    assert isinstance(noise, Gaussian)
    return noise.sigma.high


def _within(noise: Noise, words: tuple[str, ...]) -> tuple[str, ...]:
    """Those of ``words``, noises of the same kind, whose levels are within those of ``noise``; else ``noise``."""
    wide = _ranges(noise)
    inside = (
        word
        for word in words
        if _kinds(parse(word)) == _kinds(noise)
        and all(
            theirs.low - 1e-6 <= own.low and own.high <= theirs.high + 1e-6
            for own, theirs in zip(_ranges(parse(word)), wide, strict=False)
        )
    )
    return tuple(inside) or (str(noise),)


def _kinds(noise: Noise) -> list[tuple[type[Noise], bool]]:
    """What each link is, and whether it is camera noise as cameras finish it."""
    return [(type(link), isinstance(link, Camera) and link.smoothing is not None) for link in links(noise)]


def _ranges(noise: Noise) -> tuple[Level, ...]:
    """All levels of a noise, in its own order; sigmas on [0, 1]."""
    match noise:
        case Gaussian():
            return (noise.sigma,)
        case SaltAndPepper():
            return (noise.share,)
        case Jpeg():
            return (noise.quality,)
        case LowResolution():
            return (noise.factor,)
        case Mixed():
            return (noise.gaussian.sigma, noise.impulses.share)
        case PoissonGaussian():
            return (noise.shot.sigma, noise.read.sigma)
        case Camera():
            further = (noise.jpeg and noise.jpeg.quality, noise.smoothing)
            return (noise.shot.sigma, noise.read.sigma, *(level for level in further if level))
        case Chain():
            return tuple(level for link in noise.noises for level in _ranges(link))
    return ()
