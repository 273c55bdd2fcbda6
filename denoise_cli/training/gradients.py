"""The gradient of a batch: in parts that fit into the device's memory, and over all processes."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from denoise_cli import device as devices
from denoise_cli import seeds
from denoise_cli.errors import DeviceError
from denoise_cli.method import Learner, Recipe
from denoise_cli.noise import Pair
from denoise_cli.training.distributed import Team


@dataclass
class Portions:
    """How many patches go through the net at once."""

    limit: int | None = None  # at most so many; None: all that a process has
    halvings: int = 0  # how often the memory was too small for them

    def size(self, count: int) -> int:
        """How many of ``count`` patches go at once."""
        return -(-min(count, self.limit or count) // (1 << self.halvings))

    def describe(self, count: int, net: nn.Module) -> str:
        """What is done about the memory that ran out, for one line on the screen."""
        words = f"out of memory; from here on {self.size(count)} patches at once instead of {count}"
        if running(net):
            return f"{words}, their gradients summed; batch norm is of each part by itself"
        return f"{words}, their gradients summed: the same up to rounding"


def gradient(
    net: nn.Module, pair: Pair, recipe: Recipe, key: tuple[int, ...], dtype: torch.dtype, portions: Portions, team: Team
) -> Tensor:
    """Leave the gradient of the mean loss over the batch of ``recipe`` in ``net``, and return that loss.

    ``pair`` is the share of this process. It goes through the net in ``portions``, which are halved where memory runs
    out; the gradients of the parts are summed, which is the gradient of the whole up to rounding. Batch norm is of each
    part by itself; its running statistics are averaged over the processes. ``key`` names the step for the loss's own
    random numbers, which are the same for every part. Raises ``DeviceError`` where one patch is too much.
    """
    while True:
        net.zero_grad(set_to_none=True)
        size = portions.size(len(pair.clean))
        try:
            loss = _accumulate(net, pair, recipe, key, dtype, size)
            break
        except (RuntimeError, MemoryError) as error:
            if not devices.is_out_of_memory(error):
                raise
            if size == 1:
                raise DeviceError(
                    f"Out of memory on {pair.clean.device}, for one patch of {recipe.patch} pixels.",
                    "Use a smaller --patch or a smaller net, or close other programs.",
                ) from error
        portions.halvings += 1  # here, where the failed attempt is no longer held by its traceback
        if pair.clean.device.type == "cuda":
            torch.cuda.empty_cache()
    if team.size > 1:
        statistics = running(net)
        for value in statistics:
            value.mul_(len(pair.clean) / recipe.batch)
        team.add([*(weight.grad for weight in net.parameters() if weight.grad is not None), *statistics, loss])
    return loss


def running(net: nn.Module) -> list[Tensor]:
    """The running statistics of the batch norms of ``net`` that are not frozen."""
    layers = (layer for layer in net.modules() if layer.training)
    return [value for layer in layers for name, value in layer.named_buffers(recurse=False) if "running_" in name]


def _accumulate(
    net: nn.Module, pair: Pair, recipe: Recipe, key: tuple[int, ...], dtype: torch.dtype, size: int
) -> Tensor:
    assert isinstance(net, Learner)
    total = torch.zeros((), device=pair.clean.device)
    for start in range(0, len(pair.clean), size):
        inside = slice(start, start + size)
        part = pair.each(lambda whole: whole[inside].contiguous(memory_format=torch.channels_last))  # noqa: B023
        with torch.autocast(part.clean.device.type, dtype, enabled=dtype != torch.float32):
            loss = net.loss(part, recipe, seeds.generator(recipe.seed, "loss", *key))
        share = len(part.clean) / recipe.batch
        (loss * share).backward()  # type: ignore[no-untyped-call]
        total += share * loss.detach()
    return total
