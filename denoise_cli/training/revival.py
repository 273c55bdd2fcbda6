"""Units that never fire, and so never learn again, drawn anew while a net is trained.

A ReLU behind weights that went astray gives 0 for every input: no gradient comes back, whatever the loss, and what is
behind it is missing for good. Such units are recycled as in Sokar, Agarwal, Castro, Evci, "The Dormant Neuron
Phenomenon in Deep Reinforcement Learning", ICML 2023, section 4 (ReDo): they are drawn anew, and what is fed by them
does not heed them at first, so that the net computes what it did.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.compiler import set_stance

from denoise_cli import seeds
from denoise_cli.method import Learner, Recipe
from denoise_cli.noise import Pair
from denoise_cli.training.distributed import Team
from denoise_cli.training.portions import Portions

BATCHES = 32  # in none of which a unit fires that counts as dead
_SMALL = 0.1  # times the weights that a layer starts with: those of new units where it is not known what they feed


@dataclass(frozen=True)
class Layer:
    """A convolution whose features go through a ReLU, with the batch norm between them where there is one."""

    conv: nn.Conv2d
    norm: nn.BatchNorm2d | None
    relu: nn.ReLU
    fed: nn.Conv2d | None  # what its features go to, where that comes next


def layers_of(net: nn.Module) -> list[Layer]:
    """The layers of the ``Sequential``s in ``net`` whose units can be watched and drawn anew."""
    found = []
    for part in net.modules():
        members = list(part) if isinstance(part, nn.Sequential) else []
        for place, relu in enumerate(members):
            after = members[place + 1] if place + 1 < len(members) else None
            norm = members[place - 1] if place else None
            conv = members[place - 2] if isinstance(norm, nn.BatchNorm2d) and place > 1 else norm
            norm = norm if isinstance(norm, nn.BatchNorm2d) else None
            if isinstance(relu, nn.ReLU) and isinstance(conv, nn.Conv2d):
                found.append(Layer(conv, norm, relu, after if isinstance(after, nn.Conv2d) else None))
    return found


@torch.no_grad()
def dead_units(
    net: nn.Module, pairs: list[Pair], recipe: Recipe, dtype: torch.dtype, portions: Portions, team: Team
) -> tuple[list[tuple[Layer, Tensor]], int]:
    """The layers of ``net`` with units that fire for none of ``pairs``, which ones (C,), and how many units were seen.

    All processes of a ``team`` find the same ones, by their own pairs together.
    """
    layers = layers_of(net)
    fired = _fired(net, layers, pairs, recipe, dtype, portions, team)
    seen = [(layer, alive) for layer, alive in zip(layers, fired, strict=True) if alive is not None]
    return [(layer, ~alive) for layer, alive in seen if not alive.all()], sum(len(alive) for _, alive in seen)


@torch.no_grad()
def revive(
    net: nn.Module,
    optimiser: torch.optim.Optimizer,
    pairs: list[Pair],
    recipe: Recipe,
    dtype: torch.dtype,
    generator: torch.Generator,
    portions: Portions,
    team: Team,
) -> tuple[int, int]:
    """Draw the ``dead_units`` of ``net`` anew; how many they were, of how many that were seen.

    Their incoming weights are as at the start, from ``generator`` (on the CPU), and their outgoing ones 0; a tenth of
    that, and as they were, where no convolution comes next. Their biases become 0, the statistics of their batch norm
    what ``pairs`` give, and what the optimiser remembers of them 0.
    """
    dead, seen = dead_units(net, pairs, recipe, dtype, portions, team)
    for layer, units in dead:
        _draw(layer, units, optimiser, generator)
    _measure(net, [(layer.norm, units) for layer, units in dead if layer.norm], pairs, recipe, dtype, portions, team)
    return count(dead), seen


def count(dead: list[tuple[Layer, Tensor]]) -> int:
    """How many units that are."""
    return sum(int(units.sum()) for _, units in dead)


def _fired(
    net: nn.Module,
    layers: list[Layer],
    pairs: list[Pair],
    recipe: Recipe,
    dtype: torch.dtype,
    portions: Portions,
    team: Team,
) -> list[Tensor | None]:
    """Which units (C,) of each layer fire at all; ``None`` of a layer that nothing went through."""
    counts: dict[nn.ReLU, Tensor] = {}

    def note(relu: nn.Module, _: object, features: Tensor) -> None:
        assert isinstance(relu, nn.ReLU)
        alive = (features > 0).flatten(2).any(dim=2).any(dim=0).float()
        counts[relu] = counts[relu] + alive if relu in counts else alive

    with _watched(net), ExitStack() as hooks:
        for layer in layers:
            hooks.callback(layer.relu.register_forward_hook(note).remove)
        _show(net, pairs, recipe, dtype, portions)
    found = [counts.get(layer.relu) for layer in layers]
    team.add([tensor for tensor in found if tensor is not None])
    return [None if tensor is None else tensor > 0 for tensor in found]


def _draw(layer: Layer, units: Tensor, optimiser: torch.optim.Optimizer, generator: torch.Generator) -> None:
    conv, norm = layer.conv, layer.norm
    new = torch.empty(conv.weight.shape)
    nn.init.kaiming_normal_(new, nonlinearity="relu", generator=generator)
    _set(conv.weight, units, new.to(conv.weight)[units] * (1 if layer.fed else _SMALL), optimiser)
    if conv.bias is not None:
        _set(conv.bias, units, 0, optimiser)
    if norm:
        others = norm.weight[norm.weight != 0] if units.all() else norm.weight[~units]
        _set(norm.weight, units, others.abs().mean(), optimiser)
        _set(norm.bias, units, 0, optimiser)
    if layer.fed:
        _set(layer.fed.weight, (slice(None), units), 0, optimiser)


def _set(
    weight: Tensor,
    where: Tensor | tuple[slice, Tensor],
    value: Tensor | float,
    optimiser: torch.optim.Optimizer,
) -> None:
    """Put ``value`` into a part of ``weight``, and 0 into what the optimiser remembers of it."""
    weight[where] = value
    for moments in optimiser.state.get(weight, {}).values():
        if isinstance(moments, Tensor) and moments.shape == weight.shape:
            moments[where] = 0


def _measure(
    net: nn.Module,
    norms: list[tuple[nn.BatchNorm2d, Tensor]],
    pairs: list[Pair],
    recipe: Recipe,
    dtype: torch.dtype,
    portions: Portions,
    team: Team,
) -> None:
    """Give the new units of ``norms`` their running statistics, and leave the others as they are."""
    if not norms:
        return
    sums: dict[nn.BatchNorm2d, tuple[Tensor, Tensor]] = {}

    def add(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        variance, mean = torch.var_mean(inputs[0].float(), dim=(0, 2, 3))
        before = sums.get(norm, (torch.zeros_like(mean), torch.zeros_like(mean)))
        sums[norm] = (before[0] + len(inputs[0]) * mean, before[1] + len(inputs[0]) * variance)

    with _watched(net), ExitStack() as hooks:
        net.train()  # each batch by its own statistics, which the new ones of the layers before are not yet in
        for norm, _ in norms:
            hooks.callback(norm.register_forward_pre_hook(add).remove)
        _show(net, pairs, recipe, dtype, portions)
    total = sum(len(pair.clean) for pair in pairs) * team.size
    for norm, units in norms:
        mean, variance = sums[norm]
        team.add([mean, variance])
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean[units] = mean[units] / total
        norm.running_var[units] = variance[units] / total


@contextmanager
def _watched(net: nn.Module) -> Iterator[None]:
    """Nothing that goes through ``net`` changes it, and it is not compiled, so that its parts can be watched."""
    training = {part: part.training for part in net.modules()}
    buffers = {name: value.clone() for name, value in net.named_buffers()}
    with set_stance("force_eager"):
        yield
    for part, mode in training.items():
        part.training = mode
    for name, value in net.named_buffers():
        value.copy_(buffers[name])


def _show(net: nn.Module, pairs: list[Pair], recipe: Recipe, dtype: torch.dtype, portions: Portions) -> None:
    """Let ``pairs`` through all of ``net`` that learns, as many patches at once as the memory takes."""
    assert isinstance(net, Learner)

    def shown(pair: Pair, size: int) -> None:
        for part in pair.parts(size):
            images = part.each(lambda values: values.contiguous(memory_format=torch.channels_last))
            with torch.autocast(images.clean.device.type, dtype, enabled=dtype != torch.float32):
                net.loss(images, recipe, seeds.generator(recipe.seed, "revival"))

    for pair in pairs:
        one = f"one patch of {recipe.patch} pixels"
        portions.fit(len(pair.clean), partial(shown, pair), pair.clean.device, one)
