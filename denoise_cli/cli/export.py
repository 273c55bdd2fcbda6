"""``denoise export``: a net as an ONNX file."""

from pathlib import Path
from typing import Annotated

import typer

from denoise_cli.cli import flags, screen


def export(
    model: Annotated[
        str | None, typer.Argument(help="Shipped weights (dt.gaussian): `denoise models` lists them.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The ONNX file.")] = Path("net.onnx"),
    weights: Annotated[Path | None, typer.Option(help="A weights file of your own, from `denoise train`.")] = None,
    force: flags.Force = False,
    quiet: flags.Quiet = False,
) -> None:
    """Write a net as an ONNX file, of a net that iterates one iteration; it is checked against torch.

    Example: `denoise export dt.gaussian -o dt.onnx`
    """
    from denoise_cli import checkpoint, methods, shelf
    from denoise_cli.errors import AGAIN, DenoiseError, ExistsError, UsageError
    from denoise_cli.files import write_atomically
    from denoise_cli.inference.export import TOLERANCE, difference, graph_of, to_onnx
    from denoise_cli.inference.load import load_net

    if (model is None) == (weights is None):
        raise UsageError("One net is exported.", "Name shipped weights, such as dt.gaussian, or a file with --weights.")
    if weights is not None:
        path, name = weights, checkpoint.load(weights).model
    else:
        assert model is not None
        path, name = shelf.path_of(shelf.find(model)), model.partition(".")[0]
    card = methods.find(name)
    if card.classifies:
        raise UsageError(f"{name} denoises nothing: it {card.summary}.", "Only denoisers are exported.")
    if output.exists() and not force:
        raise ExistsError(f"{output} exists already.", AGAIN)
    denoiser = load_net(path, card)
    graph = graph_of(denoiser, card.options)
    data = to_onnx(graph, denoiser.stride)
    apart = difference(graph, data, denoiser.stride)
    if not apart <= TOLERANCE:
        raise DenoiseError(
            f"The exported net differs from torch by {apart:.2g}, more than {TOLERANCE:g}; nothing was written.",
            "Install other versions of onnxruntime and onnxscript.",
        )
    write_atomically(output, data, force=force)
    screen.say(
        f"{', '.join(graph.inputs)} -> {', '.join(graph.outputs)}; height and width multiples of {denoiser.stride}"
    )
    screen.say(f"{graph.usage} Within {apart:.1g} of torch.")
    screen.emit(str(output))
