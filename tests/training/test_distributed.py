"""Several processes, here threads that exchange values: the same run as by one."""

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Barrier, Lock
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, distributed, nn

from denoise_cli import methods
from denoise_cli.errors import DeviceError, UsageError
from denoise_cli.training import loop
from denoise_cli.training.distributed import Team, _fails_first, _reaching, joined
from denoise_cli.training.folder import LAST, LOG
from denoise_cli.training.log import rows
from denoise_cli.training.run import Run
from denoise_cli.training.state import progress_of


@dataclass
class Room:
    """Where threads meet."""

    size: int
    values: dict[int, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.barrier = Barrier(self.size, timeout=60)

    def exchange(self, rank: int, value: Any) -> list[Any]:
        self.values[rank] = value
        self.barrier.wait()
        found = [self.values[other] for other in range(self.size)]
        self.barrier.wait()
        return found


@dataclass(frozen=True)
class Thread(Team):
    """One of the processes; the others are threads in the same room."""

    room: Room = field(default_factory=lambda: Room(1))

    def add(self, tensors: Sequence[Tensor]) -> None:
        sums = [sum(others) for others in zip(*self.room.exchange(self.rank, list(tensors)), strict=True)]
        self.room.barrier.wait()
        for tensor, total in zip(tensors, sums, strict=True):
            tensor.copy_(total)

    def highest(self, *values: int) -> tuple[int, ...]:
        return tuple(map(max, zip(*self.room.exchange(self.rank, values), strict=True)))

    def told(self, value: Any) -> Any:
        return self.room.exchange(self.rank, value)[0]


def _together(work: Callable[[Team], Any], size: int = 2) -> list[Any]:
    """What each of ``size`` threads returns; the error of the first one that fails."""
    room = Room(size)

    def part(rank: int) -> Any:
        try:
            return work(Thread(rank, size, rank, size, room))
        except BaseException:
            room.barrier.abort()
            raise

    with ThreadPoolExecutor(size) as pool:
        futures = [pool.submit(part, rank) for rank in range(size)]
    errors = [error for future in futures if (error := future.exception()) is not None]
    for error in sorted(errors, key=lambda error: type(error).__name__ == "BrokenBarrierError"):
        raise error
    return [future.result() for future in futures]


@pytest.fixture
def trained(bench, tmp_path: Path) -> Callable[..., list[list[loop.Report]]]:
    """Trains the bench's net by two processes; their reports. The second one has a folder that is not there."""

    def train(stop: Callable[[Team], bool] = lambda team: False, size: int = 2) -> list[list[loop.Report]]:
        def work(team: Team) -> list[loop.Report]:
            folder = bench.folder if team.leads else tmp_path / "elsewhere"
            return list(bench.train(lambda seconds: stop(team), team, folder))

        reports = _together(work, size)
        assert not (tmp_path / "elsewhere").exists()
        return reports

    bench.folder = tmp_path / "run"
    bench.folder.mkdir()
    return train


def _what(reports: list[loop.Report]) -> list[str]:
    """The reports but for their times; as words, so that NaN equals NaN."""
    return [str(replace(report, seconds=0.0, waiting=0.0)) for report in reports]


@pytest.mark.parametrize("size", [2, 3])
def test_they_end_in_the_weights_of_one(bench, trained, tmp_path: Path, size: int) -> None:
    first, *others = trained(size=size)
    assert all(_what(other) == _what(first) for other in others)
    alone, bench.folder = bench.folder, tmp_path / "alone"
    bench.folder.mkdir()
    (*_, last) = bench.train()
    assert first[-1].best == pytest.approx(last.best, abs=1e-3)
    for key, value in load_file(bench.folder / LAST).items():
        torch.testing.assert_close(load_file(alone / LAST)[key], value, rtol=1e-4, atol=1e-6)


def test_what_one_writes_the_others_go_on_from(bench, trained) -> None:
    trained(lambda team: team.leads)
    assert progress_of(bench.folder / LAST).step == 1
    first, second = trained()
    assert _what(first) == _what(second)
    assert [row["step"] for row in rows(bench.folder / LOG)][:3] == [1, 2, 4]
    assert first[-1].step == 40


def test_any_of_them_stops_all_after_the_same_step(bench, trained) -> None:
    calls = 0

    def stop(team: Team) -> bool:
        nonlocal calls
        calls += not team.leads
        return calls == 7 and not team.leads

    first, second = trained(stop)
    assert first[-1].step == second[-1].step == 6
    assert progress_of(bench.folder / LAST).step == 7


def test_a_loss_that_is_not_finite_in_one_rolls_all_back(bench, trained) -> None:
    lock, count = Lock(), 0

    def spoiled(seed: int, loss: Tensor) -> Tensor:
        nonlocal count
        with lock:
            count += seed == bench.seed(0, 10)
            return loss * float("nan") if seed == bench.seed(0, 10) and count == 1 else loss

    bench.losses = spoiled
    first, second = trained()
    assert _what(first) == _what(second)
    (message,) = [report.message for report in first if report.message]
    assert "diverged at step 12: the loss or its gradient is not finite; back to step 10, rate x 0.5" in message
    assert first[-1].step == 40


def test_memory_that_runs_out_in_one_makes_the_parts_of_all_smaller(bench, trained) -> None:
    lock, calls, make = Lock(), [], bench.make

    def limited() -> nn.Module:
        net = make()
        loss = net.loss

        def within_memory(pair: Any, recipe: Any, generator: Any) -> Tensor:
            with lock:
                calls.append(len(pair.clean))
                if len(calls) == 1:
                    raise torch.OutOfMemoryError("CUDA out of memory.")
            value: Tensor = loss(pair, recipe, generator)
            return value

        net.loss = within_memory
        return net

    bench.make = limited
    first, second = trained()
    assert _what(first) == _what(second)
    (message,) = [report.message for report in first if report.message]
    assert "out of memory; from here on 1 patches at once instead of 2" in message
    assert sorted(calls[:4]) == [1, 1, 2, 2]
    assert set(calls[4:]) == {1}


def test_batch_norm_keeps_the_mean_of_the_statistics(sets, tmp_path: Path) -> None:
    card = methods.find("dncnn")
    config = replace(card.config, channels=1, depth=3, features=4)
    recipe = replace(card.recipe, noise="gaussian:50", patch=8, batch=8, steps=30, warmup=0)
    run = Run("dncnn", config, card.options, recipe, ("pictures",), torch.float32)
    net = card.make(config)

    def work(team: Team) -> tuple[float, dict[str, Tensor]]:
        made: list[nn.Module] = []

        def make() -> nn.Module:  # under a seed that threads would disturb
            made.append(copy.deepcopy(net))
            return made[-1]

        *_, last = loop.train(run, make, *sets(1, recipe), folder, lambda seconds: False, team)
        return last.best, made[0].state_dict()

    folder = tmp_path / "run"
    folder.mkdir()
    (score, ours), (_, theirs) = _together(work)
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    folder = tmp_path / "alone"
    folder.mkdir()
    alone, _ = work(Team())
    assert score == pytest.approx(alone, abs=0.3)


def test_the_shares_are_the_whole_batch() -> None:
    for size, count in ((1, 5), (2, 5), (3, 5), (4, 64)):
        shares = [Team(rank, size).share(count) for rank in range(size)]
        assert [number for share in shares for number in share] == list(range(count))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
    with pytest.raises(UsageError, match=r"A batch of 2 cannot be shared by 3 processes.\n.*--batch 3"):
        Team(0, 3).share(2)


def test_a_process_with_other_settings_is_named(bench, trained) -> None:
    def work(team: Team) -> None:
        recipe = replace(bench.recipe, seed=team.rank)
        run = Run("scripted", recipe, None, recipe, ("pictures",), torch.float32)
        patches, validation = bench.sets()
        list(loop.train(run, bench.make, patches, validation, bench.folder, lambda seconds: True, team))

    with pytest.raises(UsageError, match=r"Process 1, on .*: it differs in seed \(0 there, 1 here\)"):
        _together(work)
    assert list(bench.folder.iterdir()) == []


def test_a_process_with_other_images_or_weights_is_named(bench, trained) -> None:
    def work(team: Team) -> None:
        recipe, other = bench.recipe, str(team.rank)
        run = Run("scripted", recipe, None, recipe, ("pictures",), torch.float32, init_sha256=other)
        patches, validation = bench.sets()
        patches.pixels[0] = team.rank
        list(loop.train(run, bench.make, patches, validation, bench.folder, lambda seconds: True, team))

    with pytest.raises(UsageError, match=r"differs in init_sha256 \(0 there, 1 here\); images \("):
        _together(work)


def test_alone_nothing_is_exchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")  # of some other launcher
    with joined() as team:
        assert team == Team()
    assert team.highest(3, 1) == (3, 1)
    assert team.told("word") == "word"


def test_several_processes_have_a_gpu_each(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    assert Team(3, 4, 1, 2).place("auto") == torch.device("cuda:1")
    assert chosen == [torch.device("cuda:1")]
    assert Team(3, 4, 1, 2).place("cpu") == torch.device("cpu")
    assert Team().place("cuda:1") == torch.device("cuda:1")
    with pytest.raises(UsageError, match="--device cuda:0 is one GPU, for 4 processes"):
        Team(3, 4, 1, 2).place("cuda:0")
    with pytest.raises(DeviceError, match=r"3 processes on this machine for 2 CUDA devices.\n.*--nproc-per-node 2"):
        Team(0, 3, 0, 3).place("cuda")


def test_a_process_that_has_ended_is_one_clear_error() -> None:
    with (
        pytest.raises(DeviceError, match=r"process .* has ended, or cannot be reached \(Connection closed by peer\)"),
        _reaching(),
    ):
        raise RuntimeError("[../third_party/gloo/gloo/transport/tcp/pair.cc:547] Connection closed by peer\nat 0x01")


def test_of_the_processes_that_fail_one_speaks() -> None:
    store = distributed.HashStore()
    assert [_fails_first(store) for _ in range(3)] == [True, False, False]
