"""Nets as ONNX files, for other programs."""

import importlib
import logging
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from denoise_cli.errors import DenoiseError, UsageError
from denoise_cli.method import Denoiser, Graph, Graphed

TOLERANCE = 1e-4  # largest difference between ONNX Runtime and torch


class _Once(nn.Module):
    """A denoiser as a function of the noisy image alone."""

    def __init__(self, denoiser: Denoiser, options: Any) -> None:
        super().__init__()
        self.net, self.denoiser, self.options = denoiser, denoiser, options

    def forward(self, noisy: Tensor) -> Tensor:
        return self.denoiser.denoise(noisy, self.options)


def graph_of(denoiser: Denoiser, options: Any) -> Graph:
    """What is to be exported of ``denoiser``: its own graph, or noisy image in and estimate out."""
    if isinstance(denoiser, Graphed):
        return denoiser.graph()
    side = 48 // denoiser.stride * denoiser.stride
    noisy = torch.rand(1, denoiser.channels or 3, side, side + denoiser.stride)
    return Graph(_Once(denoiser, options).eval(), {"noisy": noisy}, ("estimate",), "Noisy image in, estimate out.")


def to_onnx(graph: Graph, stride: int) -> bytes:
    """The ONNX file of ``graph``; H and W are free, as multiples of ``stride``.

    Raises ``UsageError`` where the packages of the extra ``onnx`` are missing, ``DenoiseError`` where the net cannot be
    exported.
    """
    for package in ("onnx", "onnxscript", "onnxruntime"):
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise UsageError(
                f"The export needs {package}, which cannot be imported.", "Install it: pip install 'denoise-cli[onnx]'."
            ) from error
    sides = {index: stride * torch.export.Dim(name, min=2) for index, name in ((2, "h"), (3, "w"))}
    free = tuple(sides if tensor.ndim == 4 else {} for tensor in graph.inputs.values())
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)  # it warns of packages that it does not need
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of torch about itself
            graph.module(*graph.inputs.values())  # so that what is kept for later is no stand-in of the exporter's
            program = torch.onnx.export(
                graph.module.eval(),
                tuple(graph.inputs.values()),
                input_names=list(graph.inputs),
                output_names=list(graph.outputs),
                dynamic_shapes=free,
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # whatever the exporter finds that it does not know
        reason = str(error).strip().partition("\n")[0]
        raise DenoiseError(f"The net cannot be exported to ONNX: {reason}", "Choose another model.") from error
    finally:
        exporter.setLevel(level)
    assert program is not None
    model = program.model_proto
    model.doc_string = graph.usage
    return bytes(model.SerializeToString())


def difference(graph: Graph, data: bytes, stride: int) -> float:
    """The largest difference between torch and the ONNX file ``data``, on images of another size than the examples."""
    import numpy as np
    import onnxruntime

    generator = torch.Generator().manual_seed(0)
    inputs = {
        name: torch.rand((*example.shape[:2], 5 * stride, 7 * stride), generator=generator) if example.ndim else example
        for name, example in graph.inputs.items()
    }
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    largest = 0.0
    for number in (0, 3) if "iteration" in inputs else (0,):
        if "iteration" in inputs:
            inputs["iteration"] = torch.tensor(float(number))
        found = session.run(None, {name: tensor.numpy() for name, tensor in inputs.items()})
        with torch.no_grad():
            wanted = graph.module(*inputs.values())
        for one, other in zip(found, wanted if isinstance(wanted, tuple) else (wanted,), strict=True):
            largest = max(largest, float(np.abs(one - other.numpy()).max()))
    return largest
