"""Units that never fire: found, drawn anew without a change of what the net computes, and able to learn again."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from denoise_cli import seeds
from denoise_cli.method import Recipe
from denoise_cli.methods import cbdnet, dncnn
from denoise_cli.noise import Pair
from denoise_cli.training import loop
from denoise_cli.training.folder import LAST
from denoise_cli.training.revival import Probe, _fit_norms, layers_of, revive
from denoise_cli.training.run import Run

RECIPE = Recipe(noise="gaussian:25", patch=16, batch=4, steps=10, loss="mse")


def _pairs() -> list[Pair]:
    found = []
    for seed in range(3):
        clean = torch.rand((4, 1, 16, 16), generator=seeds.generator(seed))
        noise = torch.randn(clean.shape, generator=seeds.generator(seed, "noise"))
        found.append(Pair(clean, clean + 0.1 * noise, torch.full((4, 1, 1, 1), 0.1)))
    return found


def _net(batch_norm: bool) -> dncnn.DnCNN:
    torch.manual_seed(0)
    return dncnn.DnCNN(dncnn.Config(channels=1, depth=4, features=6, batch_norm=batch_norm))


def _optimiser(net: nn.Module) -> torch.optim.Optimizer:
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3)
    for weight in net.parameters():
        weight.grad = torch.ones_like(weight)
    optimiser.param_groups[0]["lr"] = 0.0
    optimiser.step()
    return optimiser


def _revive(net: nn.Module, optimiser: torch.optim.Optimizer, pairs: list[Pair]) -> tuple[int, int]:
    return revive(net, optimiser, Probe(pairs, RECIPE, torch.float32), seeds.generator(1))


def _kill(net: dncnn.DnCNN, layer: int, units: list[int]) -> None:
    """So that these units of a layer give 0 for every image."""
    found = layers_of(net)[layer]
    bias = found.norm.bias if found.norm else found.conv.bias
    assert bias is not None
    with torch.no_grad():
        bias[units] = -100


@pytest.mark.parametrize("batch_norm", [False, True])
def test_dead_units_live_again_and_the_net_computes_what_it_did(batch_norm: bool) -> None:
    net, pairs = _net(batch_norm), _pairs()
    _kill(net, 1, [0, 4])
    _kill(net, 2, [3])
    optimiser = _optimiser(net)
    net.eval()
    noisy = pairs[0].noisy
    with torch.no_grad():
        before = net(noisy)
        others = layers_of(net)[1].conv.weight[1].clone()
        dead, seen = _revive(net, optimiser, pairs)
        assert (dead, seen) == (3, 18)
        assert torch.allclose(net(noisy), before, atol=1e-6)
    layer = layers_of(net)[1]
    assert torch.equal(layer.conv.weight[1], others), "units that fire stay as they are"
    assert not net.training
    mean = optimiser.state[layer.conv.weight]["exp_avg"]
    assert (mean[[0, 4]] == 0).all() and (mean[1] != 0).any()
    assert _revive(net, optimiser, pairs) == (0, 18)
    net.loss(pairs[0], RECIPE, torch.Generator()).backward()
    assert layer.fed is not None and layer.fed.weight.grad is not None
    assert (layer.fed.weight.grad[:, [0, 4]] != 0).any()


def test_the_statistics_of_new_units_are_those_of_their_inputs() -> None:
    net, pairs = _net(batch_norm=True), _pairs()
    _kill(net, 1, [2])
    norm = layers_of(net)[1].norm
    assert norm is not None and norm.running_mean is not None and norm.running_var is not None
    kept = norm.running_mean.clone()
    with torch.no_grad():
        _revive(net, _optimiser(net), pairs)
        features = [layers_of(net)[1].conv(layers_of(net)[0].conv(pair.noisy).relu())[:, 2] for pair in pairs]
    assert norm.running_mean[2].item() == pytest.approx(torch.stack(features).mean().item(), rel=1e-4)
    assert norm.running_var[2].item() == pytest.approx(torch.stack([f.var() for f in features]).mean().item(), rel=1e-2)
    assert torch.equal(norm.running_mean[[0, 1, 3, 4, 5]], kept[[0, 1, 3, 4, 5]])


def test_a_norm_that_is_met_again_and_again() -> None:
    """A net that iterates shows its norms the images of every iteration."""

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm2d(4)

        def forward(self, features: Tensor) -> Tensor:
            return self.norm(features) + self.norm(features)  # type: ignore[no-any-return]

    class Through:
        pairs = _pairs()
        team = Probe(pairs, RECIPE, torch.float32).team

        def through(self, net: nn.Module) -> None:
            with torch.no_grad():
                for seed in range(len(self.pairs)):
                    net(torch.randn((2, 4, 8, 8), generator=seeds.generator(seed)) + 1)

    net = Twice()
    _fit_norms(net, [(net.norm, torch.tensor([1, 2]))], Through())  # type: ignore[arg-type]
    assert net.norm.running_mean is not None and net.norm.running_var is not None
    assert net.norm.running_mean[1:3].tolist() == pytest.approx([1, 1], abs=0.2)
    assert net.norm.running_var[1:3].tolist() == pytest.approx([1, 1], abs=0.3)


def test_a_stage_that_is_dead_as_a_whole_takes_part_again() -> None:
    torch.manual_seed(0)
    net = cbdnet.CBDNet(cbdnet.Config(channels=1, estimator=4, features=4))
    last = net.joined_half[-2]
    assert isinstance(last, nn.Conv2d) and last.bias is not None
    with torch.no_grad():
        last.bias.fill_(-100)
    pairs = _pairs()

    def gradient() -> Tensor:
        net.zero_grad()
        recipe = replace(cbdnet.METHOD.recipe or RECIPE, loss="mse")
        net.loss(pairs[0], recipe, torch.Generator()).backward()
        found = net.at_quarter[1].weight.grad
        assert isinstance(found, Tensor)
        return found

    assert (gradient() == 0).all()
    recipe = replace(cbdnet.METHOD.recipe or RECIPE, loss="mse")
    dead, _ = revive(net, _optimiser(net), Probe(pairs, recipe, torch.float32), seeds.generator(1))
    assert dead >= 8
    assert (gradient() != 0).any()


def test_new_units_fire_as_the_others_do_however_large_what_comes_in_is() -> None:
    net, pairs = _net(batch_norm=False), _pairs()
    with torch.no_grad():
        layers_of(net)[0].conv.weight.mul_(1e4)
    _kill(net, 1, [0, 4])
    _revive(net, _optimiser(net), pairs)
    with torch.no_grad():
        first, second = (layer.conv for layer in layers_of(net)[:2])
        features = second(first(pairs[0].noisy).relu()).relu()
    sizes = features.square().mean(dim=(0, 2, 3))
    assert sizes[[0, 4]].mean().item() == pytest.approx(sizes[[1, 2, 3, 5]].mean().item(), rel=0.3)


@pytest.fixture
def train(sets: Callable[..., tuple[Any, Any]]) -> Callable[..., list[loop.Report]]:
    """Go on with a run of eight steps, of a net that starts with two dead units, in a folder."""

    def train(folder: Path, revive: int, stop: bool = False) -> list[loop.Report]:
        def make() -> nn.Module:
            net = dncnn.DnCNN(config)
            _kill(net, 1, [0, 4])
            return net

        config = dncnn.Config(channels=1, depth=4, features=6)
        recipe = replace(RECIPE, patch=8, steps=8, warmup=2, revive=revive)
        run = Run("dncnn", config, dncnn.METHOD.options, recipe, ("pictures",), torch.float32)
        return list(loop.train(run, make, *sets(1, recipe), folder, lambda seconds: stop))

    return train


def test_a_run_says_how_many_units_never_fire(train: Callable[..., list[loop.Report]], tmp_path: Path) -> None:
    said = [report.message for report in train(tmp_path, 0) if report.message]
    assert said == ["2 of 18 units of this net never fire: going on with --set revive=1000 would draw them anew"]


def test_a_run_draws_them_anew_and_ends_the_same_where_it_was_stopped(
    train: Callable[..., list[loop.Report]], tmp_path: Path
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert [report.message for report in train(whole, 4) if report.message] == [
        "2 of 18 units never fired and are drawn anew"
    ]
    parts.mkdir()
    while not (ended := [report.step for report in train(parts, 4, stop=True)]) or ended[-1] < 8:
        pass
    one, other = load_file(whole / LAST), load_file(parts / LAST)
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
