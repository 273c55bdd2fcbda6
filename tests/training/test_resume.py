"""A run that was stopped, in whatever way, ends in the same bytes as one that was not."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from denoise_cli import methods
from denoise_cli.errors import OutputError, UsageError
from denoise_cli.training import loop, state
from denoise_cli.training.folder import BEST, LAST, LOG
from denoise_cli.training.log import rows
from denoise_cli.training.run import Run

STEPS = 9


def _never(seconds: float) -> bool:
    return False


Start = Callable[..., Iterator[loop.Report]]


@pytest.fixture
def start(sets: Callable[..., tuple[Any, Any]]) -> Start:
    """Begin, or go on with, a tiny run in a folder."""

    def start(model: str, folder: Path, stop: Callable[[float], bool] = _never) -> Iterator[loop.Report]:
        card = methods.find(model)
        if model == "dncnn":
            config: Any = replace(card.config, channels=1, depth=3, features=4)
            recipe: Any = replace(card.recipe, noise="gaussian:25")
            options = card.options
        else:
            config = replace(card.config, width=4, recall="impulses")
            recipe = replace(card.recipe, noise="sp:0.2", max_iters=2, free_iters=2)
            options = replace(card.options, iters=2)
        recipe = replace(recipe, patch=8, batch=4, steps=STEPS, warmup=2)
        run = Run(card.name, config, options, recipe, ("pictures",), torch.bfloat16)
        make = loop.maker(card, config, torch.device("cpu"), compiled=False)
        folder.mkdir(exist_ok=True)
        return loop.train(run, make, *sets(config.channels, recipe), folder, stop)

    return start


def _outcome(folder: Path) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Any]]:
    progress = asdict(state.progress_of(folder / LAST))
    del progress["seconds"]
    return load_file(folder / BEST), load_file(folder / LAST), progress


def _same(one: Path, other: Path, *, but_the_log: bool = False) -> None:
    *tensors, progress = _outcome(one)
    *expected, expected_progress = _outcome(other)
    assert progress == expected_progress
    for ours, theirs in zip(tensors, expected, strict=True):
        assert ours.keys() == theirs.keys()
        assert [key for key in ours if not torch.equal(ours[key], theirs[key])] == []
    if not but_the_log:
        ours_rows, theirs_rows = (
            [row | {"seconds": 0, "waiting": 0} for row in rows(folder / LOG)] for folder in (one, other)
        )
        assert ours_rows == theirs_rows


@pytest.fixture(autouse=True)
def _short_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "WINDOW", 3)
    monkeypatch.setattr(loop, "_VALIDATIONS", 4)


@pytest.mark.parametrize("model", ["dncnn", "dt"])
def test_stopped_after_every_single_step(model: str, start: Start, tmp_path: Path) -> None:
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    for step in range(1, STEPS + 1):
        list(start(model, stopped, lambda seconds: True))
        assert state.progress_of(stopped / LAST).step == step
    list(start(model, whole))
    _same(stopped, whole, but_the_log=True)  # which has the stops before the first validation too


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.mark.parametrize("often", [True, False])
def test_killed_before_every_single_write(
    often: bool, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tmp_path / "whole"
    list(start("dncnn", whole))
    broken = tmp_path / "broken"
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0 if often else 60.0)
    write, kills = state.write_atomically, 0
    for number in range(1, 40):
        count = 0

        def writes(*args: Any, wanted: int = number, **flags: Any) -> None:
            nonlocal count
            count += 1
            if count == wanted:
                raise Killed
            write(*args, **flags)

        monkeypatch.setattr(state, "write_atomically", writes)
        monkeypatch.setattr("denoise_cli.checkpoint.write_atomically", writes)
        try:
            list(start("dncnn", broken))
        except Killed:
            kills += 1
            continue
        break
    assert kills > 3
    _same(broken, whole)


def test_a_full_disk_leaves_the_old_files(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    whole = tmp_path / "whole"
    list(start("dncnn", whole))
    full = tmp_path / "full"
    write, room = state.write_atomically, 7

    def writes(path: Path, data: bytes, *, force: bool) -> None:
        nonlocal room
        room -= 1
        if room < 0:
            raise OutputError(f"{path} cannot be written: the disk is full.")
        write(path, data, force=force)

    with monkeypatch.context() as patched:
        patched.setattr(state, "write_atomically", writes)
        patched.setattr("denoise_cli.checkpoint.write_atomically", writes)
        with pytest.raises(OutputError, match="full"):
            list(start("dncnn", full))
    assert 0 < state.progress_of(full / LAST).step < STEPS
    list(start("dncnn", full))
    _same(full, whole)


def test_a_finished_run_does_nothing_more(start: Start, tmp_path: Path) -> None:
    list(start("dncnn", tmp_path))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert list(start("dncnn", tmp_path)) == []
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_stopped_before_its_first_validation_it_still_leaves_weights(start: Start, tmp_path: Path) -> None:
    (report,) = start("dncnn", tmp_path, lambda seconds: True)
    assert report.step == 1
    assert report.score is not None
    assert (tmp_path / BEST).exists()
    assert state.progress_of(tmp_path / LAST).best == float("-inf")


def test_a_mistake_that_the_first_step_shows_leaves_nothing(bench) -> None:
    def wrong(seed: int, loss: Tensor) -> Tensor:
        raise UsageError("There is no such loss.")

    bench.losses = wrong
    with pytest.raises(UsageError):
        list(bench.train())
    assert list(bench.folder.iterdir()) == []


def test_after_its_first_step_a_run_can_be_continued(bench) -> None:
    def killed(seed: int, loss: Tensor) -> Tensor:
        if seed == bench.seed(0, 1):
            raise Killed
        return loss

    bench.losses = killed
    with pytest.raises(Killed):
        list(bench.train())
    assert state.progress_of(bench.folder / LAST).step == 1


def test_a_rollback_is_resumed_as_well(bench, tmp_path: Path) -> None:
    spoiled = {bench.seed(0, 10), bench.seed(1, 20), bench.seed(2, 21)}
    bench.losses = lambda seed, loss: loss * float("nan") if seed in spoiled else loss
    bench.folder = tmp_path / "whole"
    bench.folder.mkdir()
    list(bench.train())
    whole, bench.folder = bench.folder, tmp_path / "stopped"
    bench.folder.mkdir()
    for _ in range(60):
        list(bench.train(lambda seconds: True))
    assert state.progress_of(whole / LAST).attempt == 3
    _same(bench.folder, whole, but_the_log=True)
