"""A plain net that starts as one of fewer layers: those that it has more of hand on what they get.

Tianqi Chen, Ian Goodfellow, Jonathon Shlens, "Net2Net: Accelerating Learning via Knowledge Transfer", ICLR 2016,
section 2.3 (Net2DeeperNet).
"""

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from denoise_cli.layers.bias_free import BiasFreeBatchNorm

_KERNEL = re.compile(r"layers\.(\d+)\.weight")
_PLAIN = (nn.Conv2d, nn.BatchNorm2d, BiasFreeBatchNorm, nn.ReLU)


def deepened(tensors: Mapping[str, Tensor], net: nn.Module) -> dict[str, Tensor]:
    """``tensors`` of a shallower net under the names that ``net`` has for them, with those of the layers between.

    ``net`` then computes what the shallower one did, but for the ``eps`` of the batch norms it has more of. This is for
    nets whose ``layers`` are convolutions, all but the last with a ReLU after them: what a ReLU lets through is not
    negative, so that an identity and another ReLU let it through again. The layers that are new stand before the last.

    Tensors of other nets, of one that is as deep or deeper, or of another width, are returned as they are.
    """
    layers = getattr(net, "layers", None)
    if not isinstance(layers, nn.Sequential):
        return dict(tensors)
    theirs = sorted(int(match[1]) for match in map(_KERNEL.fullmatch, tensors) if match and tensors[match[0]].ndim == 4)
    convs = {index: layer for index, layer in enumerate(layers) if isinstance(layer, nn.Conv2d)}
    ours = list(convs)
    fits = 1 < len(theirs) < len(ours) and theirs == ours[: len(theirs)] and ours[-1] == len(layers) - 1
    if not fits or len(tensors[f"layers.{ours[0]}.weight"]) != convs[ours[0]].out_channels:
        return dict(tensors)
    end, last = theirs[-1], ours[-1]
    if not _hands_on(list(layers)[end:last]):
        return dict(tensors)
    moved = {name.replace(f"layers.{end}.", f"layers.{last}."): tensor for name, tensor in tensors.items()}
    for index in range(end, last):
        moved |= {f"layers.{index}.{name}": tensor for name, tensor in _identity(layers[index]).items()}
    return moved


def _hands_on(layers: Sequence[nn.Module]) -> bool:
    """Whether ``layers`` are such that they can be the identity, at least on what is not negative."""
    return all(isinstance(layer, _PLAIN) for layer in layers) and isinstance(layers[-1], nn.ReLU)


def _identity(layer: nn.Module) -> dict[str, Tensor]:
    """What lets ``layer`` hand on its features as they are: its state, of ones and zeros."""
    state = {name: torch.zeros_like(tensor) for name, tensor in layer.state_dict().items()}
    for name, tensor in state.items():
        if tensor.ndim == 4:
            nn.init.dirac_(tensor)
        elif name in ("weight", "running_var"):
            tensor.fill_(1)
    return state
