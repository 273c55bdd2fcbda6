"""``denoise bench real``: photographs whose noise nobody added."""

from pathlib import Path
from typing import Annotated

import typer

from denoise_cli.cli import flags, screen


def real(
    data: Annotated[
        Path, typer.Option("--data", envvar="DENOISE_DATA", help="Folder with nam and polyu: X_real and X_mean files.")
    ] = Path("data"),
    sets: Annotated[str, typer.Option(help="Only these: nam or polyu.")] = "",
    runs: Annotated[Path, typer.Option(help="Where scores are kept, so that it goes on.")] = Path("runs/real"),
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the page here; by default to stdout.")
    ] = None,
    device: flags.Device = "auto",
    precision: flags.Precision = "auto",
    quiet: flags.Quiet = False,
) -> None:
    """Denoise real photographs, each beside the mean of many of its scene.

    Example: `denoise bench real --data data/ -o docs/real.md`
    """
    from denoise_cli import device as devices
    from denoise_cli.bench import real as study
    from denoise_cli.errors import UsageError, did_you_mean

    where = devices.pick(device)
    dtype = devices.precision(precision, where)
    devices.keep_memory()
    names = sets.split(",") if sets else list(study.SETS)
    for name in names:
        if name not in study.SETS:
            raise UsageError(f"There is no set {name!r} of real photographs.", did_you_mean(name, study.SETS))
    results = []
    for name in names:
        for way in study.WAYS:
            scores = study.measure(name, way, data, runs, where, dtype)
            screen.say(f"{name}: {way}: {sum(score.psnr for score in scores) / len(scores):.2f} dB")
            results.append((name, way, scores))
    words = f"denoise bench real --data DIR{f' --sets {sets}' if sets else ''}"
    screen.write_page(study.page(results, words), output)
