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
from denoise_cli.muon import Muon

_EARLIER = {"best_psnr": "best", "attempt_psnr": "attempt_best"}  # what fields were called when all scores were PSNR


@dataclass(frozen=True)
class Progress:
    """Where a run stands; all that is not a tensor."""

    step: int = 0
    attempt: int = 0  # times the run was rolled back; part of the seed, so that a new attempt sees other noise
    rate_scale: float = 1.0  # halved by each rollback
    best: float = float("-inf")  # best score of a validation so far
    attempt_best: float = float("-inf")  # the best of the weights that are being trained
    lowest_loss: float = float("inf")  # lowest mean loss of a window so far
    window_loss: float = 0.0  # sum of the losses since the last window ended
    window_steps: int = 0  # how many these are
    seconds: float = 0.0  # time spent training


class State:
    """The net, its averaged twin, the optimiser, which may work in ``dtype``, and the progress."""

    def __init__(self, net: nn.Module, recipe: Recipe, dtype: torch.dtype = torch.float32) -> None:
        self.net = net.train()
        for layer in net.modules():
            if recipe.frozen_norm and hasattr(layer, "running_var"):
                layer.eval()
        self.average = copy.deepcopy(net).eval().requires_grad_(False)
        self.optimiser = _optimiser(net, recipe, dtype)
        self.progress = Progress()
        pairs = list(zip(self.average.state_dict().values(), net.state_dict().values(), strict=True))
        self._means = [mean for mean, _ in pairs if mean.is_floating_point()]
        self._weights = [now for mean, now in pairs if mean.is_floating_point()]
        self._counters = [(mean, now) for mean, now in pairs if not mean.is_floating_point()]
        self._window = torch.zeros((), device=self._means[0].device)  # sum of losses, where they are computed
        self._latest = self._window

    def advance(self, **changes: Any) -> None:
        """Replace fields of the progress."""
        self.progress = replace(self.progress, **changes)

    def count(self, loss: Tensor, norm: Tensor) -> None:
        """Add the ``loss`` of a step to its window, without waiting for the device.

        The sum is finite only if all losses and the ``norm`` of every gradient are.
        """
        self._latest = loss
        self._window = self._window + loss + 0 * norm
        self.advance(window_steps=self.progress.window_steps + 1)

    def read_loss(self) -> float:
        """The mean loss of the window so far."""
        self.advance(window_loss=self._window.item())
        return self.progress.window_loss / max(1, self.progress.window_steps)

    def latest_loss(self) -> float:
        """The loss of the step that was counted last."""
        return self._latest.item()

    def open_window(self) -> None:
        """Begin a new window."""
        self._window = torch.zeros_like(self._window)
        self.advance(window_loss=0.0, window_steps=0)

    def blend(self, decay: float) -> None:
        """Move the averaged weights towards the current ones, by ``1 - decay`` and faster in the first steps."""
        decay = min(decay, (1 + self.progress.step) / (10 + self.progress.step))
        torch._foreach_lerp_(self._means, self._weights, 1 - decay)
        for mean, now in self._counters:
            mean.copy_(now)

    def save(self, path: Path, settings: dict[str, Any]) -> None:
        """Write everything to ``path``, atomically; ``settings`` say which run it is. ``read_loss`` comes first."""
        tensors = {f"net.{key}": value for key, value in self.net.state_dict().items()}
        tensors |= {f"average.{key}": value for key, value in self.average.state_dict().items()}
        for index, moments in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{key}": value for key, value in moments.items()}
        metadata = {"settings": json.dumps(settings, sort_keys=True), "progress": json.dumps(asdict(self.progress))}
        flat = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
        write_atomically(path, serialise(flat, metadata=metadata), force=True)

    def restore(self, path: Path) -> None:
        """Take everything back from ``path``; raises ``WeightsError`` where it is damaged or of another net."""
        progress = progress_of(path)
        try:
            with safe_open(path, framework="pt") as file:
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            self.net.load_state_dict(_part(tensors, "net."))
            self.average.load_state_dict(_part(tensors, "average."))
            self._restore_moments(_part(tensors, "optimiser."))
        except (SafetensorError, OSError, RuntimeError, ValueError, IndexError) as error:
            raise _damaged(path, error) from error
        self.progress = progress
        self._window = torch.full_like(self._window, progress.window_loss)

    def _restore_moments(self, tensors: dict[str, Tensor]) -> None:
        moments: dict[int, dict[str, Tensor]] = {}
        parameters = list(self.net.parameters())
        for key, value in tensors.items():
            index, _, name = key.partition(".")
            like = parameters[int(index)]
            if value.shape == like.shape:  # the fused kernel takes the layout of the weights for that of the moments
                value = torch.empty_like(like, dtype=value.dtype).copy_(value)
            moments.setdefault(int(index), {})[name] = value
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": moments, "param_groups": groups})


def settings_of(path: Path) -> dict[str, Any]:
    """The settings a state was saved with; raises ``WeightsError`` where the file is damaged."""
    return _header(path, "settings")


def progress_of(path: Path) -> Progress:
    """How far the run saved at ``path`` is; raises ``WeightsError`` where the file is damaged."""
    values = {_EARLIER.get(name, name): value for name, value in _header(path, "progress").items()}
    if "window_steps" not in values:  # saved before windows were counted
        values["window_loss"] = 0.0
    try:
        return Progress(**values)
    except TypeError as error:
        raise _damaged(path, error) from error


def _header(path: Path, key: str) -> dict[str, Any]:
    try:
        with safe_open(path, framework="pt") as file:
            value = json.loads((file.metadata() or {})[key])
        if not isinstance(value, dict):
            raise ValueError(f"its {key} are no object")
    except (SafetensorError, OSError, KeyError, ValueError, RecursionError) as error:
        raise _damaged(path, error) from error
    return value


def _damaged(path: Path, error: Exception) -> WeightsError:
    reason = str(error).partition("\n")[0]
    return WeightsError(
        f"The state of the run in {str(path)!r} is damaged, or of another version ({reason}).",
        "Start over with --force.",
    )


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _optimiser(net: nn.Module, recipe: Recipe, dtype: torch.dtype) -> torch.optim.Optimizer:
    if recipe.optimiser == "muon":
        return Muon(net.parameters(), recipe.rate, recipe.weight_decay, dtype=dtype)
    decay, fused = recipe.weight_decay, _can_fuse(net)
    return torch.optim.AdamW(net.parameters(), recipe.rate, weight_decay=decay, fused=fused)


def _can_fuse(net: nn.Module) -> bool:
    return next(net.parameters()).device.type in ("cpu", "cuda")
