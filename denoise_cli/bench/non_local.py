"""What block matching is worth: BM3D beside its published figures, and nets alternated with a non-local filter."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from denoise_cli import methods, shelf
from denoise_cli.bench.protocol import BSD68, CBSD68, SET12, STRUCTURED, Trial, run_trial
from denoise_cli.files import write_atomically
from denoise_cli.inference.load import load_net, without_weights
from denoise_cli.inference.run import Engine, ready
from denoise_cli.method import Wrapper
from denoise_cli.shapes import from_channels, pad_to_multiple, to_channels

BM3D, AROUND = "bm3d", "nn3d:"
PUBLISHED = {  # of BM3D and CBM3D, dB; from the tables of FFDNet (Zhang et al., 2018) and NN3D (Cruz et al., 2018)
    BSD68: {15: 31.07, 25: 28.57, 50: 25.62, 75: 24.21},
    SET12: {30: 29.12, 50: 26.70, 75: 24.90},
    CBSD68: {15: 33.52, 25: 30.71, 50: 27.38, 75: 25.74},
}
LEVELS = {BM3D: {BSD68: (15, 25, 50), SET12: (30, 50, 75), CBSD68: (15, 25, 50)}}
_NETS = {SET12: (30, 50, 75), BSD68: (30, 50, 75), STRUCTURED: (30, 50, 75)}
_TIMED_SIDE, _ROUNDS = 512, 3
_HEAD = """\
# Non-local filters

Blocks of an image that look alike, wherever they are, can be denoised together. `bm3d` does so by itself; `nn3d` puts a
filter over such groups between two passes of a net (`denoise run noisy.png --model nn3d:dncnn`).

Mean PSNR over the images of a set; the noise is Gaussian of seed 0, neither clipped nor rounded, and its level is told.
The sets are BSD68 and Set12 in gray, CBSD68 in colour, and "structured": brick, chart, gravel and text of the bundled
samples, in gray."""
_PUBLISHED = """\
Published are the means of the original BM3D and CBM3D, as the papers on FFDNet and NN3D quote them."""
_NETS_HEAD = """\
## Nets alternated with a filter

