"""Units that never fire, and so never learn again, drawn anew while a net is trained.

A ReLU behind weights that went astray gives 0 for every input: no gradient comes back, whatever the loss, and what is
behind it is missing for good. Such units are recycled as in Sokar, Agarwal, Castro, Evci, "The Dormant Neuron
Phenomenon in Deep Reinforcement Learning", ICML 2023, section 4 (ReDo): they are drawn anew, and what is fed by them
does not heed them at first, so that the net computes what it did.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
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
_SMALL = 0.1  # times the features of others: those of new units where it is not known what they feed


@dataclass(frozen=True)
class Layer:
    """A convolution whose features go through a ReLU, with the batch norm between them where there is one."""

    conv: nn.Conv2d
    norm: nn.BatchNorm2d | None
    relu: nn.ReLU
    fed: nn.Conv2d | None  # what its features go to, where that comes next


@dataclass(frozen=True)
class Probe:
    """What a net is watched with: pairs as its run learns from, one part of them in each process of a ``team``."""

    pairs: Sequence[Pair]
    recipe: Recipe
    dtype: torch.dtype  # that the net works in
    portions: Portions = field(default_factory=Portions)
    team: Team = field(default_factory=Team)

    @torch.no_grad()
    def through(self, net: nn.Module) -> None:
        """Let the pairs through all of ``net`` that learns; nothing in it changes."""
        assert isinstance(net, Learner)
        buffers = {name: value.clone() for name, value in net.named_buffers()}
        one = f"one patch of {self.recipe.patch} pixels"
        with set_stance("force_eager"):  # a compiled net cannot be watched
            for pair in self.pairs:
                self.portions.fit(len(pair.clean), partial(self._shown, net, pair), pair.clean.device, one)
        for name, value in net.named_buffers():
            value.copy_(buffers[name])

    def _shown(self, net: Learner, pair: Pair, size: int) -> None:
        for part in pair.parts(size):
            images = part.each(lambda values: values.contiguous(memory_format=torch.channels_last))
            with torch.autocast(images.clean.device.type, self.dtype, enabled=self.dtype != torch.float32):
                net.loss(images, self.recipe, seeds.generator(self.recipe.seed, "revival"))


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


def dead_units(net: nn.Module, probe: Probe) -> tuple[list[tuple[Layer, Tensor]], int]:
    """The layers of ``net`` with units that fire for nothing in ``probe``, which ones (C,), and how many were seen.

    They are the same in all processes.
    """
    layers = layers_of(net)
    counts: dict[nn.Module, Tensor] = {}

    def note(relu: nn.Module, _: object, features: Tensor) -> None:
        alive = (features > 0).flatten(2).any(dim=2).any(dim=0).float()
        counts[relu] = counts[relu] + alive if relu in counts else alive

    with ExitStack() as hooks:
        for layer in layers:
            hooks.callback(layer.relu.register_forward_hook(note).remove)
        probe.through(net)
    seen = [(layer, counts[layer.relu]) for layer in layers if layer.relu in counts]
    if seen:
        probe.team.add([fired for _, fired in seen])
    return [(layer, fired == 0) for layer, fired in seen if (fired == 0).any()], sum(len(fired) for _, fired in seen)


@torch.no_grad()
def revive(
    net: nn.Module, optimiser: torch.optim.Optimizer, probe: Probe, generator: torch.Generator
) -> tuple[int, int]:
    """Draw the ``dead_units`` of ``net`` anew; how many they were, of how many that were seen.

    Their incoming weights are of the distribution at the start, from ``generator`` (on the CPU), of such a size that
    they fire as much as the others of their layer; their outgoing ones become 0. Where no convolution comes next, these
    stay as they are, and the new units fire a tenth as much. Biases become 0, the statistics of batch norm what
    ``probe`` gives, and what the optimiser remembers of all this 0.
    """
    dead, seen = dead_units(net, probe)
    for layer, units in dead:
        _draw(layer, units, optimiser, generator)
    _fit_sizes(net, [(layer, units) for layer, units in dead if not layer.norm], probe)
    _fit_norms(net, [(layer.norm, units) for layer, units in dead if layer.norm], probe)
    return count(dead), seen


def count(dead: list[tuple[Layer, Tensor]]) -> int:
    """How many units that are."""
    return sum(int(units.sum()) for _, units in dead)


def _draw(layer: Layer, units: Tensor, optimiser: torch.optim.Optimizer, generator: torch.Generator) -> None:
    conv, norm = layer.conv, layer.norm
    new = torch.empty(conv.weight.shape)
    nn.init.kaiming_normal_(new, nonlinearity="relu", generator=generator)
    _set(conv.weight, units, new.to(conv.weight)[units], optimiser)
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


def _fit_sizes(net: nn.Module, dead: list[tuple[Layer, Tensor]], probe: Probe) -> None:
    """Multiply the new units' weights so that they fire as the others, or as what comes in where there are none."""
    left = {layer.conv: (layer, units) for layer, units in dead}

    def fit(conv: nn.Module, inputs: tuple[Tensor, ...], features: Tensor) -> Tensor:
        assert isinstance(conv, nn.Conv2d)
        if conv not in left:
            return features
        layer, units = left.pop(conv)  # by the first patches: what comes later already goes through new units
        like = inputs[0] if units.all() else features[:, ~units].relu()
        ratio = _size(like) / _size(features[:, units].relu()).clamp_min(1e-6) * (1 if layer.fed else _SMALL)
        probe.team.add([ratio])
        ratio = ratio / probe.team.size
        conv.weight[units] *= ratio
        features[:, units] *= ratio.to(features.dtype)
        return features

    with ExitStack() as hooks:
        for conv in list(left):
            hooks.callback(conv.register_forward_hook(fit).remove)
        if left:
            replace(probe, pairs=probe.pairs[:1]).through(net)


def _size(features: Tensor) -> Tensor:
    return features.float().square().mean().sqrt()


def _fit_norms(net: nn.Module, norms: list[tuple[nn.BatchNorm2d, Tensor]], probe: Probe) -> None:
    """Give the new units of ``norms`` their running statistics, and leave the others as they are."""
    sums: dict[nn.Module, tuple[Tensor, Tensor, Tensor]] = {}  # of the images' means, variances, and how many
    frozen = [part for part in net.modules() if not part.training]

    def add(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        variance, mean = torch.var_mean(inputs[0].float(), dim=(0, 2, 3))
        images = mean.new_tensor(len(inputs[0]))  # a net that iterates shows them to it again and again
        before = sums.get(norm, (torch.zeros_like(mean), torch.zeros_like(mean), torch.zeros_like(images)))
        sums[norm] = (before[0] + images * mean, before[1] + images * variance, before[2] + images)

    with ExitStack() as hooks:
        for norm, _ in norms:
            hooks.callback(norm.register_forward_pre_hook(add).remove)
        if norms:
            net.train()  # each batch by its own statistics: those of the layers before are not there yet
            probe.through(net)
    for part in frozen:
        part.training = False
    for norm, units in norms:
        mean, variance, images = sums[norm]
        probe.team.add([mean, variance, images])
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean[units] = mean[units] / images
        norm.running_var[units] = variance[units] / images
