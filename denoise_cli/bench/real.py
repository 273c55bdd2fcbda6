"""Real photographs: how near what denoisers make of one comes to the mean of many of the same scene."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from itertools import islice
from pathlib import Path
from statistics import fmean

import torch

from denoise_cli import shelf
from denoise_cli.errors import InputError
from denoise_cli.files import write_atomically
from denoise_cli.image import Image, read
from denoise_cli.inference.run import answer
from denoise_cli.inference.workbench import Wish, Workbench
from denoise_cli.method import Method
from denoise_cli.metrics.psnr import psnr
from denoise_cli.metrics.ssim import ssim
from denoise_cli.noise import stored
from denoise_cli.shapes import to_unit

SETS = {  # folders below that with the data, as they are published: X_real.EXT beside X_mean.EXT
    "nam": "Nam, Hwang, Matsushita, Kim, CVPR 2016, the 15 parts of 512 x 512 pixels that papers score: PNG",
    "polyu": "Xu, Li, Liang, Zhang, Zhang, 2018, 100 parts of 512 x 512 pixels: JPEG of quality 75, both of a pair",
}
_EVERY = {"nam": 1, "polyu": 5}  # so-many-th photograph is denoised
_NOISY, _CLEAN = "_real", "_mean"
_TOLD = (10, 15, 20, 30)  # sigmas that BM3D is told
_HEAD = """\
# Real photographs

A scene was photographed hundreds of times; the mean of these photographs has next to no noise, and one of them is
denoised. Mean PSNR and SSIM over the photographs of a set, how much PSNR is gained, and by the one that gains least.
What comes out is rounded to 8 bits, as files are."""
_NOTES = """\
The first line is `denoise run` without a model, which chooses by what it sees. What measures the noise measures it in
the finest detail, where a photograph has little of it left, and so do too little; BM3D is told a level too, the same
for a whole set. CBDNet estimates the level pixel by pixel, and takes it twice where `gamma` says so. None of the
weights were trained on photographs of these sets; but how far the noise is smoothed that `cbdnet.camera` learned from,
and that less so beside edges, was chosen by the noise in `nam`."""


@dataclass(frozen=True)
class Way:
    """A way of denoising."""

    model: str | None = None  # None: what was seen decides
    sigma: float | None = None  # that it is told, on 0..255
    gamma: float | None = None  # times the noise level that it estimates

    @property
    def told(self) -> dict[str, float]:
        """The options that it is given."""
        given = {"sigma": self.sigma, "gamma": self.gamma}
        return {name: value for name, value in given.items() if value is not None}

    def __str__(self) -> str:
        told = "" if self.sigma is None else f" --sigma {self.sigma:g}"
        told += "" if self.gamma is None else f" --set gamma={self.gamma:g}"
        return f"`denoise run{f' --model {self.model}' if self.model else ''}{told}`"

    @property
    def version(self) -> str:
        """What tells the weights of today from others: a few digits."""
        if self.model is None:
            sums = "".join(entry.sha256 for entry in shelf.entries())
            return sha256(sums.encode()).hexdigest()[:8]
        return shelf.find(self.model).sha256[:8] if "." in self.model else "0"


WAYS = (
    Way(),
    Way("cbdnet.camera"),
    Way("cbdnet.camera", gamma=2.0),
    *(Way(name) for name in ("dncnn.color-3", "dncnn.color-blind", "ffdnet.color", "bm3d")),
    *(Way("bm3d", float(sigma)) for sigma in _TOLD),
)


@dataclass(frozen=True)
class Score:
    """What a way made of one photograph."""

    photo: str
    by: str  # which weights, or which method without
    before: float  # PSNR in dB of the photograph itself
    psnr: float
    ssim_before: float
    ssim: float


def measure(name: str, way: Way, data: Path, runs: Path, device: torch.device, dtype: torch.dtype) -> list[Score]:
    """The scores of ``way`` on each pair of the set ``name``, as kept below ``runs``, or measured now.

    Raises ``InputError`` where the set is not there.
    """
    told = f"gamma-{way.gamma}" if way.gamma else way.sigma or "measured"
    kept = runs / f"{name}-{way.model or 'run'}-{told}-{way.version}.json"
    if kept.exists():
        return [Score(**score) for score in json.loads(kept.read_text(encoding="utf-8"))]
    bench = Workbench(Wish(way.model, device=device, dtype=dtype), lambda card: _options(card, way))
    scores = [_score(bench, noisy, clean) for noisy, clean in islice(pairs(data / name), 0, None, _EVERY[name])]
    write_atomically(kept, json.dumps([asdict(score) for score in scores]).encode(), force=True)
    return scores


def pairs(folder: Path) -> Iterator[tuple[Path, Path]]:
    """The photographs of a set, each with the mean of its scene. Raises ``InputError`` where there are none."""
    found = sorted(folder.glob(f"*{_NOISY}.*"))
    if not found:
        raise InputError(
            f"There are no real photographs in {folder}.",
            f"Put the published files there: NAME{_NOISY}.EXT, and NAME{_CLEAN}.EXT beside it.",
        )
    for noisy in found:
        clean = noisy.with_stem(noisy.stem.removesuffix(_NOISY) + _CLEAN)
        if not clean.exists():
            raise InputError(f"{noisy} has no clean image.", f"Put {clean.name} beside it.")
        yield noisy, clean


def _options(card: Method, way: Way) -> object:
    return replace(card.options, **way.told) if way.told else card.options


def _score(bench: Workbench, noisy: Path, clean: Path) -> Score:
    photo = read(noisy)
    choice = bench.choose(photo).told()
    (estimate,) = answer(choice.engine, photo, choice.grain).images
    mean, before, after = (_unit(image) for image in (read(clean), photo, estimate))
    figures = (metric(image, mean).item() for metric in (psnr, ssim) for image in (before, after))
    return Score(noisy.stem.removesuffix(_NOISY), choice.name, *figures)


def _unit(image: Image) -> torch.Tensor:
    return stored(to_unit(torch.from_numpy(image.samples)[None]))


def page(results: Sequence[tuple[str, Way, list[Score]]], words: str) -> str:
    """The page ``docs/real.md``; ``words`` are the command that makes it."""
    lines = [_HEAD, "", _NOTES, "", f"Made by `{words}`."]
    for name in dict.fromkeys(name for name, _, _ in results):
        mine = [(way, scores) for other, way, scores in results if other == name]
        scores = mine[0][1]
        lines += [
            "",
            f"## `{name}`",
            "",
            f"{SETS[name]}. Here: {len(scores)}{f', each {_EVERY[name]}th' if _EVERY[name] > 1 else ''}.",
            "",
            "| | PSNR | SSIM | gain | least gain |",
            "| --- | --- | --- | --- | --- |",
            f"| the photographs | {fmean(s.before for s in scores):.2f} | {fmean(s.ssim_before for s in scores):.4f} |"
            " | |",
            *(_line(way, found) for way, found in mine),
        ]
        chosen = Counter(score.by for way, found in mine if way.model is None for score in found)
        if chosen:
            told = ", ".join(f"`{by}` {count} times" for by, count in chosen.most_common())
            lines += ["", f"Without a model was taken: {told}."]
    return "\n".join(lines) + "\n"


def _line(way: Way, scores: Sequence[Score]) -> str:
    gains = [score.psnr - score.before for score in scores]
    means = f"{fmean(score.psnr for score in scores):.2f} | {fmean(score.ssim for score in scores):.4f}"
    return f"| {way} | {means} | {fmean(gains):+.2f} | {min(gains):+.2f} |"
