"""``denoise fit-ntk``: the neural tangent kernel filter, with its knobs as flags."""

from typing import Annotated

import typer

from denoise_cli.cli import fit, flags
from denoise_cli.cli.run import run


def fit_ntk(
    ctx: typer.Context,
    inputs: fit.Inputs,
    output: fit.Output = None,
    side: Annotated[int | None, typer.Option(help="Side of the patches, odd, pixels (11).", min=1)] = None,
    points: Annotated[int | None, typer.Option(help="Columns of the kernel that are computed (655).", min=1)] = None,
    stop: Annotated[
        str | None, typer.Option(help="risk: least estimated error (default); discrepancy: residual as large as noise.")
    ] = None,
    iters: Annotated[
        int | None, typer.Option("--iters", "-n", help="Twicing steps; nothing else stops.", min=1)
    ] = None,
    sigma: Annotated[
        float | None, typer.Option(help="Noise level, 0..255 (up to 1: of 0..1); measured if not given.", min=0)
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the points, and of the noise that probes the risk.")] = None,
    max_pixels: flags.MaxPixels = None,
    device: flags.Device = "auto",
    force: flags.Force = False,
    as_json: flags.Json = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = False,
) -> None:
    """Filter each image by what an infinitely wide net fitted to it would do, in closed form; nothing is trained.

    Images above 131,072 pixels are filtered in pieces of at most 256x256 pixels and a margin: the work takes some 16
    bytes for each pixel and each point.

    Examples:

    `denoise fit-ntk noisy.png`

    `denoise fit-ntk noisy.png --sigma 25 --side 7 --points 1310`
    """
    given = {"side": side, "points": points, "stop": stop, "steps": iters, "seed": seed}
    settings = [f"{name}={value}" for name, value in given.items() if value is not None]
    run(
        ctx,
        inputs,
        output=output,
        model="ntk",
        sigma=sigma,
        settings=settings,
        max_pixels=max_pixels,
        device=device,
        force=force,
        as_json=as_json,
    )
