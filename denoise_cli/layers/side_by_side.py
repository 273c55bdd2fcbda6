"""Several nets of one kind as one net in groups: small nets on small images leave most of a processor idle.

The channels of the nets follow each other: (1, nets C, H, W). A convolution in groups, and a batch norm of one image,
treat each net's by themselves.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def spread(net: nn.Module, wide: nn.Module) -> None:
    """Give each of the nets in ``wide``, which has the same layers several times, the weights of ``net``."""
    narrow = net.state_dict()
    wide.load_state_dict(
        {
            name: narrow[name].repeat(weight.shape[0] // narrow[name].shape[0], *[1] * (weight.ndim - 1))
            for name, weight in wide.state_dict().items()
        }
    )


def joined_by_net(parts: Sequence[Tensor], nets: int) -> Tensor:
    """The channels of all ``parts`` (N, nets C, H, W), net by net: what ``torch.cat`` does for a single one."""
    if nets == 1:
        return torch.cat(tuple(parts), dim=1)
    last = [part.permute(0, 2, 3, 1) for part in parts]
    split = [part.reshape(*part.shape[:3], nets, -1) for part in last]  # (N, H, W, nets, C)
    return torch.cat(split, dim=-1).flatten(-2).permute(0, 3, 1, 2)
