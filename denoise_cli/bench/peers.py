"""The programs of others, which run the same net on the same image."""

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from denoise_cli.errors import DenoiseError
from denoise_cli.inference.export import graph_of, to_onnx
from denoise_cli.inference.tiles import Work
from denoise_cli.method import Graphed


@dataclass(frozen=True)
class Way:
    """A way to run a net on an image."""

    name: str
    run: Callable[[], Any] | None  # None where it cannot be run here
    missing: str = ""  # then, why


def ways(work: Work, noisy: Tensor) -> Iterator[Way]:
    """``work`` on images ``noisy`` (N, C, H, W) by torch.compile, ONNX Runtime and OpenVINO, as many threads in each.

    What is not installed, or fails here, says so.
    """
    name = f"torch.compile, {str(work.dtype).removeprefix('torch.')}, channels last"
    yield _tried(name, lambda: _compiled(work, noisy))
    if isinstance(work.denoiser, Graphed):
        return  # one iteration is exported, not all
    try:
        graph = to_onnx(graph_of(work.denoiser, work.options), work.denoiser.stride)
    except DenoiseError as error:
        yield Way("ONNX Runtime, OpenVINO", None, str(error).partition("\n")[0])
        return
    yield _tried("ONNX Runtime, float32", lambda: _onnx_runtime(graph, noisy))
    for word, precision in (("float32", "f32"), ("bfloat16", "bf16")):
        yield _tried(f"OpenVINO, {word}", lambda precision=precision: _openvino(graph, noisy, precision))  # type: ignore[misc]


def _tried(name: str, make: Callable[[], Callable[[], Tensor]]) -> Way:
    try:
        run = make()
        run()
    except ImportError as error:
        return Way(name, None, f"not installed ({error.name})")
    except Exception as error:  # whatever a stranger's program finds missing: a compiler, an instruction
        return Way(name, None, f"fails here: {type(error).__name__}")
    return Way(name, run)


def _compiled(work: Work, noisy: Tensor) -> Callable[[], Tensor]:
    def whole(image: Tensor) -> Tensor:
        with torch.autocast("cpu", work.dtype, enabled=work.dtype != torch.float32):
            return work.denoiser.denoise(image, work.options)

    compiled = torch.compile(whole, dynamic=False)
    return lambda: compiled(noisy)


def _onnx_runtime(graph: bytes, noisy: Tensor) -> Callable[[], Tensor]:
    runtime: Any = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    inputs = {session.get_inputs()[0].name: noisy.numpy()}
    return lambda: torch.from_numpy(session.run(None, inputs)[0])


def _openvino(graph: bytes, noisy: Tensor, precision: str) -> Callable[[], Tensor]:
    openvino: Any = importlib.import_module("openvino")
    core = openvino.Core()
    model = core.read_model(graph)
    model.reshape(list(noisy.shape))
    wish = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": str(torch.get_num_threads())}
    compiled = core.compile_model(model, "CPU", wish | {"PERFORMANCE_HINT": "LATENCY"})
    array = noisy.numpy()
    return lambda: torch.from_numpy(compiled([array])[0])
