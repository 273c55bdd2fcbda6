"""A net walked down an image a few rows at a time: no row of any layer is computed twice, and few are kept.

Every image on the way keeps those of its rows that are still to be looked at, and the next rows of others are made of
them. So the result is that of the whole image and costs as many operations; there are no margins. What is at work at a
time fits into the cache, and what is kept is some rows of each layer, however high the image is.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from denoise_cli.inference.nodes import Node
from denoise_cli.inference.trace import Trace

_NOWHERE, _NEVER = -(1 << 60), 1 << 60
_ROOMS = 8  # times as many rows as are kept above them: fewer are copied below those, which then is cheaper
_STEADY = 3  # steps with rows of the outputs after which nothing changes any more


@dataclass(frozen=True)
class Piece:
    """Rows of an image on the way, ``first`` to ``end``, made of the rows ``low`` to ``high`` of its inputs."""

    place: int  # of the image in the trace
    first: int
    end: int
    low: int
    high: int
    spared: tuple[tuple[int, int], ...]  # images not read again in this step, and from which row on they are kept


def schedule(trace: Trace, rows: int) -> Iterator[list[Piece]]:
    """What to make in each step of a walk, so that every step adds ``rows`` to the outputs, and nothing too early."""
    nodes = trace.nodes
    index = {node: place for place, node in enumerate(nodes)}
    inputs = [[index[other] for other in node.inputs] for node in nodes]
    readers = [[(other, place) for other in node.readers for place in _places(node, other)] for node in nodes]
    outputs = {index[node] for node in trace.outputs}
    height = trace.outputs[0].height
    ends = [0] * len(nodes)

    def needed(goal: int) -> list[int]:
        """Where each image has to end for the outputs to end at ``goal``, borders aside."""
        found = [goal if place in outputs else _NOWHERE for place in range(len(nodes))]
        for place in range(len(nodes) - 1, 0, -1):
            for number, other in enumerate(nodes[place].inputs):
                high = nodes[place].needs(number, found[place] - 1, found[place])[1]
                found[index[other]] = max(found[index[other]], high)
        return found

    def unread(place: int) -> int:
        """The first row of an image that is still to be looked at."""
        ahead = [
            node.needs(number, ends[index[node]], ends[index[node]] + 1)[0]
            for node, number in readers[place]
            if ends[index[node]] < node.height
        ]
        return max(0, min(ahead, default=_NEVER))

    goal = height if rows >= height else min(rows, rows - needed(0)[0])
    while min(ends[place] for place in outputs) < height:
        made: list[tuple[int, int, int, int, int]] = []
        last: dict[int, int] = {}  # who reads an image last in this step
        for place, wish in enumerate(needed(goal)):
            node, first = nodes[place], ends[place]
            end = ends[place] = min(max(wish, first), node.height)
            if node.inputs and end > first:
                low, high = node.rule.span(first, end)
                made.append((place, first, end, max(0, low), min(high, node.inputs[0].height)))
                last |= dict.fromkeys(inputs[place], place)
        yield [
            Piece(*piece, tuple((other, unread(other)) for other in set(inputs[piece[0]]) if last[other] == piece[0]))
            for piece in made
        ]
        goal += rows


def walk(trace: Trace, rows: int, source: Callable[[int, int], Tensor]) -> Iterator[tuple[int, list[Tensor]]]:
    """Rows of the outputs as they come: the number of the first, and of each output (N, C, some, W).

    ``source(first, end)`` gives rows of the noisy images; about ``rows`` of each layer are made at a time.
    """
    nodes = trace.nodes
    index = {node: place for place, node in enumerate(nodes)}
    inputs = [[index[other] for other in node.inputs] for node in nodes]
    outputs = [index[node] for node in trace.outputs]
    overwriting = [_may_overwrite(node, trace) for node in nodes]
    held: dict[int, tuple[int, Tensor]] = {}  # rows of the images, and the number of the first

    def take(place: int, low: int, high: int) -> Tensor:
        if place == 0:
            return source(low, high)
        whole = nodes[place].whole
        if whole is not None:
            return whole[..., low:high, :]
        first, present = held[place]
        if (low, high - low) == (first, present.shape[-2]):
            return present
        return present[..., low - first : high - first, :]

    def ingredients(piece: Piece) -> list[Tensor]:
        spans = [(piece.low, piece.high)] * len(inputs[piece.place])
        if nodes[piece.place].rule.adds:
            spans[-1] = piece.first, piece.end
        return [take(place, *span) for place, span in zip(inputs[piece.place], spans, strict=True)]

    for pieces in schedule(trace, rows):
        ready: dict[int, tuple[int, Tensor]] = {}
        for piece in pieces:
            node = nodes[piece.place]
            images = ingredients(piece)
            kept = held.get(piece.place) if node.readers else None
            overwrite = node.rule.overwrite if overwriting[piece.place] else None
            if kept and node.rule.roomy and piece.end - piece.first >= _ROOMS * kept[1].shape[-2]:
                first, above = kept
                made = node.rule.roomy(images, piece.low, piece.first, piece.end, above.shape[-2])
                made[..., : above.shape[-2], :] = above
                held[piece.place], made = (first, made), made[..., above.shape[-2] :, :]
                del above
            else:
                made = overwrite(images[0]) if overwrite else node.rule.make(images, piece.low, piece.first, piece.end)
                if node.readers:
                    held[piece.place] = (kept[0], _below(kept[1], made)) if kept else (piece.first, made)
            del images, kept
            if node in trace.outputs:
                ready[piece.place] = (piece.first, made)
            del made
            for place, low in piece.spared:
                _keep(held, place, low)
        if ready:
            yield ready[outputs[0]][0], [ready[place][1] for place in outputs]


def memory(trace: Trace, rows: int) -> int:
    """The most bytes that the images on the way take during a walk, roughly: the next rows and those kept.

    Looked at until rows of the outputs came a few times: then as many are forgotten as are made.
    """
    outputs, arrived = {trace.nodes.index(node) for node in trace.outputs}, 0
    held: dict[int, tuple[int, int]] = {}  # from which row to which
    present = most = 0
    for pieces in schedule(trace, rows):
        for piece in pieces:
            node = trace.nodes[piece.place]
            passing = sum(other.row_bytes for other in node.inputs) * (piece.high - piece.low)
            most = max(most, present + passing + node.row_bytes * (piece.end - piece.first))
            if node.readers:
                held[piece.place] = (held.get(piece.place, (piece.first, 0))[0], piece.end)
                present += node.row_bytes * (piece.end - piece.first)
            for place, low in piece.spared:
                begin, end = held.pop(place, (low, low))
                if low < end:
                    held[place] = (low, end)
                present -= trace.nodes[place].row_bytes * (min(low, end) - begin)
        arrived += any(piece.place in outputs for piece in pieces)
        if arrived > _STEADY:
            break
    return most


def _places(image: Node, reader: Node) -> list[int]:
    """Where ``image`` is among the inputs of one of its readers."""
    return [place for place, other in enumerate(reader.inputs) if other is image]


def _may_overwrite(node: Node, trace: Trace) -> bool:
    """Whether the memory of its only input is free for it."""
    if node.rule.overwrite is None or len(node.inputs) != 1:
        return False
    (before,) = node.inputs
    return before.rule.fresh and before.readers == [node] and before not in trace.outputs


def _keep(held: dict[int, tuple[int, Tensor]], place: int, low: int) -> None:
    """Forget the rows before ``low``."""
    if place not in held:
        return
    first, rows = held[place]
    if low >= first + rows.shape[-2]:
        del held[place]
    elif low > first:
        held[place] = (low, rows[..., low - first :, :].clone())


def _below(upper: Tensor, lower: Tensor) -> Tensor:
    """Both as one; in the memory format of channels last by copying it as it lies, which is faster."""
    if upper.ndim == 4 and all(rows.is_contiguous(memory_format=torch.channels_last) for rows in (upper, lower)):
        return torch.cat((upper.permute(0, 2, 3, 1), lower.permute(0, 2, 3, 1)), dim=1).permute(0, 3, 1, 2)
    return torch.cat((upper, lower), dim=-2)
