"""Make pairs of clean and noisy images: each byte follows from the settings and the source's images.

The noise of an image is drawn from a generator seeded by (seed, image, noise), on the CPU: it depends neither on the
order of the images nor on how many there are.
"""

import os
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch

from denoise_cli import noise as noises
from denoise_cli.data.manifest import CLEAN, TEST, CleanFile, Entry, Manifest, NoisyFile, Settings
from denoise_cli.data.output import Output
from denoise_cli.data.source import Pixels, Source, eight_bits
from denoise_cli.errors import InputError, UsageError
from denoise_cli.image import Image, encode, load_opencv
from denoise_cli.image import Source as Origin
from denoise_cli.noise.camera import Camera
from denoise_cli.noise.chain import THEN
from denoise_cli.noise.patch import bare
from denoise_cli.seeds import derive

LEVELS = {
    "sp": ("0.1", "0.2", "0.3", "0.4", "0.5"),
    "gaussian": ("0.05", "0.1", "0.15", "0.2", "0.3"),
    "poisson": ("1", "2", "4", "8", "30"),  # the peaks of Remez et al.
    "jpeg": ("10", "20", "30", "40"),  # the qualities of DnCNN-3
    "lowres": ("2", "3", "4"),  # the factors of DnCNN-3
    "poisson-gaussian": ("0.05+0.01", "0.1+0.02", "0.2+0.04"),
    "camera": ("0.04+0.015", "0.08+0.03", "0.16+0.06"),  # a quarter, half and all of what CBDNet is trained with
    "mixed": ("10", "25", "50"),  # sigma of the Gaussian part
}
SHARE = "0.05"  # of impulses in mixed noise, where only sigma is given
INNER = "sp"  # what patch alone puts into its rectangles

_AHEAD = 4  # images a worker may be ahead of the manifest


@dataclass(frozen=True)
class Step:
    """One image is done: what was written, or why nothing was."""

    image: str
    entries: tuple[Entry, ...] = ()
    problem: InputError | None = None


def is_open(kind: str) -> bool:
    """Whether ``kind`` leaves its level open: ``sp`` or ``patch:gaussian``, unlike ``sp:0.3``."""
    first, _, rest = kind.partition(":")
    return kind in LEVELS or (first == "patch" and (not rest or rest in LEVELS))


def words(kind: str, levels: Sequence[str] | None = None) -> tuple[str, ...]:
    """The noises that ``kind`` stands for: one a level, the usual levels where none are given.

    A word that has its level already, such as ``sp:0.3``, stands for itself. Raises ``UsageError`` for an unknown kind,
    a level out of its range, and levels for a word that has one.
    """
    first, _, rest = kind.partition(":")
    if not is_open(kind):
        if levels is not None and noises.parse(kind):
            raise UsageError(f"{kind} has its level already.", f"Leave --levels out, or say --noise {first}.")
        return (str(noises.parse(kind)),)
    if first == "patch":
        return tuple(f"patch:{word}" for word in words(rest or INNER, levels))
    given = LEVELS[kind] if levels is None else levels
    if kind == "mixed":
        given = [level if "+" in level else f"{level}+{SHARE}" for level in given]
    return tuple(str(noises.parse(f"{kind}:{level}")) for level in given)


def folder_of(word: str) -> str:
    """The folder for a noise: ``sp-0.1`` for ``sp:0.1``, ``0.5-sp-0.1+0.5-jpeg-30`` for a mixture of two."""
    return word.replace(THEN, "-then-").replace(" ", "").replace(":", "-").replace("*", "-")


def split(names: Sequence[str], val: float, seed: int, tested: Collection[str] = ()) -> dict[str, str]:
    """``train`` or ``val`` for each name: that share of them, rounded, drawn by the seed; ``""`` where ``val`` is 0.

    Both sides get an image where there are two. The names in ``tested``, which the source keeps for testing, are
    always ``test`` and take no part. Raises ``UsageError`` for a share that leaves nothing to train on.
    """
    if not 0 <= val < 1:
        raise UsageError(f"A share of {val:g} cannot be kept for validation.", "--val is at least 0 and below 1.")
    if val == 0:
        return {name: TEST if name in tested else "" for name in names}
    order = sorted(set(names) - set(tested), key=lambda name: derive(seed, "val", name))
    drawn = set(order[: min(max(round(val * len(order)), 1), max(len(order) - 1, 0))])
    return {name: TEST if name in tested else "val" if name in drawn else "train" for name in names}


def synthesize(
    source: Source, settings: Settings, folder: Path, *, splits: Mapping[str, str], force: bool = False
) -> Iterator[Step]:
    """Write the images of ``splits`` (name to split) and their noisy versions under ``folder``, a step an image.

    The tree is ``<split>/clean/<image>`` and ``<split>/<noise>-<level>/<image>``, with a noise that has a clean image
    of its own also ``<split>/clean-<noise>-<level>/<image>``; the manifest comes last. A broken image is a step with a
    problem. Raises ``OutputError`` where ``folder`` is not empty (and not ``force``) or cannot be written,
    ``InputError`` where no image was readable or the name of one leaves ``folder``, ``UsageError`` for a noise that
    there is not.
    """
    for word in settings.noise:
        noises.parse(word)  # before anything is written
    planned = [file for name, part in splits.items() for file in _files(name, part, settings).values()]
    output = Output.claim(folder, settings, planned, force=force)
    entries: list[Entry] = []
    problem: InputError | None = None
    for step in _steps(source, settings, output, splits):
        entries += step.entries
        problem = problem or step.problem
        yield step
    if not entries:
        output.give_up()
        raise problem or InputError(f"There is no image in {source.word}.", "Name a folder of images or a known set.")
    output.complete(Manifest(settings, tuple(entries)))


