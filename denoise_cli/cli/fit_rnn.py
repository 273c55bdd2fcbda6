"""``denoise fit-rnn``: the recurrent autoencoder, seen from inside."""

from typing import Annotated

import typer

from denoise_cli.cli import fit, fit_view, flags, knobs


def fit_rnn(
    inputs: fit.Inputs,
    output: fit.Output = None,
    epsilon: Annotated[
        float | None, typer.Option(help="Share of the last output in the next input; the rest is fixed noise.")
    ] = None,
    carry: Annotated[float | None, typer.Option(help="Share of the hidden state kept from step to step.")] = None,
    unroll: Annotated[int | None, typer.Option(help="Time steps within one step of the optimiser.")] = None,
    optimiser: Annotated[str | None, typer.Option(help="adam (default), muon, or descent: plain gradients.")] = None,
    rate: fit.Rate = None,
    smooth: Annotated[
        float | None, typer.Option(help="Weight of the estimate's variation, in units of the measured noise; 0: none.")
    ] = None,
    average: Annotated[float | None, typer.Option(help="Decay of the mean of the outputs; 0: none.")] = None,
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
    max_pixels: flags.MaxPixels = None,
    device: flags.Device = "auto",
    precision: flags.Precision = "auto",
    force: flags.Force = False,
    as_json: flags.Json = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = False,
) -> None:
    """Fit a recurrent autoencoder to each image, best a small one: no training data, no weights. It stops by itself.

    --smooth keeps the noise out, so that a small image can do with a number of steps, and nothing held out of the fit.
    Ctrl-C, or the end of --time, writes the best so far. Into a folder, the same command again does what is missing.

    Examples:

    `denoise fit-rnn noisy.png --pad edge --pad-size 4`

    `denoise fit-rnn thumbnail.png --iters 280`

    `denoise fit-rnn noisy.png --optimiser descent --rate 1e-4 --iters 2000 --smooth 0 --average 0`
    """
    from denoise_cli import methods

    card = methods.find("rnn")
    given = {
        "epsilon": epsilon,
        "carry": carry,
        "unroll": unroll,
        "optimiser": optimiser,
        "rate": rate,
        "smooth": smooth,
        "average": average,
        "padding": pad,
        "pad_size": pad_size,
        "stop": stop,
        "iters": iters,
        "seed": seed,
    }
    config, options = fit.chosen(card, given, knobs.parse_settings(settings or []), "fit-rnn")
    watch = fit_view.Watch(clean, curve, save_every, preview)
    job = fit.Job(inputs, output, time, max_pixels, device, precision, force, as_json, watch, workers)
    fit.fit_images(card, config, options, job)
