"""The gradient of a batch: in parts that fit into the device's memory, and over all processes."""

import torch
from torch import Tensor, nn

from denoise_cli import seeds
from denoise_cli.errors import UsageError
from denoise_cli.method import Learner, Recipe
from denoise_cli.noise import Pair
from denoise_cli.training.distributed import Team
from denoise_cli.training.portions import Portions


def describe(before: int, now: int, net: nn.Module) -> str:
    """What is done about the memory that ran out, for one line on the screen, by how many patches go at once."""
    words = f"out of memory; from here on {now} patches at once instead of {before}, their gradients summed"
    return f"{words}; batch norm is of each part by itself" if running(net) else words


def gradient(
    net: nn.Module, pair: Pair, recipe: Recipe, key: tuple[int, ...], dtype: torch.dtype, portions: Portions, team: Team
) -> Tensor:
    """Leave the gradient of the mean loss over the batch of ``recipe`` in ``net``, and return that loss.

    ``pair`` is the share of this process. It goes through the net in ``portions``, which are halved where memory runs
    out; the gradients of the parts are summed, which is the gradient of the whole up to rounding where the patches do
    not meet. In batch norm those of a part do; its running statistics are averaged over the processes. ``key`` names
    the step for the loss's own random numbers, which are the same for every part. Raises ``DeviceError`` where one
    patch is too much, and ``UsageError`` where a part has too few for batch norm.
    """
    loss = portions.fit(
        len(pair.clean),
        lambda size: _accumulate(net, pair, recipe, key, dtype, size),
        pair.clean.device,
        f"one patch of {recipe.patch} pixels",
    )
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
    net.zero_grad(set_to_none=True)
    total = torch.zeros((), device=pair.clean.device)
    for patches in pair.parts(size):
        part = patches.each(lambda images: images.contiguous(memory_format=torch.channels_last))
        with torch.autocast(part.clean.device.type, dtype, enabled=dtype != torch.float32):
            try:
                loss = net.loss(part, recipe, seeds.generator(recipe.seed, "loss", *key))
            except ValueError as error:  # of batch norm, where a net leaves one value of a patch
                if len(part.clean) > 1 or not running(net):
                    raise
                raise UsageError(
                    f"One patch of {recipe.patch} pixels by itself is too little for the batch norm of this net.",
                    "Use a larger --patch, or a --batch and a --micro-batch that leave no patch by itself.",
                ) from error
        share = len(part.clean) / recipe.batch
        (loss * share).backward()  # type: ignore[no-untyped-call]
        total += share * loss.detach()
    return total
