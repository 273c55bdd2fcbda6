"""Images that come up on the way through a net, and the rules by which their rows are made."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod

import torch
from torch import Tensor

Span = Callable[[int, int], tuple[int, int]]
Make = Callable[[list[Tensor], int, int, int], Tensor]
RoomyMake = Callable[[list[Tensor], int, int, int, int], Tensor]


class Unwalkable(Exception):
    """Something is done to an image of which it is not known which rows it looks at."""


@dataclass(frozen=True)
class Rule:
    """How rows of a result come from rows of its inputs, which are all equally high."""

    span: Span  # the first and end row needed for those of the result from first to end; they may overhang the inputs
    make: Make  # from those rows that are there, the number of the first, and the first and end of the result
    overwrite: Callable[[Tensor], Tensor] | None = None  # the same in the memory of the only input
    fresh: bool = False  # what it makes is in memory of its own
    roomy: RoomyMake | None = None  # the same below so many free rows in the same memory, the last argument
    rectified: "Rule | None" = None  # the same and a ReLU of it at once
    added: "Rule | None" = None  # the same and another image, its last input, added to it at once
    adds: bool = False  # to another image, its last input: of this the rows of the result are needed
    sums: bool = False  # it adds its two inputs, and does nothing else
    macs: int = 0  # multiplications with weights for each row of the result
    again: int = 0  # rows on either side of those wanted that are made in vain


@dataclass(eq=False)
class Node:
    """An image that comes up on the way, (..., H, W), and how it is made."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    rule: Rule
    inputs: tuple["Node", ...] = ()
    whole: Tensor | None = None  # of an image that is there from the start
    readers: list["Node"] = field(default_factory=list)

    @property
    def height(self) -> int:
        """All of its rows."""
        return self.shape[-2]

    def needs(self, place: int, first: int, end: int) -> tuple[int, int]:
        """The first and end row of an input that are needed for those from ``first`` to ``end``."""
        added = self.rule.adds and place == len(self.inputs) - 1
        return (first, end) if added else self.rule.span(first, end)

    @property
    def row_bytes(self) -> int:
        """The memory of one row."""
        return self.dtype.itemsize * prod(self.shape) // max(1, self.height)


def same_rows(first: int, end: int) -> tuple[int, int]:
    """The span of what looks at no other row."""
    return first, end


def given(shape: Sequence[int], dtype: torch.dtype, whole: Tensor | None = None) -> Node:
    """An image that is there from the start."""
    return Node(tuple(shape), dtype, Rule(same_rows, lambda images, *_: images[0]), whole=whole)
