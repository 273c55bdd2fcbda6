"""Memory that runs out in training: smaller parts, the same gradient."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Generator, Tensor, nn

from denoise_cli import methods
from denoise_cli.errors import DeviceError, UsageError
from denoise_cli.method import Recipe
from denoise_cli.noise import Pair
from denoise_cli.training import loop
from denoise_cli.training.folder import BEST, LAST, LOG
from denoise_cli.training.log import rows
from denoise_cli.training.run import Run
from denoise_cli.training.state import progress_of


def _limited(make: Callable[[], nn.Module], most: int, seen: list[int], error: type[Exception]) -> Any:
    """The net of ``make``, on a device with memory for so many patches."""

    def limited() -> nn.Module:
        net = make()
        loss = net.loss

        def within_memory(pair: Pair, recipe: Recipe, generator: Generator) -> Tensor:
            seen.append(len(pair.clean))
            if len(pair.clean) > most:
                raise error("CUDA out of memory. Tried to allocate 2.00 GiB.")
            value: Tensor = loss(pair, recipe, generator)
            return value

        net.loss = within_memory
        return net

    return limited


def _near(one: Path, other: Path) -> None:
    ours, theirs = load_file(one / BEST), load_file(other / BEST)
    for key in theirs:
        torch.testing.assert_close(ours[key], theirs[key], rtol=1e-5, atol=1e-7)


@pytest.fixture
def whole(bench, tmp_path: Path) -> Path:
    """The folder of the bench's run with memory for all patches; the bench is set to another one."""
    bench.recipe = replace(bench.recipe, batch=6, steps=10)
    bench.folder = tmp_path / "whole"
    list(bench.train())
    bench.folder = tmp_path / "parts"
    return tmp_path / "whole"


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError, MemoryError])
def test_patches_that_do_not_fit_are_taken_in_parts(bench, whole: Path, error: type[Exception]) -> None:
    seen: list[int] = []
    bench.make = _limited(bench.make, 2, seen, error)
    messages = [report.message for report in bench.train() if report.message]
    assert messages == ["out of memory; from here on 2 patches at once instead of 6, their gradients summed"]
    assert [row["message"] for row in rows(bench.folder / LOG) if "message" in row] == messages
    assert seen == [6, 3, *[2, 2, 2] * 10]
    assert progress_of(bench.folder / LAST).attempt == 0
    _near(bench.folder, whole)


def test_fewer_patches_at_once_can_be_asked_for(bench, whole: Path) -> None:
    seen: list[int] = []
    bench.make = _limited(bench.make, 6, seen, torch.OutOfMemoryError)
    bench.micro_batch = 4
    assert [report.message for report in bench.train() if report.message] == []
    assert seen == [4, 2] * 10
    _near(bench.folder, whole)


def test_where_one_patch_is_too_much_it_says_so(bench) -> None:
    bench.make = _limited(bench.make, 0, [], torch.OutOfMemoryError)
    with pytest.raises(DeviceError, match=r"Out of memory on cpu, for one patch of 8 pixels.\n.*--patch"):
        list(bench.train())


def test_other_errors_are_not_taken_for_it(bench) -> None:
    def wrong(seed: int, loss: Tensor) -> Tensor:
        raise RuntimeError("shapes do not match")

    bench.losses = wrong
    with pytest.raises(RuntimeError, match="shapes do not match"):
        list(bench.train())


def test_batch_norm_in_parts_still_learns_and_is_named(sets, tmp_path: Path) -> None:
    card = methods.find("dncnn")
    config = replace(card.config, channels=1, depth=3, features=4)
    recipe = replace(card.recipe, noise="gaussian:50", patch=8, batch=8, steps=30, warmup=0)
    run = Run("dncnn", config, card.options, recipe, ("pictures",), torch.float32)
    make = loop.maker(card, config, torch.device("cpu"), compiled=False)
    scores, messages = [], []
    for most in (8, 4):
        limited = _limited(make, most, [], torch.OutOfMemoryError)
        folder = tmp_path / str(most)
        reports = list(loop.train(run, limited, *sets(1, recipe), folder, lambda seconds: False))
        scores.append(reports[-1].best)
        messages.append([report.message for report in reports if report.message])
    assert messages[0] == [] and len(messages[1]) == 1
    assert "batch norm is of each part by itself" in messages[1][0]
    assert abs(scores[0] - scores[1]) < 0.5


def test_memory_that_runs_out_again_is_told_by_what_was_taken_before(bench) -> None:
    bench.recipe = replace(bench.recipe, batch=8, steps=4)
    make = bench.make

    def shrinking() -> nn.Module:
        net = make()
        loss = net.loss

        def within_memory(pair: Pair, recipe: Recipe, generator: Generator) -> Tensor:
            if len(pair.clean) > (4 if generator.initial_seed() == bench.seed(0, 0) else 2):
                raise torch.OutOfMemoryError
            value: Tensor = loss(pair, recipe, generator)
            return value

        net.loss = within_memory
        return net

    bench.make = shrinking
    messages = [report.message.partition(",")[0] for report in bench.train() if report.message]
    words = "out of memory; from here on"
    assert messages == [f"{words} 4 patches at once instead of 8", f"{words} 2 patches at once instead of 4"]


def test_a_patch_by_itself_that_batch_norm_cannot_take(sets, tmp_path: Path) -> None:
    card = methods.find("classifier")
    config = replace(card.config, channels=1, features=2, classes=("one", "two"))
    recipe = replace(card.recipe, noise="gaussian:50", patch=16, batch=3, steps=1)
    run = Run("classifier", config, card.options, recipe, ("pictures",), torch.float32, micro_batch=2)
    make = loop.maker(card, config, torch.device("cpu"), compiled=False)
    with pytest.raises(UsageError, match=r"One patch of 16 pixels by itself is too little for the batch norm"):
        list(loop.train(run, make, *sets(1, recipe), tmp_path, lambda seconds: False))
    assert list(tmp_path.iterdir()) == []
