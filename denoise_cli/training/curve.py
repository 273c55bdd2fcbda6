"""The curve of a run: loss and validation score over the steps, as a PNG."""

from io import BytesIO
from pathlib import Path

from denoise_cli.files import write_atomically
from denoise_cli.training.folder import CURVE, LOG
from denoise_cli.training.log import rows


def draw(folder: Path, measure: str) -> bool:
    """Write the curve of the log in ``folder``, where there is one; False if matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    entries = rows(folder / LOG)
    if not entries:
        return True
    figure = Figure(figsize=(8, 4), layout="constrained")
    left = figure.add_subplot()
    lost = [row for row in entries if row["loss"] is not None]
    positive = all(row["loss"] > 0 for row in lost)
    left.plot([row["step"] for row in lost], [row["loss"] for row in lost], color="tab:blue", linewidth=0.8)
    left.set(xlabel="step", ylabel="loss", yscale="log" if lost and positive else "linear")
    right = left.twinx()
    scored = [row for row in entries if row.get("score") is not None]
    right.plot([row["step"] for row in scored], [row["score"] for row in scored], color="tab:orange", marker=".")
    right.set_ylabel(f"validation {measure}")
    data = BytesIO()
    figure.savefig(data, format="png", dpi=120)
    write_atomically(folder / CURVE, data.getvalue(), force=True)
    return True
