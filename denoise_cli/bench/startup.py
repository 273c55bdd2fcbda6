"""How long commands take to begin, beside what they cannot do without: typer, and torch."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image as Pillow

from denoise_cli.bench import process

_SIDE = 32  # of the image, pixels
_TYPER = """
import typer
app = typer.Typer()
for name in ("one", "two"):
    app.command(name)(lambda: None)
app(["--help"])
"""


@dataclass(frozen=True)
class Start:
    """What a command took beside another."""

    command: str
    beside: str
    seconds: float  # of the processor, the fastest of the runs
    other: float  # the same for what it stands beside

    @property
    def ratio(self) -> float:
        """How many times as long it took."""
        return self.seconds / self.other


def measure(repeats: int) -> list[Start]:
    """The commands, each run ``repeats`` times in turn with the others, after a first run that does not count.

    Python may keep the modules that it compiles, as it does where a program is installed. Seconds are those of the
    processor, which other work on the machine lengthens less than those that pass. Raises ``DenoiseError`` where a
    command fails.
    """
    with TemporaryDirectory() as folder:
        noisy, clean = Path(folder, "noisy.png"), Path(folder, "clean.png")
        levels = np.random.default_rng(0).integers(0, 256, (_SIDE, _SIDE, 3), dtype=np.uint8)
        Pillow.fromarray(levels).save(noisy)
        image, out = str(noisy), str(clean)
        pairs = {
            "denoise --version": (["--version"], "typer"),
            "denoise --help": (["--help"], "typer"),
            "denoise run tiny.png": (["run", image, "-o", out, "-f", "-q"], "torch"),
            "denoise run tiny.png --model dt": (["run", image, "-o", out, "-f", "-q", "--model", "dt"], "torch"),
            "denoise run tiny.png --model median": (
                ["run", image, "-o", out, "-f", "-q", "--model", "median"],
                "torch",
            ),
            "denoise score tiny.png tiny.png": (["score", image, image, "-q"], "torch"),
            "denoise make-data tiny.png": (["make-data", image, "-o", str(Path(folder, "set")), "-f", "-q"], "torch"),
        }
        base = {"typer": ("typer's own --help", ["-c", _TYPER]), "torch": ("import torch", ["-c", "import torch"])}
        words = dict(base.values())
        words |= {label: ["-m", "denoise_cli", *own] for label, (own, _) in pairs.items()}
        took: dict[str, list[float]] = {label: [] for label in words}
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        for turn in range(repeats + 1):
            for label, own in words.items():
                seconds = process.run(own, kept).seconds
                took[label] += [seconds] if turn else []
    best = {label: min(seconds) for label, seconds in took.items()}
    return [Start(label, base[of][0], best[label], best[base[of][0]]) for label, (_, of) in pairs.items()]


def table(starts: Sequence[Start]) -> str:
    """The commands as a Markdown table."""
    lines = ["| command | seconds | beside | seconds | times as long |", "| --- | ---: | --- | ---: | ---: |"]
    lines += [
        f"| `{start.command}` | {start.seconds:.2f} | {start.beside} | {start.other:.2f} | {start.ratio:.2f} |"
        for start in starts
    ]
    return "\n".join(lines)
