"""What a net does to an image, written down without doing it: which images come up on the way, each made of others."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from denoise_cli.inference.nodes import Node, Rule, Unwalkable, given
from denoise_cli.inference.row_rules import swap, understand

# fmt: off
_OPERATORS = (
    "add", "and", "eq", "ge", "getitem", "gt", "invert", "le", "lt", "mul", "ne", "neg", "or", "pow", "radd", "rmul",
    "rsub", "rtruediv", "sub", "truediv",
)
_UNKNOWN = (  # what Python would do with an image by itself: look at its values, or change them
    "array", "bool", "complex", "contains", "float", "floordiv", "index", "int", "iter", "matmul", "mod",
    "rfloordiv", "rmatmul", "rmod", "rpow", "setitem", "xor",
)
# fmt: on
_CONSTANTS = (Node, int, float, str, torch.dtype, torch.device, torch.memory_format)


@dataclass(frozen=True)
class Trace:
    """All images that are needed, each after those that it is made of; the first is the noisy one."""

    nodes: list[Node]
    outputs: list[Node]

    @property
    def macs(self) -> int:
        """Multiplications with weights, in all."""
        return sum(node.rule.macs * node.height for node in self.nodes)


def trace(
    function: Callable[[Any], Sequence[Any]], shape: Sequence[int], device: torch.device, dtype: torch.dtype
) -> Trace:
    """What ``function`` does to images (N, C, H, W), float32, of ``shape``, with the convolutions in ``dtype``.

    Raises ``Unwalkable`` where it does something of which it is not known which rows it looks at.
    """
    source = given(shape, torch.float32)
    made = function(_Image(source, device, dtype))
    outputs = [output.node for output in made if isinstance(output, _Image)]
    if len(outputs) < len(made):
        raise Unwalkable("an output is not made of it")
    if source in outputs:
        raise Unwalkable("nothing is done to it")
    return _needed(source, outputs)


class _Image:
    """Stands for an image of a tensor's shape; what is done to it is written down, by ``__torch_function__``."""

    def __init__(
        self, node: Node, device: torch.device, computed: torch.dtype, known: dict[Any, Node] | None = None
    ) -> None:
        """``known``: what was made of images alone, which is the same when it is asked for again."""
        self.node, self.device, self._computed = node, device, computed
        self._known = {} if known is None else known

    @property
    def shape(self) -> torch.Size:
        return torch.Size(self.node.shape)

    @property
    def dtype(self) -> torch.dtype:
        return self.node.dtype

    @property
    def ndim(self) -> int:
        return len(self.node.shape)

    def dim(self) -> int:
        return self.ndim

    def __len__(self) -> int:
        return self.node.shape[0]

    def __getattr__(self, name: str) -> Any:
        method = getattr(Tensor, name)
        if not callable(method):
            raise Unwalkable(f"{name!r} of an image that is not there")
        return lambda *arguments, **named: self._record(method, (self, *arguments), named)

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, arguments: Any = (), named: Any = None) -> "_Image":
        images: list[_Image] = []
        swap(arguments, lambda leaf: images.append(leaf) if isinstance(leaf, _Image) else None)
        if not images:
            raise Unwalkable(f"{function.__name__!r} takes an image by name")
        return images[0]._record(function, arguments, named or {})

    def _record(self, function: Any, arguments: Any, named: dict[str, Any]) -> "_Image":
        name = function.__name__
        in_place = bool(named.get("inplace")) or (name.endswith("_") and not name.endswith("__"))
        if name.endswith("_") and in_place:
            function = getattr(Tensor, name[:-1])
        nodes = swap(arguments, lambda leaf: leaf.node if isinstance(leaf, _Image) else leaf)
        others = {key: value for key, value in named.items() if key != "inplace"}
        key = _key(function, nodes, others)
        made = self._known.get(key) if key is not None else None
        if made is None:
            made = understand(function, nodes, others, self._computed)
            if key is not None:
                self._known[key] = made
        if not in_place:
            return _Image(made, self.device, self._computed, self._known)
        arguments[0].node = made
        return arguments[0]  # type: ignore[no-any-return]


def _key(function: Any, arguments: Any, named: dict[str, Any]) -> Any:
    """What tells a call from others; ``None`` where more than images and constants are among its arguments: a tensor,
    or a function, may be another one by the next call."""
    plain = True

    def frozen(leaf: Any) -> Any:
        nonlocal plain
        plain = plain and (leaf is None or leaf is Ellipsis or isinstance(leaf, _CONSTANTS))
        return type(leaf), repr(leaf) if isinstance(leaf, float) else leaf  # 1, 1.0 and True are the same to a dict

    key = function, _tuple(swap((arguments, *named.items()), frozen))
    return key if plain else None


def _tuple(arguments: Any) -> Any:
    """``arguments`` with tuples in place of lists."""
    return tuple(map(_tuple, arguments)) if isinstance(arguments, (tuple, list)) else arguments


def _operator(name: str) -> Any:
    method = getattr(Tensor, name)
    return lambda self, *arguments: self._record(method, (self, *arguments), {})


def _refusal(name: str) -> Any:
    def refuse(self: _Image, *arguments: Any) -> Any:
        raise Unwalkable(f"{name!r} of an image that is not there")

    return refuse


for _name in _OPERATORS:
    setattr(_Image, f"__{_name}__", _operator(f"__{_name}__"))
for _name in _UNKNOWN:
    setattr(_Image, f"__{_name}__", _refusal(_name))


def _needed(source: Node, outputs: list[Node]) -> Trace:
    """The images that the outputs are made of, in order, each told who reads it."""
    order: dict[Node, None] = {source: None}
    waiting = list(reversed(outputs))
    while waiting:
        node = waiting[-1]
        missing = [other for other in node.inputs if other not in order]
        if missing and node not in order:
            waiting += reversed(missing)
            continue
        order.setdefault(waiting.pop())
    for node in order:
        for other in dict.fromkeys(node.inputs):
            other.readers.append(node)
    return Trace(list(_joined(order, outputs)), outputs)


def _joined(nodes: Iterable[Node], outputs: list[Node]) -> Iterator[Node]:
    """``nodes`` without those whose only reader is their ReLU or a sum: it makes both at once, of their inputs."""
    for node in nodes:
        after = node.readers[0] if len(node.readers) == 1 and node not in outputs else None
        rule = None if after is None else _with(node, after)
        if after is None or rule is None:
            yield node
            continue
        after.rule, after.inputs = rule, node.inputs + tuple(other for other in after.inputs if other is not node)
        for other in dict.fromkeys(node.inputs):
            other.readers.remove(node)
            if after not in other.readers:
                other.readers.append(after)


def _with(node: Node, after: Node) -> Rule | None:
    """The rule by which ``after`` makes ``node`` on the way; ``None`` where it cannot."""
    if after.rule.overwrite is torch.relu_:
        return node.rule.rectified
    others = [other for other in after.inputs if other is not node]
    fits = after.rule.sums and len(others) == 1 and (others[0].shape, others[0].dtype) == (node.shape, node.dtype)
    return node.rule.added if fits else None