As in Cruz, Foi, Katkovnik, Egiazarian, "Nonlocality-Reinforced Convolutional Neural Networks" (2018): the
columns are what the net makes of the noisy image, what the filter makes of that, and the same once more on the
mean of that result and the noisy image. A net that was trained for weaker noise gets the image darkened until the
noise is what it knows, and its answer is brightened again: in the first column too. For one that was trained for
stronger noise, more of the noisy image is mixed in."""


@dataclass(frozen=True)
class Case:
    """A model on a set of images at a level."""

    model: str  # bm3d, or weights to be alternated with the filter, such as dt.gaussian
    images: str
    level: int  # standard deviation of the noise, on the scale to 255

    @property
    def trial(self) -> Trial:
        """Float noise, as papers score."""
        return Trial(self.images, f"gaussian:{self.level}", False)

    def kept(self, runs: Path) -> Path:
        """Where its score is kept: other weights of the same name have another place."""
        version = "" if self.model == BM3D else f"-{shelf.find(self.model).sha256[:8]}"
        return runs / f"{self.model}{version}-{self.images}-{self.level}.json"


@dataclass(frozen=True)
class Score:
    """What was measured, dB: one figure for BM3D, one for each stage of an alternation."""

    case: Case
    psnr_db: tuple[float, ...]


def cases(models: Sequence[str], sets: Sequence[str], levels: Sequence[int]) -> list[Case]:
    """All cases of ``models``; only those of ``sets`` and ``levels``, where any are given."""
    return [
        Case(model, images, level)
        for model in models
        for images, usual in LEVELS.get(model, _NETS).items()
        for level in usual
        if (not sets or images in sets) and (not levels or level in levels)
    ]


def recall(case: Case, runs: Path) -> Score | None:
    """The score of a case as it was kept below ``runs``; ``None`` where it was not measured yet."""
    path = case.kept(runs)
    return Score(case, tuple(json.loads(path.read_text(encoding="utf-8")))) if path.exists() else None


def measure(case: Case, data: Path, runs: Path, device: torch.device) -> Score:
    """Measure a case, and keep its score below ``runs``. Raises ``InputError`` and ``WeightsError``."""
    if case.model == BM3D:
        card = methods.find(BM3D)
        denoiser = without_weights(card)
    else:
        entry = shelf.find(case.model)
        card = methods.find(AROUND + entry.model)
        denoiser = load_net(shelf.path_of(entry), card)
    options = replace(card.options, sigma=float(case.level))
    engine = ready(Engine(denoiser, options, device, torch.float32))
    figures = run_trial(case.trial, data, partial(_estimates, engine), device)
    write_atomically(case.kept(runs), json.dumps(figures).encode(), force=True)
    return Score(case, tuple(figures))


def pace(runs: Path, kept: bool) -> float | None:
    """Seconds of the processor, all threads together, that BM3D takes for a megapixel in gray: the fastest of some.

    Kept below ``runs`` as scores are; ``None`` where it was not measured and may not be now.
    """
    path = runs / f"{BM3D}-pace-{_TIMED_SIDE}.json"
    if path.exists():
        return float(json.loads(path.read_text(encoding="utf-8")))
    if kept:
        return None
    card = methods.find(BM3D)
    denoiser, options = without_weights(card), replace(card.options, sigma=25.0)
    noise = torch.randn((1, 1, _TIMED_SIDE, _TIMED_SIDE), generator=torch.Generator().manual_seed(0))
    noisy = 0.5 + 25 / 255 * noise  # a flat image: all blocks are alike, so that no group is cut short
    fastest = float("inf")
    with torch.inference_mode():
        for _ in range(_ROUNDS):
            began = time.process_time()
            denoiser.denoise(noisy, options)
            fastest = min(fastest, time.process_time() - began)
    seconds = 1e6 * fastest / noisy.numel()
    write_atomically(path, json.dumps(seconds).encode(), force=True)
    return seconds


def page(scores: Sequence[Score], seconds: float | None = None) -> str:
    """The scores as a page of Markdown; ``seconds`` are those of BM3D for a megapixel."""
    lines = [_HEAD, "", "## BM3D", "", *_bm3d(scores), "", _PUBLISHED, ""]
    if seconds is not None:
        lines += [
            f"In gray a megapixel takes {seconds:.1f} seconds of the processor, all threads together: the fastest of "
            f"{_ROUNDS}, on a flat image of {_TIMED_SIDE}x{_TIMED_SIDE} pixels with noise of sigma 25.",
            "",
        ]
    nets = dict.fromkeys(score.case.model for score in scores if score.case.model != BM3D)
    lines += [_NETS_HEAD, ""] if nets else []
    for model in nets:
        lines += [f"`nn3d:{model}`:", "", *_turns([score for score in scores if score.case.model == model]), ""]
    return "\n".join([*lines, "This page is written by `denoise bench non-local`.", ""])


def _bm3d(scores: Sequence[Score]) -> Iterator[str]:
    yield "| images | sigma | PSNR, dB | published | difference |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for score in scores:
        case = score.case
        if case.model == BM3D:
            told = PUBLISHED[case.images][case.level]
            ours = score.psnr_db[0]
            yield f"| {case.images} | {case.level} | {ours:.2f} | {told:.2f} | {ours - told:+.2f} |"


def _turns(scores: Sequence[Score]) -> Iterator[str]:
    yield "| images | sigma | net | net, filter | net, filter, net | net, filter, net, filter | gain |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for score in scores:
        stages = " | ".join(f"{figure:.2f}" for figure in score.psnr_db)
        gain = score.psnr_db[-1] - score.psnr_db[0]
        yield f"| {score.case.images} | {score.case.level} | {stages} | {gain:+.2f} |"


def _estimates(engine: Engine, noisy: Tensor) -> list[Tensor]:
    """The estimates of a batch after each stage of a wrapper; of others the only one."""
    denoiser, (height, width) = engine.denoiser, noisy.shape[-2:]
    padded = pad_to_multiple(noisy, denoiser.stride)
    taken = to_channels(padded, denoiser.channels)
    with torch.inference_mode():
        if isinstance(denoiser, Wrapper):
            found = list(denoiser.stages(taken, denoiser.settle(taken, engine.options)))
        else:
            found = [denoiser.denoise(taken, engine.options)]
    return [from_channels(estimate, padded)[..., :height, :width] for estimate in found]
