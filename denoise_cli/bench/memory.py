"""The memory that ``denoise run`` takes: over the size of a photo, and over the number of files in a folder."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image as Pillow

from denoise_cli.bench import process
from denoise_cli.errors import UsageError
from denoise_cli.files import write_atomically

_CELL, _NOISE = 64, 15.0  # pixels of a patch of one colour, blurred; deviation of the noise, of 255
_ASPECT = 1.5  # of a photo's sides
_TINY = 24  # side of the images of the folder
_EARLY = 500  # images after which a run has loaded what it needs
_HEAD = """# Memory

The most that a `denoise run` holds in main memory, the program and its libraries included: the peak of the resident
set of the process, as the system counts it. The photos are generated, three to two, smooth colours with noise, saved as
JPEG; the results are JPEG too."""


@dataclass(frozen=True)
class Peak:
    """What a run on one photo took."""

    model: str
    iters: int | None  # None where the model does not iterate, or its own number was taken
    megapixels: int
    peak: int  # bytes
    seconds: float  # of the processor


@dataclass(frozen=True)
class Folder:
    """What a run over a folder of small images took."""

    model: str
    images: int
    early: int  # peak, bytes, after the first ``_EARLY`` images
    late: int  # after all
    seconds: float  # of the processor


def measure(model: str, iters: int | None, megapixels: int, runs: Path) -> Peak:
    """The peak of a run on a photo of so many ``megapixels``; kept below ``runs``, and not measured again.

    Raises ``DenoiseError`` where the run fails.
    """
    kept = runs / f"{model}-{iters or 'own'}-{megapixels}.json"
    if kept.exists():
        return Peak(**json.loads(kept.read_text()))
    with TemporaryDirectory() as folder:
        source, target = Path(folder, "photo.jpg"), Path(folder, "clean.jpg")
        source.write_bytes(photo(megapixels))
        more = [] if iters is None else ["--iters", str(iters)]
        ran = process.denoise("run", str(source), "-o", str(target), "--model", model, "--quiet", *more)
    peak = Peak(model, iters, megapixels, ran.peak, ran.seconds)
    write_atomically(kept, json.dumps(asdict(peak)).encode(), force=True)
    return peak


def measure_folder(model: str, images: int, runs: Path) -> Folder:
    """The peak of a run over a folder of ``images``, early and late; kept below ``runs``, and not measured again."""
    kept = runs / f"{model}-folder-{images}.json"
    if kept.exists():
        return Folder(**json.loads(kept.read_text()))
    with TemporaryDirectory() as folder:
        source = Path(folder, "noisy")
        source.mkdir()
        generator = np.random.default_rng(0)
        for number in range(images):
            pixels = generator.integers(0, 256, (_TINY, _TINY, 3), dtype=np.uint8)
            Pillow.fromarray(pixels).save(source / f"{number:06}.png")
        ran = process.denoise("run", str(source), "-o", str(Path(folder, "clean")), "--model", model, "-q", "--json")
    peaks = [json.loads(line)["peak_memory"] for line in ran.stdout.splitlines()]
    found = Folder(model, images, peaks[min(_EARLY, images) - 1], peaks[-1], ran.seconds)
    write_atomically(kept, json.dumps(asdict(found)).encode(), force=True)
    return found


def photo(megapixels: int) -> bytes:
    """A generated photo as a JPEG file: smooth colours, and Gaussian noise."""
    height = round((megapixels * 1e6 / _ASPECT) ** 0.5)
    width = round(height * _ASPECT)
    generator = np.random.default_rng(0)
    cells = generator.integers(0, 256, (height // _CELL + 1, width // _CELL + 1, 3), dtype=np.uint8)
    levels = np.asarray(Pillow.fromarray(cells).resize((width, height), Pillow.Resampling.BICUBIC)).copy()
    for top in range(0, height, _CELL):
        band = levels[top : top + _CELL]
        band[:] = (band + generator.normal(0, _NOISE, band.shape)).clip(0, 255)
    stream = BytesIO()
    Pillow.fromarray(levels).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def page(peaks: Sequence[Peak], folders: Sequence[Folder], picture: str) -> str:
    """The peaks as a page of Markdown, which shows ``picture``."""
    sizes = sorted({peak.megapixels for peak in peaks})
    lines = [_HEAD, "", f"| megapixels | {' | '.join(f'{size}' for size in sizes)} |"]
    lines += [f"| --- |{' ---: |' * len(sizes)}"]
    for name, row in _curves(peaks):
        cells = [f"{row[size].peak / 1e6:.0f} MB" if size in row else "" for size in sizes]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", f"![memory over the size of the image]({picture})", "", "## Folders", ""]
    lines += [f"Images of {_TINY}x{_TINY} pixels, PNG, one run; the peak so far.", ""]
    lines += [f"| model | images | after {_EARLY} | after all | more |", "| --- | ---: | ---: | ---: | ---: |"]
    for found in folders:
        early, late = found.early / 1e6, found.late / 1e6
        lines.append(
            f"| {found.model} | {found.images:,} | {early:.1f} MB | {late:.1f} MB | {100 * (late / early - 1):.1f} % |"
        )
    return "\n".join([*lines, "", "This page is written by `denoise bench memory`.", ""])


def check_drawing() -> None:
    """Raise ``UsageError`` where matplotlib is not installed."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "The curve takes matplotlib, which is not installed.", "pip install 'denoise-cli[report]', or no -o."
        ) from error


def draw(peaks: Iterable[Peak]) -> bytes:
    """The curves as a PNG picture; see ``check_drawing``."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for name, row in _curves(peaks):
        sizes = sorted(row)
        axes.plot(sizes, [row[size].peak / 1e9 for size in sizes], marker="o", label=name)
    axes.set(xlabel="megapixels", ylabel="peak of the resident set, GB", ylim=(0, None), xlim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    stream = BytesIO()
    figure.savefig(stream, format="png", dpi=120)
    return stream.getvalue()


def _curves(peaks: Iterable[Peak]) -> list[tuple[str, dict[int, Peak]]]:
    """The peaks of each model by the size of the photo."""
    found: dict[str, dict[int, Peak]] = {}
    for peak in peaks:
        name = peak.model + (f", {peak.iters} iterations" if peak.iters else "")
        found.setdefault(name, {})[peak.megapixels] = peak
    return list(found.items())
