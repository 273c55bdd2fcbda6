"""A loss that changes part-way: the net sees the loss of its step, the change is no divergence, resuming exact."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from denoise_cli import losses
from denoise_cli.method import Recipe
from denoise_cli.noise import Pair
from denoise_cli.training import loop
from denoise_cli.training.folder import BEST, LAST, LOG
from denoise_cli.training.log import rows
from denoise_cli.training.run import at_step
from denoise_cli.training.state import progress_of

STEPS = 20
CHANGING = "mse@0..35%,1000*l1@35%.."  # after 7 steps, to a loss that is thousands of times larger


@pytest.fixture
def obedient(bench, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The bench's net minimises what its recipe says; the losses that it was asked for."""
    monkeypatch.setattr(loop, "WINDOW", 5)
    bench.recipe = replace(bench.recipe, loss=CHANGING, steps=STEPS)
    make: Callable[[], nn.Module] = bench.make
    seen: list[str] = []

    def obeying() -> nn.Module:
        net = make()

        def loss(pair: Pair, recipe: Recipe, generator: torch.Generator) -> Tensor:
            seen.append(recipe.loss)
            return losses.find(recipe.loss)(net.conv(pair.noisy), pair.clean)

        net.loss = loss
        return net

    bench.make = obeying
    return seen


def test_the_recipe_of_a_step() -> None:
    recipe = Recipe(noise="sp:0.1", patch=8, batch=2, steps=10, loss="l2@0..50%,l1 + 0.1*tv@50%..")
    assert [at_step(recipe, step).loss for step in (0, 4, 5, 9)] == ["l2", "l2", "l1 + 0.1*tv", "l1 + 0.1*tv"]
    assert at_step(replace(recipe, loss="ssim:5"), 3).loss == "ssim:5"


def test_the_net_sees_the_loss_of_its_step(bench, obedient: list[str]) -> None:
    reports = list(bench.train())
    assert obedient == ["mse"] * 7 + ["1000*l1"] * 13
    assert [report.message for report in reports if report.message] == []
    assert reports[-1].attempt == 0
    means = {row["step"]: row["loss"] for row in rows(bench.folder / LOG)}
    assert means[7] < 1 < 20 < means[10]  # no window holds both


def test_after_the_change_the_new_loss_is_watched(bench, obedient: list[str]) -> None:
    find, make = losses.find, bench.make

    def exploding() -> nn.Module:
        net = make()
        net.loss = lambda pair, recipe, generator: (
            find(recipe.loss)(net.conv(pair.noisy), pair.clean) * (100 if generator.initial_seed() in late else 1)
        )
        return net

    late = {bench.seed(0, step) for step in range(10, STEPS)}
    bench.make = exploding
    messages = [report.message for report in bench.train() if report.message]
    assert len(messages) == 1 and "the mean loss rose" in messages[0]


def test_stopped_after_every_step_it_ends_in_the_same_weights(bench, obedient: list[str], tmp_path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    bench.folder = whole
    list(bench.train())
    bench.folder = parts
    for step in range(1, STEPS + 1):
        list(bench.train(lambda seconds: True))
        assert progress_of(parts / LAST).step == step
    ours, theirs = (replace(progress_of(folder / LAST), seconds=0.0) for folder in (whole, parts))
    assert ours == theirs
    assert obedient == (["mse"] * 7 + ["1000*l1"] * 13) * 2
    for name in (BEST, LAST):
        one, other = load_file(whole / name), load_file(parts / name)
        assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
