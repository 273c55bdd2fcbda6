"""The curve of a run: loss and validation PSNR over the steps, as a PNG."""

import json
from io import BytesIO
from pathlib import Path

from denoise_cli.files import write_atomically


def draw(folder: Path) -> bool:
    """Write ``folder/curve.png`` from ``folder/log.jsonl``, where there is one; False if matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    log = folder / "log.jsonl"
    if not log.exists():
        return True
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    figure = Figure(figsize=(8, 4), layout="constrained")
    left = figure.add_subplot()
    left.plot([row["step"] for row in rows], [row["loss"] for row in rows], color="tab:blue", linewidth=0.8)
    left.set(xlabel="step", ylabel="loss", yscale="log")
    right = left.twinx()
    scored = [row for row in rows if row["psnr"] is not None]
    right.plot([row["step"] for row in scored], [row["psnr"] for row in scored], color="tab:orange", marker=".")
    right.set_ylabel("validation PSNR, dB")
    data = BytesIO()
    figure.savefig(data, format="png", dpi=120)
    write_atomically(folder / "curve.png", data.getvalue(), force=True)
    return True