def _steps(source: Source, settings: Settings, output: Output, splits: Mapping[str, str]) -> Iterator[Step]:
    """The work of all images, spread over threads; steps in the source's order."""
    workers = os.cpu_count() or 1
    waiting: deque[Future[Step]] = deque()
    load_opencv()  # once, before the threads
    with ThreadPoolExecutor(workers) as pool:
        try:
            for name, pixels in source.read(splits):
                waiting.append(pool.submit(_step, name, pixels, splits[name], settings, output))
                if len(waiting) > workers * _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _step(name: str, pixels: Pixels | InputError, part: str, settings: Settings, output: Output) -> Step:
    seeds = {word: derive(settings.seed, name, word) for word in settings.noise}
    try:
        if isinstance(pixels, InputError):
            raise pixels
        clean = prepare(pixels, name, settings)
        pairs = {word: _pair(clean, name, word, seed) for word, seed in seeds.items()}
    except InputError as error:
        return Step(name, problem=error)
    files = _files(name, part, settings)
    entries: list[Entry] = []
    written = _written(output, files[CLEAN], clean) if settings.clean else None
    source_hash = sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()
    entries.append(CleanFile(name, part, files.get(CLEAN), source_hash, written, *clean.shape))
    for word, seed in seeds.items():
        noisy, reference = pairs[word]
        written = _written(output, files[word], noisy)
        own = files.get(_own_clean(word))
        known = _written(output, own, reference) if own and reference is not None else None
        entries.append(NoisyFile(name, files[word], word, _level(word), seed, written, own, known))
    return Step(name, tuple(entries))


def _pair(clean: Pixels, name: str, word: str, seed: int) -> tuple[Pixels, Pixels | None]:
    """The noisy image, and the clean one that it is to come near to where that is not ``clean``."""
    batch = torch.from_numpy(clean).float().div(255).unsqueeze(0)  # (1, C, H, W)
    try:
        pair = noises.parse(word)(batch, torch.Generator().manual_seed(seed))
    except InputError as error:
        raise InputError(f"{name}: {error.what}", error.hint) from error
    reference = eight_bits(pair.clean.squeeze(0).numpy()) if _has_own_clean(word) else None
    return eight_bits(pair.noisy.squeeze(0).numpy()), reference


def prepare(pixels: Pixels, name: str, settings: Settings) -> Pixels:
    """The clean image (C, H, W): resized until its shorter side is ``size``, then cut to a square of side ``crop``.

    Shrinking averages areas, enlarging is Lanczos; the crop's place is drawn by the seed and the name. Raises
    ``InputError`` where the image is smaller than the crop.
    """
    height, width = pixels.shape[1:]
    if settings.size is not None and settings.size != min(height, width):
        cv2 = load_opencv()
        scale = settings.size / min(height, width)
        height, width = max(1, round(height * scale)), max(1, round(width * scale))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LANCZOS4
        resized = cv2.resize(np.ascontiguousarray(pixels.transpose(1, 2, 0)), (width, height), interpolation=how)
        pixels = np.ascontiguousarray(resized.reshape(height, width, -1).transpose(2, 0, 1))
    if settings.crop is not None:
        side = settings.crop
        if side > min(height, width):
            raise InputError(
                f"{name} has {width}x{height} pixels, too few for a crop of {side}.",
                f"Give --size {side} too, a smaller --crop, or larger images.",
            )
        top = derive(settings.seed, "crop top", name) % (height - side + 1)
        left = derive(settings.seed, "crop left", name) % (width - side + 1)
        pixels = np.ascontiguousarray(pixels[:, top : top + side, left : left + side])
    return pixels


def _files(name: str, part: str, settings: Settings) -> dict[str, str]:
    """The path of each file of an image, by its word of noise, ``clean``, or the clean image of that noise."""
    kinds = settings.noise
    if settings.clean:
        kinds = CLEAN, *kinds, *(_own_clean(word) for word in kinds if _has_own_clean(word))
    return {kind: "/".join(filter(None, (part, folder_of(kind), name))) for kind in kinds}


def _own_clean(word: str) -> str:
    return f"{CLEAN}-{word}"


def _has_own_clean(word: str) -> bool:
    """Whether ``Pair.clean`` is not the image that the noise was given."""
    return any(isinstance(noise, Camera) for noise in bare(noises.parse(word)))


def _written(output: Output, file: str, pixels: Pixels) -> str:
    """Write ``pixels`` as PNG; the SHA-256 of the file."""
    data = encode(Image(pixels.astype(np.float32) / np.float32(255), Origin(file)), "png")
    output.write(file, data)
    return sha256(data).hexdigest()


def _level(word: str) -> float | str:
    if "*" in word or THEN in word:
        return word  # a mixture has no level but itself, and a chain several
    text = word.rpartition(":")[2]
    try:
        return float(text)
    except ValueError:
        return text
