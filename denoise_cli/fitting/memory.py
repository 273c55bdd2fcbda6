"""Whether a fit fits into memory, before it begins."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from denoise_cli.errors import DeviceError

_MORE = 2.0  # times what is kept for the gradient, for the gradients themselves and the work space: 1.5 to 1.7 for dip
_GIGABYTE = 1e9
_sharing = 1  # processes that fit at once, each of which may take its part of what is free


def share(processes: int) -> None:
    """Leave to this process its part of the free memory: so many ``processes`` fit at once."""
    global _sharing
    _sharing = processes


def kept_bytes(net: Callable[[Tensor], Tensor], sample: Tensor) -> int:
    """How much ``net`` keeps of ``sample`` (1, C, H, W) for the gradient, in the precision that is switched on."""
    sizes: dict[int, int] = {}

    def pack(kept: Tensor) -> Tensor:
        storage = kept.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return kept

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept):
        output = net(sample)
    assert output.requires_grad
    return sum(sizes.values())


def ensure(net: Callable[[Tensor], Tensor], sample: Tensor, size: tuple[int, int], advice: str) -> None:
    """Raise ``DeviceError`` with ``advice`` where a step on ``size`` (H, W) will not fit into memory.

    Judged by what the net keeps of ``sample``, a small image of the same kind.
    """
    area = size[0] * size[1] / (sample.shape[-1] * sample.shape[-2])
    need = _MORE * area * kept_bytes(net, sample)
    if (part := part_that_fits(need, sample.device)) < 1:
        hint = f"{advice}; or cut the image so that it has at most {int(size[0] * size[1] * part):,} pixels."
        raise shortage(f"The fit of {size[1]}x{size[0]} pixels", need, sample.device, hint)


def part_that_fits(need: float, device: torch.device) -> float:
    """How much of ``need`` bytes is free for this process on ``device``, at most 1; 1 where that cannot be known."""
    free = free_bytes(device)
    return 1.0 if free is None else min(1.0, free / _sharing / need)


def shortage(what: str, need: float, device: torch.device, hint: str) -> DeviceError:
    """The error that ``what`` takes ``need`` bytes, which ``device`` has not."""
    free = part_that_fits(need, device) * need
    shared = f" for each of {_sharing} processes" if _sharing > 1 else ""
    return DeviceError(
        f"{what} takes about {need / _GIGABYTE:.1f} GB of memory, and {free / _GIGABYTE:.1f} GB are free on "
        f"{device}{shared}.",
        hint,
    )


def free_bytes(device: torch.device) -> int | None:
    """What is free on ``device``; ``None`` where that cannot be known."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    meminfo = Path("/proc/meminfo")
    if device.type != "cpu" or not meminfo.exists():
        return None
    fields = dict(line.split(":", 1) for line in meminfo.read_text(encoding="ascii").splitlines())
    return 1024 * int(fields["MemAvailable"].split()[0])
