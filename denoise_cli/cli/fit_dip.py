"""``denoise fit-dip``: the deep image prior, seen from inside."""

from typing import Annotated

import typer

from denoise_cli.cli import fit, fit_view, flags, knobs


def fit_dip(
    inputs: fit.Inputs,
    output: fit.Output = None,
    net: Annotated[
        str | None, typer.Option("--net", help="skip: hourglass with skips (default); autoencoder: without; plain.")
    ] = None,
    source: Annotated[str | None, typer.Option("--input", help="What goes in: noise (default), or the image.")] = None,
    optimiser: Annotated[str | None, typer.Option(help="muon (default), adam, or descent: plain gradients.")] = None,
    rate: fit.Rate = None,
    jitter: Annotated[
        float | None, typer.Option(help="Standard deviation of the noise added to the input in each step.")
    ] = None,
    average: Annotated[float | None, typer.Option(help="Decay of the mean of the outputs; 0: none.")] = None,
    loss: Annotated[str | None, typer.Option(help="l2, l1 or huber. Salt and pepper is left out of it.")] = None,
    pad: fit.Pad = None,
    pad_size: fit.PadSize = None,
    stop: fit.Stop = None,
    iters: fit.Iters = None,
    time: fit.Time = None,
    seed: fit.Seed = None,
    settings: flags.Settings = None,
    clean: fit.Clean = None,
    curve: fit.Curve = None,
    save_every: fit.SaveEvery = None,
    preview: fit.Preview = None,
    workers: fit.Workers = None,
    batch: fit.Batch = None,
    max_pixels: flags.MaxPixels = None,
    device: flags.Device = "auto",
    precision: flags.Precision = "auto",
    force: flags.Force = False,
    as_json: flags.Json = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = False,
) -> None:
    """Fit a deep image prior to each image: no training data, no weights. It stops by itself.

    Ctrl-C, or the end of --time, writes the best so far. Into a folder, the same command again does what is missing.

    Examples:

    `denoise fit-dip noisy.png --pad reflect`

    `denoise fit-dip noisy.png --stop sigma:25 --curve curve.png --preview steps.png`

    `denoise fit-dip noisy.png --set width=128 --optimiser adam --iters 1800`
    """
    from denoise_cli import methods

    card = methods.find("dip")
    given = {
        "kind": net,
        "input": source,
        "optimiser": optimiser,
        "rate": rate,
        "jitter": jitter,
        "average": average,
        "loss": loss,
        "padding": pad,
        "pad_size": pad_size,
        "stop": stop,
        "iters": iters,
        "seed": seed,
    }
    config, options = fit.chosen(card, given, knobs.parse_settings(settings or []), "fit-dip")
    watch = fit_view.Watch(clean, curve, save_every, preview)
    job = fit.Job(inputs, output, time, max_pixels, device, precision, force, as_json, watch, workers, batch)
    fit.fit_images(card, config, options, job)
