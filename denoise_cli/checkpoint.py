"""Weights files: the net's tensors, and in the header all that is needed to rebuild it and to know where it came from.

The format is safetensors, so that reading a file never runs code from it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor

from denoise_cli.errors import WeightsError
from denoise_cli.files import write_atomically
from denoise_cli.layers.deepening import deepened

_KEY = "denoise"

Said = TypeVar("Said")


@dataclass(frozen=True)
class Checkpoint:
    """What a weights file holds."""

    model: str  # name of the method
    config: dict[str, Any]  # fields of the method's Config
    recipe: dict[str, Any]  # fields of its Recipe
    provenance: dict[str, Any]  # command, data, versions, steps, seconds, validation PSNR
    tensors: Mapping[str, Tensor]  # state of the net

    def said(self, part: Literal["config", "recipe", "provenance"], name: str, kind: type[Said]) -> Said:
        """What ``part`` of the header says under ``name``; raises ``WeightsError`` where that is no ``kind``."""
        value = getattr(self, part).get(name)
        if not isinstance(value, kind):
            raise WeightsError(
                f"These weights of {self.model} say {value!r} for the {name} of their {part}, no {kind.__name__}.",
                "Take a file that `denoise train` wrote.",
            )
        return value


def save(path: Path, checkpoint: Checkpoint, *, half: bool = False) -> None:
    """Write ``checkpoint`` to ``path`` through a temporary file; ``half`` stores floating tensors as float16."""
    header = {
        "model": checkpoint.model,
        "config": checkpoint.config,
        "recipe": checkpoint.recipe,
        "provenance": checkpoint.provenance,
    }
    tensors = {
        name: (tensor.half() if half and tensor.is_floating_point() else tensor).detach().cpu().contiguous()
        for name, tensor in checkpoint.tensors.items()
    }
    data = serialise(tensors, metadata={_KEY: json.dumps(header, sort_keys=True)})
    write_atomically(path, data, force=True)


def load(path: Path) -> Checkpoint:
    """Read a weights file.

    Raises ``WeightsError`` where it is missing, damaged, or was not written by ``save``.
    """
    if not path.is_file():
        raise WeightsError(
            f"There is no weights file {str(path)!r}.", "`denoise models` lists the weights that are here."
        )
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})[_KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        loaded = Checkpoint(tensors=tensors, **header)
        parts = (loaded.config, loaded.recipe, loaded.provenance)
        if not isinstance(loaded.model, str) or not all(isinstance(part, dict) for part in parts):
            raise TypeError("a header of other types")
        return loaded
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise WeightsError(
            f"{str(path)!r} is damaged or is no weights file of denoise ({type(error).__name__}: {error}).",
            "Fetch it again, or check the shipped ones with `denoise models verify`.",
        ) from error


def adopt(net: torch.nn.Module, tensors: Mapping[str, Tensor]) -> set[str]:
    """Put those of ``tensors`` into ``net`` whose names and shapes it has too, and return their names.

    Those of a net of fewer layers are ``deepened`` first. Those of counters are not returned: they fit any net.
    """
    own = net.state_dict()
    common = {
        name: tensor
        for name, tensor in deepened(tensors, net).items()
        if name in own and own[name].shape == tensor.shape
    }
    net.load_state_dict({name: tensor.to(own[name].dtype) for name, tensor in common.items()}, strict=False)
    return {name for name in common if own[name].is_floating_point()}


def fill(net: torch.nn.Module, checkpoint: Checkpoint, name: str) -> None:
    """Put the checkpoint's tensors into ``net``; raises ``WeightsError`` where names or shapes differ."""
    wanted = net.state_dict()
    wrong = sorted(
        key
        for key in wanted.keys() | checkpoint.tensors.keys()
        if key not in wanted or key not in checkpoint.tensors or wanted[key].shape != checkpoint.tensors[key].shape
    )
    if wrong:
        raise WeightsError(
            f"The weights {name!r} do not fit {checkpoint.model}: {len(wrong)} tensors differ, first {wrong[0]!r}.",
            "Use weights that were trained with this model and config.",
        )
    net.load_state_dict({key: checkpoint.tensors[key].to(value.dtype) for key, value in wanted.items()})
