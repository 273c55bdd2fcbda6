"""Training by several processes, on one machine or on several: what they say to each other.

Every process holds the whole net and computes the gradient of its share of each batch. The sum of these is the gradient
of the batch, so that all the nets take the same step. ``torchrun`` starts the processes; what has to be decided is
decided by the first one, which is also the only one that writes and prints.

The gradients are summed after the backward pass, not in hooks during it as ``DistributedDataParallel`` does: so a
process that runs out of memory can compute its share again in smaller parts while the others wait for it. What is
small goes over gloo, which leaves the GPU alone and notices at once where a process has ended.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as network

from denoise_cli import device as devices
from denoise_cli.errors import DenoiseError, DeviceError, UsageError

_FAILED = "denoise/failed"  # in the store of torchrun: how many processes have failed

_T = TypeVar("_T")


@dataclass(frozen=True)
class Team:
    """The processes of a training, as one of them sees them; by default it is alone."""

    rank: int = 0  # its number among all
    size: int = 1  # how many there are
    local_rank: int = 0  # its number among those of this machine
    local_size: int = 1  # how many those are

    @property
    def leads(self) -> bool:
        """Whether this is the process that decides, writes and prints."""
        return self.rank == 0

    def share(self, count: int) -> range:
        """Which of ``count`` patches are this process's; raises ``UsageError`` where some process would have none."""
        if count < self.size:
            raise UsageError(
                f"A batch of {count} cannot be shared by {self.size} processes.",
                f"Use --batch {self.size} or more, or fewer processes.",
            )
        return range(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    def place(self, word: str) -> torch.device:
        """The device of this process for the ``word`` of ``device.pick``; of several GPUs each process has its own.

        Raises ``DeviceError`` where there are fewer GPUs than processes, ``UsageError`` where they are to share one.
        """
        device = devices.pick(word)
        if self.size == 1 or device.type == "cpu":
            return device
        if device.type == "mps":
            if word == "auto":
                return torch.device("cpu")
            raise DeviceError(f"--device {word} cannot be used by {self.size} processes.", "Use --device cpu.")
        if device.index is not None:
            raise UsageError(
                f"--device {word} is one GPU, for {self.size} processes.",
                "Use --device cuda: each process takes the GPU of its own number.",
            )
        if self.local_size > torch.cuda.device_count():
            raise DeviceError(
                f"There are {self.local_size} processes on this machine for {torch.cuda.device_count()} CUDA devices.",
                f"Start with --nproc-per-node {torch.cuda.device_count()}, or use --device cpu.",
            )
        own = torch.device("cuda", self.local_rank)
        torch.cuda.set_device(own)
        return own

    def add(self, tensors: Sequence[Tensor]) -> None:
        """Replace each of ``tensors`` (all on one device) by its sum over the processes, the same in all of them."""
        if self.size == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        with _reaching():
            network.all_reduce(flat)
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        torch._foreach_copy_(
            list(tensors), [part.view(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]
        )

    def highest(self, *values: int) -> tuple[int, ...]:
        """The highest of each value over the processes."""
        if self.size == 1:
            return values
        numbers = torch.tensor(values)
        with _reaching():
            network.all_reduce(numbers, network.ReduceOp.MAX)
        return tuple(numbers.tolist())

    def told(self, value: _T) -> _T:
        """The ``value`` of the first process, in all of them."""
        if self.size == 1:
            return value
        values: list[Any] = [value]
        with _reaching():
            network.broadcast_object_list(values, src=0, device=torch.device("cpu"))
        told: _T = values[0]
        return told

    def wait(self) -> None:
        """Wait until all processes are here."""
        self.highest(0)

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """The first process of each machine goes through the block before the others, which then find its downloads."""
        if self.local_rank > 0:
            self.wait()
        yield
        if self.local_rank == 0:
            self.wait()

    @contextmanager
    def copy(self, path: Path) -> Iterator[Path]:
        """A file of the first process, in all of them: on other machines it need not be."""
        if self.leads:
            yield path
            self.told(path.read_bytes() if self.size > 1 else b"")
            return
        with TemporaryDirectory() as folder:
            other = Path(folder) / path.name
            other.write_bytes(self.told(b""))
            yield other


@contextmanager
def joined() -> Iterator[Team]:
    """The team of this process: those that ``torchrun`` started together with it, or itself alone.

    A process that fails takes the others with it. Of their ``DenoiseError``s only the first leaves this block; the
    processes that fail because of it, or alike, leave with the exit code alone.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or not (network.is_available() and network.is_torchelastic_launched()):
        yield Team()
        return
    # Not there where PyTorch was built without distributed. The functional ones name the group in their default
    # arguments: imported while there is one, as torch.compile does, they would keep it, and its threads, to the end of
    # the interpreter, which a thread that wants the interpreter's lock then takes down with SIGABRT.
    from torch.distributed.nn import functional  # noqa: F401
    from torch.distributed.rendezvous import rendezvous

    with _reaching():
        store, rank, size = next(rendezvous("env://"))
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and network.is_nccl_available() else "gloo"
        network.init_process_group(backend, store=store, rank=rank, world_size=size)
    try:
        team = Team(rank, size, int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"]))
        yield team
        team.wait()
    except Exception as error:
        if not _fails_first(store) and isinstance(error, DenoiseError):
            raise SystemExit(error.exit_code) from error
        raise
    network.destroy_process_group()


@contextmanager
def _reaching() -> Iterator[None]:
    """Turns what gloo and NCCL raise into one error."""
    try:
        yield
    except RuntimeError as error:
        reason = re.sub(r"^\[[^]]*\]\s*", "", str(error)).partition("\n")[0].partition(". ")[0]
        raise DeviceError(
            f"Another process of this training has ended, or cannot be reached ({reason}).",
            "torchrun says which one. The same command goes on from the last saved step.",
        ) from error


def _fails_first(store: Any) -> bool:
    """Whether no other process has failed before; so it is where nobody can be asked, too."""
    try:
        return bool(store.add(f"{_FAILED}/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", 1) == 1)
    except RuntimeError:
        return True
