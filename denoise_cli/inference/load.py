"""From a weights file to a net that is ready to denoise."""

from pathlib import Path

from torch import nn

from denoise_cli import checkpoint
from denoise_cli.errors import WeightsError
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
        noise = parse(checkpoint.load(path).recipe["noise"])
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
    try:
        config = type(method.config)(**loaded.config)
    except TypeError as error:
        raise WeightsError(
            f"The config in {str(path)!r} is not one of {method.name}: {error}.", "Train again with this version."
        ) from error
    net = method.make(config)
    assert isinstance(net, nn.Module)
    checkpoint.fill(net, loaded, path.name)
    net.eval().requires_grad_(False)
    return fold_batch_norm(net)
