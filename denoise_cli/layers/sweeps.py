"""Sweeps over the impulses of an image: which part of them a net is asked for, in one iteration after the other."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import torch
from torch import Tensor

_COARSE_SHARE = 0.25  # the first sweep over the impulses is quick: at most this share of the pixels at once
_FINE_GROUPS = 5  # in every later sweep: where half of the pixels are impulses, a tenth of all at once
_AVERAGED_FROM = 2  # fine sweep from which on the estimates of a group are averaged


@dataclass(frozen=True)
class Turn:
    """Which part of the impulses an iteration is asked for, in each image; every field is (N or 1, 1, 1, 1)."""

    groups: Tensor  # the impulses are in so many groups, evenly spread over space
    group: Tensor  # and this one is asked for
    weight: Tensor  # of the answer against the group's estimate so far


def sweeps(share: Tensor) -> Iterator[Turn]:
    """A first sweep over the impulses in few groups, for images with ``share`` (N, 1, 1, 1) of them, then fine ones.

    From the second fine sweep on estimates are averaged, so that further iterations settle instead of drifting.
    """
    for iteration in count():
        yield turn_of(torch.full_like(share, iteration), share)


def turn_of(iteration: Tensor, share: Tensor) -> Turn:
    """The turn of an ``iteration``, counted from 0; see ``sweeps``."""
    coarse = (share / _COARSE_SHARE).ceil().clamp_min(1)
    fine = iteration >= coarse
    turn = torch.where(fine, iteration - coarse, iteration)
    groups = torch.where(fine, float(_FINE_GROUPS), coarse)
    sweep = torch.where(fine, (turn / _FINE_GROUPS).floor() + 1, 1.0)
    return Turn(groups, turn % groups, 1 / (sweep - _AVERAGED_FROM + 1).clamp_min(1))


def rounds(groups: int, first: int, device: torch.device) -> Iterator[Turn]:
    """Sweep after sweep in as many ``groups``, from the group ``first`` on, averaged as in ``sweeps``."""
    for iteration in count():
        weight = 1 / max(1, iteration // groups + 2 - _AVERAGED_FROM)
        values = (float(groups), float((iteration + first) % groups), weight)
        yield Turn(*(torch.full((1, 1, 1, 1), value, device=device) for value in values))


def asked_for(impulses: Tensor, numbers: Tensor, turn: Turn) -> Tensor:
    """Those of the ``impulses`` (N, 1, H, W) that are in the group whose turn it is; the rows have ``numbers`` (H, 1).

    Every group is spread evenly over space by the ordered-dither matrix of B. E. Bayer, "An optimum method for
    two-level rendition of continuous-tone pictures", ICC 1973, repeated every 8 pixels: the same wherever it is cut.
    """
    matrix = torch.zeros((1, 1), device=impulses.device)
    for _ in range(3):
        quarter = 4 * matrix
        matrix = torch.cat((torch.cat((quarter, quarter + 2), 1), torch.cat((quarter + 3, quarter + 1), 1)), 0)
    spread = matrix.div(64).repeat(1, -(-impulses.shape[-1] // 8))[:, : impulses.shape[-1]]  # (8, W)
    chosen = (spread * turn.groups).floor() == turn.group  # (N or 1, 1, 8, W)
    return impulses & chosen.index_select(-2, numbers[:, 0] % 8)
