"""Operations on images row by row: which rows of its inputs each row of a result needs, and how it is made of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import signature
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from denoise_cli.inference.convolution_rules import convolution, pair, transposed
from denoise_cli.inference.nodes import Node, Rule, Unwalkable, given, same_rows


def understand(function: Any, arguments: Sequence[Any], named: dict[str, Any], dtype: torch.dtype) -> Node:
    """The result of calling PyTorch's ``function``, where images are Nodes; convolutions are computed in ``dtype``.

    Raises ``Unwalkable`` for functions of which it is not known which rows they look at.
    """
    name = function.__name__.strip("_")
    if name in _SPATIAL:
        rule = _SPATIAL[name]
        try:
            signature(rule).bind(dtype, *arguments, **named)
        except TypeError as error:
            raise Unwalkable(f"{name!r} as it is not known: {error}") from error
        return rule(dtype, *arguments, **named)
    if name in _POINTWISE or (name in _ACROSS and _spares_space(name, arguments, named)):
        return _alike(function, arguments, named)
    raise Unwalkable(f"which rows {name!r} looks at is not known")


# fmt: off
_POINTWISE = frozenset((
    "abs", "add", "and", "batch_norm", "bool", "ceil", "clamp", "clamp_max", "clamp_min", "clone", "contiguous",
    "detach", "div", "double", "eq", "exp", "float", "floor", "ge", "gelu", "gt", "half", "invert", "isfinite", "le",
    "leaky_relu", "lerp", "log", "logical_and", "logical_not", "logical_or", "lt", "maximum", "minimum", "mul", "ne",
    "neg", "or", "pow", "prelu", "radd", "relu", "rmul", "round", "rsqrt", "rsub", "rtruediv", "sigmoid", "silu",
    "softplus", "sqrt", "square", "sub", "tanh", "to", "truediv", "type_as", "where",
))
# fmt: on
_ACROSS = frozenset(("amax", "amin", "cat", "mean", "stack", "sum"))


def _spares_space(name: str, arguments: Sequence[Any], named: dict[str, Any]) -> bool:
    """Whether ``name`` works along dimensions other than height and width."""
    image = arguments[0] if isinstance(arguments[0], Node) else arguments[0][0]
    dims = named.get("dim", arguments[1] if len(arguments) > 1 else 0 if name in ("cat", "stack") else None)
    free = len(image.shape) - 2 + (name == "stack")
    wanted = dims if isinstance(dims, (tuple, list)) else (dims,)
    return all(isinstance(dim, int) and dim % (free + 2) < free for dim in wanted)


@dataclass(frozen=True)
class _Slot:
    """Stands for an input among the arguments of a function."""

    index: int


def swap(arguments: Any, change: Callable[[Any], Any]) -> Any:
    """``arguments``, nested tuples and lists, with every leaf changed."""
    if isinstance(arguments, list):
        return [swap(item, change) for item in arguments]
    return tuple(swap(item, change) for item in arguments) if isinstance(arguments, tuple) else change(arguments)


def _slots(arguments: Sequence[Any]) -> tuple[Sequence[Any], tuple[Node, ...]]:
    """``arguments`` with slots for their images, and these; what is as high as they are is cut into rows with them."""
    nodes: list[Node] = []
    swap(arguments, lambda leaf: nodes.append(leaf) if isinstance(leaf, Node) else None)
    height = nodes[0].height
    if any(node.height != height for node in nodes):
        raise Unwalkable("images of different heights meet")
    nodes.clear()

    def slot(leaf: Any) -> Any:
        if isinstance(leaf, Tensor) and leaf.ndim > 1 and leaf.shape[-2] == height and max(leaf.shape[-2:]) > 1:
            leaf = given(leaf.shape, leaf.dtype, leaf)
        if not isinstance(leaf, Node):
            return leaf
        nodes.append(leaf)
        return _Slot(len(nodes) - 1)

    return swap(arguments, slot), tuple(nodes)


def _call(function: Any, arguments: Sequence[Any], named: dict[str, Any], images: list[Tensor]) -> Tensor:
    filled = swap(arguments, lambda leaf: images[leaf.index] if isinstance(leaf, _Slot) else leaf)
    return function(*filled, **named)  # type: ignore[no-any-return]


def _tried(function: Any, arguments: Sequence[Any], named: dict[str, Any], nodes: tuple[Node, ...]) -> tuple[Any, Any]:
    """The shape and type of the result, which is as high and wide as the inputs, by a trial on single pixels."""
    result = _call(function, arguments, named, [torch.zeros((*n.shape[:-2], 1, 1), dtype=n.dtype) for n in nodes])
    return (*result.shape[:-2], nodes[0].height, max(node.shape[-1] for node in nodes)), result.dtype


def _alike(function: Any, arguments: Sequence[Any], named: dict[str, Any]) -> Node:
    """What looks at no other pixel of its inputs."""
    if function is functional.relu:
        function, arguments, named = torch.relu, arguments[:1], {}
    slots, nodes = _slots(arguments)
    if function is torch.prelu:
        function = _prelu
    shape, dtype = _tried(function, slots, named, nodes)
    name = function.__name__.strip("_")
    rule = Rule(
        same_rows,
        lambda images, *_: _call(function, slots, named, images),
        overwrite=torch.relu_ if name == "relu" else None,
        fresh=name in ("add", "sub", "rsub", "mul"),
        sums=name == "add" and len(nodes) == 2 and not named,
    )
    return Node(shape, dtype, rule, nodes)


def _prelu(image: Tensor, weight: Tensor) -> Tensor:
    return torch.prelu(image, weight.to(image.dtype))


def _local(dtype: torch.dtype, function: Callable[..., Tensor], reach: int, *arguments: Any) -> Node:
    """What ``layers.local`` marks: called with rows enough around those that are wanted."""
    slots, nodes = _slots(arguments)

    def computed(*filled: Any) -> Tensor:
        with torch.autocast(_device(filled), dtype, enabled=dtype != torch.float32):
            return function(*filled)

    shape, made = _tried(computed, slots, {}, nodes)

    def make(images: list[Tensor], there: int, first: int, end: int) -> Tensor:
        return _call(computed, slots, {}, images)[..., first - there : end - there, :]

    rule = Rule(lambda first, end: (first - reach, end + reach), make, again=reach)
    return Node(shape, made, rule, nodes)


def _device(arguments: Any) -> str:
    return next(item.device.type for item in arguments if isinstance(item, Tensor))


def _pool(dtype: torch.dtype, image: Node, kernel_size: Any, stride: Any = None, padding: Any = 0, *rest: Any) -> Node:
    sides = pair(kernel_size)
    if (stride is not None and pair(stride) not in (sides, ())) or pair(padding) != (0, 0) or any(rest[:1]):
        raise Unwalkable("a pool with overlap or padding")
    height, width = (size // side for size, side in zip(image.shape[-2:], sides, strict=True))

    def make(images: list[Tensor], *_: int) -> Tensor:
        return functional.avg_pool2d(images[0], sides)

    rule = Rule(lambda first, end: (first * sides[0], end * sides[0]), make)
    return Node((*image.shape[:-2], height, width), image.dtype, rule, (image,))


def _unfolded(dtype: torch.dtype, image: Node, factor: int) -> Node:
    """Pixel unshuffle: squares of pixels become channels."""
    count, channels, height, width = image.shape
    rule = Rule(
        lambda first, end: (first * factor, end * factor),
        lambda images, *_: functional.pixel_unshuffle(images[0], factor),
    )
    return Node((count, channels * factor**2, height // factor, width // factor), image.dtype, rule, (image,))


def _folded(dtype: torch.dtype, image: Node, factor: int) -> Node:
    """Pixel shuffle: channels become squares of pixels."""
    count, channels, height, width = image.shape

    def make(images: list[Tensor], there: int, first: int, end: int) -> Tensor:
        begin = first - there * factor
        return functional.pixel_shuffle(images[0], factor)[..., begin : begin + end - first, :]

    rule = Rule(lambda first, end: (first // factor, -(-end // factor)), make)
    return Node((count, channels // factor**2, height * factor, width * factor), image.dtype, rule, (image,))


def _chosen(dtype: torch.dtype, image: Node, key: Any) -> Node:
    """Indexing: whole rows in another order, or from one row to another, and anything in the other dimensions."""
    keys = list(key) if isinstance(key, tuple) else [key]
    if Ellipsis in [item for item in keys if not isinstance(item, Tensor)]:
        place = next(index for index, item in enumerate(keys) if item is Ellipsis)
        keys[place : place + 1] = [slice(None)] * (len(image.shape) - len(keys) + 1)
    keys += [slice(None)] * (len(image.shape) - len(keys))
    if any(item is None or isinstance(item, (int, list)) for item in keys):
        raise Unwalkable("dimensions come or go")
    rows, others = keys[-2], [*keys[:-2], slice(None), keys[-1]]
    trial = torch.zeros((), dtype=image.dtype).expand(*image.shape[:-2], 1, image.shape[-1])[tuple(others)]
    if isinstance(rows, slice):
        begin, stop, step = rows.indices(image.height)
        if step != 1:
            raise Unwalkable("rows are left out")
        height, span, choose = stop - begin, lambda first, end: (first + begin, end + begin), None
    else:
        places = rows.tolist()
        highest = list(accumulate(places, max))
        lowest = list(accumulate(reversed(places), min))[::-1]
        height, choose = len(places), rows

        def span(first: int, end: int) -> tuple[int, int]:
            low = lowest[min(max(first, 0), height - 1)]
            high = end if end < 1 else highest[min(end, height) - 1] + 1 + max(0, end - height)
            return low, high

    def make(images: list[Tensor], there: int, first: int, end: int) -> Tensor:
        cut = images[0] if choose is None else images[0].index_select(-2, choose[first:end] - there)
        return cut[tuple(others)]

    return Node((*trial.shape[:-2], height, trial.shape[-1]), image.dtype, Rule(span, make), (image,))


_SPATIAL: dict[str, Callable[..., Node]] = {
    "conv2d": convolution,
    "conv_transpose2d": transposed,
    "avg_pool2d": _pool,
    "pixel_unshuffle": _unfolded,
    "pixel_shuffle": _folded,
    "getitem": _chosen,
    "locally": _local,
}
