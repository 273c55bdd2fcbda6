"""Batch normalisation folded into the convolution before it: for inference, and while its statistics are frozen."""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batch_norm(net: nn.Module) -> nn.Module:
    """``net``, changed in place: every BatchNorm2d that follows a Conv2d in a Sequential becomes part of it.

    A bare Sequential comes back as a new one. The net must be in eval mode; its outputs stay the same up to rounding.
    """
    if isinstance(net, nn.Sequential):
        return _fold_sequence(net)
    for name, child in net.named_children():
        setattr(net, name, fold_batch_norm(child))
    return net


def forward_folded(sequence: nn.Sequential, values: Tensor) -> Tensor:
    """What ``sequence`` makes of ``values`` (N, C, H, W), up to rounding, with a gradient for all its parameters.

    A BatchNorm2d in eval mode that follows a Conv2d is multiplied into its kernel, which is small, instead of into the
    features, which are not.
    """
    layers = list(sequence)
    while layers:
        layer = layers.pop(0)
        norm = layers[0] if layers else None
        if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d) and not norm.training:
            values = _normalised(layer, norm, values)
            del layers[0]
        else:
            values = layer(values)
    return values


def _normalised(conv: nn.Conv2d, norm: nn.BatchNorm2d, values: Tensor) -> Tensor:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    offset = conv.bias if conv.bias is not None else torch.zeros_like(norm.bias)
    bias = norm.bias + (offset - norm.running_mean) * scale
    kernels = conv.weight * scale[:, None, None, None]
    return functional.conv2d(values, kernels, bias, conv.stride, conv.padding, conv.dilation, conv.groups)


def _fold_sequence(sequence: nn.Sequential) -> nn.Sequential:
    folded: list[nn.Module] = []
    for layer in sequence:
        if isinstance(layer, nn.BatchNorm2d) and folded and isinstance(folded[-1], nn.Conv2d):
            folded[-1] = fuse_conv_bn_eval(folded[-1], layer)
        else:
            folded.append(fold_batch_norm(layer))
    return nn.Sequential(*folded)
