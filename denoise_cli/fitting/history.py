"""What a fit did, step by step, and the figure of it."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from torch import Tensor

from denoise_cli.errors import UsageError
from denoise_cli.files import write_atomically
from denoise_cli.fitting.follow import Standing
from denoise_cli.metrics.psnr import psnr


@dataclass(frozen=True)
class Row:
    """One step of the fit of one image."""

    number: int
    loss: float  # mean squared misfit
    held_out: float | None  # of the estimate on the pixels that are not fitted
    psnr: float | None  # of the estimate, dB, where the clean image is known
    seconds: float  # since the fit began


class History:
    """The rows of one fit; a fit that begins again begins its history again."""

    def __init__(self, clean: Tensor | None = None) -> None:
        """``clean`` (1, C, H, W) is looked at by the figure only, never by the fit."""
        self._clean = clean
        self.rows: list[Row] = []

    def take(self, standing: Standing) -> Row:
        """Add the step of ``standing``."""
        step = standing.step
        if self.rows and step.number <= self.rows[-1].number:
            self.rows.clear()
        held_out = None if step.held_out is None else step.held_out[0].item()
        score = self.score(step.estimate)
        self.rows.append(Row(step.number, step.loss[0].item(), held_out, score, standing.seconds))
        return self.rows[-1]

    def score(self, estimate: Tensor) -> float | None:
        """The PSNR of ``estimate`` (1, C, H, W), dB, where the clean image is known."""
        return None if self._clean is None else psnr(estimate.float(), self._clean).item()


def check_curve(path: Path) -> None:
    """Raise ``UsageError`` where no figure can be drawn, or ``path`` is not the name of a PNG."""
    if path.suffix.lower() != ".png":
        raise UsageError(f"The curve is a PNG, and {str(path)!r} is the name of none.", "Let it end in .png.")
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "The curve takes matplotlib, which is not installed.", "pip install 'denoise-cli[report]', or no --curve."
        ) from error


def draw(rows: list[Row], best_at: int, path: Path, *, force: bool) -> None:
    """Write the misfits over the steps as a PNG, and the PSNR where it is known; ``best_at`` is marked."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    left = figure.add_subplot()
    steps = [row.number for row in rows]
    left.plot(steps, [row.loss for row in rows], color="tab:blue", linewidth=0.8, label="fitted pixels")
    held_out = [(row.number, row.held_out) for row in rows if row.held_out is not None]
    if held_out:
        left.plot(*zip(*held_out, strict=True), color="tab:green", linewidth=0.8, label="held-out pixels")
    left.axvline(best_at, color="gray", linewidth=0.8, linestyle="--", label=f"answer: step {best_at}")
    positive = all(row.loss > 0 for row in rows)
    left.set(xlabel="step", ylabel="mean squared misfit", yscale="log" if positive else "linear")
    scores = [row.psnr for row in rows if row.psnr is not None]
    if scores:
        right = left.twinx()
        right.plot(steps, scores, color="tab:orange", label="PSNR of the estimate")
        right.set_ylabel("PSNR of the estimate, dB")
    figure.legend(loc="outside upper center", ncols=4)
    data = BytesIO()
    figure.savefig(data, format="png", dpi=120)
    write_atomically(path, data.getvalue(), force=force)
