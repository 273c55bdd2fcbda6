"""Several nets of one kind as one net in groups: small nets on small images leave most of a processor idle.

The channels of the nets follow each other: (1, nets C, H, W). A convolution in groups, and a batch norm of one image,
treat each net's by themselves; in all parameters the nets follow each other along the first axis.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


def joined_by_net(parts: Sequence[Tensor], nets: int) -> Tensor:
    """The channels of all ``parts`` (N, nets C, H, W), net by net: what ``torch.cat`` does for a single one."""
    if nets == 1:
        return torch.cat(tuple(parts), dim=1)
    last = [part.permute(0, 2, 3, 1) for part in parts]
    split = [part.reshape(*part.shape[:3], nets, -1) for part in last]  # (N, H, W, nets, C)
    return torch.cat(split, dim=-1).flatten(-2).permute(0, 3, 1, 2)


def chosen_of(weights: Tensor, nets: int, chosen: Sequence[int]) -> Tensor:
    """The part of the ``chosen`` nets in ``weights`` (nets O, ...) of so many; a net may be chosen several times."""
    return weights.reshape(nets, -1, *weights.shape[1:])[list(chosen)].flatten(0, 1)


def carry_weights(net: nn.Module, nets: int, chosen: Sequence[int], into: nn.Module) -> None:
    """Give the weights of the ``chosen`` of the nets in ``net`` to those in another one."""
    into.load_state_dict({name: chosen_of(weights, nets, chosen) for name, weights in net.state_dict().items()})


def carry_moments(optimiser: Optimizer, nets: int, chosen: Sequence[int], into: Optimizer) -> None:
    """Let ``into`` go on with the parameters of the ``chosen`` of so many nets, as ``optimiser`` would have done."""
    both = [[weight for group in each.param_groups for weight in group["params"]] for each in (optimiser, into)]
    for before, now in zip(*both, strict=True):
        for name, moment in optimiser.state[before].items():
            if moment.shape == before.shape:
                into.state[now][name] = torch.empty_like(now).copy_(chosen_of(moment, nets, chosen))  # laid out alike
            else:
                into.state[now][name] = moment.clone()  # the number of steps
