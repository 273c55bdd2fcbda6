"""Batch normalisation folded into the convolution before it, for inference."""

from torch import nn
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


def _fold_sequence(sequence: nn.Sequential) -> nn.Sequential:
    folded: list[nn.Module] = []
    for layer in sequence:
        if isinstance(layer, nn.BatchNorm2d) and folded and isinstance(folded[-1], nn.Conv2d):
            folded[-1] = fuse_conv_bn_eval(folded[-1], layer)
        else:
            folded.append(fold_batch_norm(layer))
    return nn.Sequential(*folded)
