"""The whole state of a training run in one file, so that a run that was stopped goes on as if it had not been."""

import copy
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor, nn

from denoise_cli.errors import WeightsError
from denoise_cli.files import write_atomically
from denoise_cli.method import Recipe


@dataclass(frozen=True)
class Progress:
    """Where a run stands; all that is not a tensor."""

    step: int = 0
    attempt: int = 0  # times the run was rolled back; part of the seed, so that a new attempt sees other noise
    rate_scale: float = 1.0  # halved by each rollback
    best_psnr: float = float("-inf")  # best validation PSNR so far, dB
    lowest_loss: float = float("inf")  # lowest mean loss of a window so far
    window_loss: float = 0.0  # sum of the losses since the last window ended
    seconds: float = 0.0  # time spent training


class State:
    """The net, its averaged twin, the optimiser and the progress."""

    def __init__(self, net: nn.Module, recipe: Recipe) -> None:
        self.net = net
        self.average = copy.deepcopy(net).eval().requires_grad_(False)
        self.optimiser = torch.optim.AdamW(
            net.parameters(), lr=recipe.rate, weight_decay=recipe.weight_decay, fused=_can_fuse(net)
        )
        self.progress = Progress()

    def advance(self, **changes: Any) -> None:
        """Replace fields of the progress."""
        self.progress = replace(self.progress, **changes)

    def blend(self, decay: float) -> None:
        """Move the averaged weights towards the current ones, by ``1 - decay`` and faster in the first steps."""
        decay = min(decay, (1 + self.progress.step) / (10 + self.progress.step))
        for mean, now in zip(self.average.state_dict().values(), self.net.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(now, 1 - decay)
            else:
                mean.copy_(now)

    def save(self, path: Path, settings: dict[str, Any]) -> None:
        """Write everything to ``path``, atomically; ``settings`` say which run it is."""
        tensors = {f"net.{key}": value for key, value in self.net.state_dict().items()}
        tensors |= {f"average.{key}": value for key, value in self.average.state_dict().items()}
        for index, moments in self.optimiser.state_dict()["state"].items():
            tensors |= {f"adam.{index}.{key}": value for key, value in moments.items()}
        metadata = {"settings": json.dumps(settings, sort_keys=True), "progress": json.dumps(asdict(self.progress))}
        flat = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
        write_atomically(path, serialise(flat, metadata=metadata), force=True)

    def restore(self, path: Path) -> None:
        """Take everything back from ``path``; raises ``WeightsError`` where the file is damaged."""
        try:
            with safe_open(path, framework="pt") as file:
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise _damaged(path, error) from error
        self.progress = progress_of(path)
        self.net.load_state_dict(_part(tensors, "net."))
        self.average.load_state_dict(_part(tensors, "average."))
        moments: dict[int, dict[str, Tensor]] = {}
        parameters = list(self.net.parameters())
        for key, value in _part(tensors, "adam.").items():
            index, _, name = key.partition(".")
            like = parameters[int(index)]
            if value.shape == like.shape:  # the fused kernel takes the layout of the weights for that of the moments
                value = torch.empty_like(like, dtype=value.dtype).copy_(value)
            moments.setdefault(int(index), {})[name] = value
        state = self.optimiser.state_dict()
        self.optimiser.load_state_dict({"state": moments, "param_groups": state["param_groups"]})


def settings_of(path: Path) -> dict[str, Any]:
    """The settings a state was saved with; raises ``WeightsError`` where the file is damaged."""
    return _header(path, "settings")


def progress_of(path: Path) -> Progress:
    """How far the run saved at ``path`` is; raises ``WeightsError`` where the file is damaged."""
    return Progress(**_header(path, "progress"))


def _header(path: Path, key: str) -> dict[str, Any]:
    try:
        with safe_open(path, framework="pt") as file:
            value = json.loads(file.metadata()[key])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise _damaged(path, error) from error
    assert isinstance(value, dict)
    return value


def _damaged(path: Path, error: Exception) -> WeightsError:
    return WeightsError(f"The state of the run in {str(path)!r} is damaged ({error}).", "Start over with --force.")


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _can_fuse(net: nn.Module) -> bool:
    return next(net.parameters()).device.type in ("cpu", "cuda")
