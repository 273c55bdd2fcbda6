"""``denoise models add``: put a trained net among the weights that are shipped."""

from pathlib import Path
from typing import Annotated

import typer

from denoise_cli.cli import screen


def add(
    file: Annotated[Path, typer.Argument(help="best.safetensors of a training run.")],
    name: Annotated[str, typer.Argument(help="model.tag, such as dt.sp.")],
    suits: Annotated[
        str | None,
        typer.Option(
            help="The noise that run takes them for: impulses, mixed, jpeg, camera, poisson-gaussian, gaussian, or "
            "several with commas; empty: never by themselves, which new ones are by default, while others stay as "
            "they were."
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="What they were trained on, in words.")] = "cpu",
    full: Annotated[bool, typer.Option("--full", help="Store float32; by default half precision.")] = False,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Replace weights of that name, in their place; their scores go.")
    ] = False,
) -> None:
    """Store trained weights in half precision and enter them into the index, the last of it if they are new.

    Example: `denoise models add runs/dt-sp/best.safetensors dt.sp --suits impulses`
    """
    from denoise_cli.inference.publish import publish

    entry = publish(file, name, suits, device, half=not full, force=force)
    screen.say(f"{entry.name}: {entry.weights:,} weights, sha256 {entry.sha256[:12]}")
