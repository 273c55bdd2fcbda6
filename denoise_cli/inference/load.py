"""From a weights file to a net that is ready to denoise."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from denoise_cli import checkpoint
from denoise_cli.checkpoint import Checkpoint
from denoise_cli.errors import DenoiseError, UsageError, WeightsError
from denoise_cli.fields import fill
from denoise_cli.layers.folding import fold_batch_norm
from denoise_cli.method import Denoiser, Method, Wrapper
from denoise_cli.noise import parse
from denoise_cli.noise.gaussian import Gaussian


def load_net(path: Path, method: Method) -> Denoiser:
    """The denoiser of ``method`` with the weights in ``path``: in eval mode, batch normalisation folded.

    A wrapper is put around the net of its inner method. Raises ``WeightsError`` where the file is missing, damaged, or
    of another model.
    """
    if method.inner is not None:
        wrapper = method.make(method.config)
        assert isinstance(wrapper, Wrapper)
        word, levels = checkpoint.load(path).said("recipe", "noise", str), None
        with suppress(UsageError):  # that of pairs has no word
            noise = parse(word)
            levels = (noise.sigma.low, noise.sigma.high) if isinstance(noise, Gaussian) else None
        return wrapper.around(load_net(path, method.inner), levels)
    net = load_module(path, method)
    assert isinstance(net, Denoiser)
    return net


def without_weights(method: Method) -> Denoiser:
    """The denoiser of a ``method`` that has nothing to learn."""
    denoiser = method.make(method.config)
    assert isinstance(denoiser, Denoiser)
    return denoiser


def load_module(path: Path, method: Method) -> nn.Module:
    """As ``load_net``, for classifiers too."""
    loaded = checkpoint.load(path)
    if loaded.model != method.name:
        raise WeightsError(
            f"{str(path)!r} holds weights of {loaded.model}, not of {method.name}.", f"Use --model {loaded.model}."
        )
    return fold_batch_norm(built(loaded, method, str(path)).eval().requires_grad_(False))


def built(loaded: Checkpoint, method: Method, name: str) -> nn.Module:
    """The net that ``loaded`` holds, which messages call ``name``, as it was trained.

    Raises ``WeightsError`` where its config is not one of ``method``, or makes a net of other tensors.
    """
    given = {key: tuple(value) if isinstance(value, list) else value for key, value in loaded.config.items()}
    try:
        config = fill(method.config, given, method.name)
        with _Room(sum(tensor.numel() for tensor in loaded.tensors.values())):
            net = method.make(config)
        if not isinstance(net, nn.Module):
            raise ValueError("it takes no weights")
    except Exception as error:  # layers say what they like to numbers that cannot be
        reason = error.what if isinstance(error, DenoiseError) else str(error)
        raise WeightsError(
            f"The config in {name!r} is not one of {method.name}: {reason.rstrip('.')}.",
            "Train again with this version.",
        ) from error
    checkpoint.fill(net, loaded, name)
    return net


class _Room(TorchFunctionMode):
    """Lets no more numbers be made than there is room for: a net that is too large is found before it takes memory."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self._room = room

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if function is torch.empty:  # what layers make their weights of
            self._room -= torch.empty(*args, **{**kwargs, "device": "meta"}).numel()
            if self._room < 0:
                raise ValueError("it makes a larger net than the tensors beside it")
        return function(*args, **kwargs)
