"""Weights files to nets: a header that is wrong is told as such, before anything is made by it."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from denoise_cli import checkpoint, methods
from denoise_cli.checkpoint import Checkpoint
from denoise_cli.cli.app import main
from denoise_cli.errors import WeightsError
from denoise_cli.inference.load import load_net


def _saved(path: Path, config: dict[str, Any] | None = None, **changes: Any) -> Path:
    """A small dt with another config or header."""
    card = methods.find("dt")
    small = replace(card.config, width=4, blocks=1)
    net = card.make(small)
    assert isinstance(net, nn.Module)
    made = Checkpoint("dt", asdict(small) | (config or {}), asdict(card.recipe or small), {}, net.state_dict())
    checkpoint.save(path, replace(made, **changes))
    return path


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    for name in ("dt", "nn3d:dt"):
        load_net(_saved(tmp_path / "dt.safetensors"), methods.find(name))
    load_net(_saved(tmp_path / "dt.safetensors", recipe={"noise": "pairs"}), methods.find("nn3d:dt"))


@pytest.mark.parametrize(
    "config",
    [
        {"width": -3}, {"width": "x"}, {"width": None}, {"width": 4.0}, {"width": 0}, {"blocks": 10**9},
        {"recall": "nosuch"}, {"channels": [3]}, {"speed": 1}, {"filter": "dynamic"},
    ],
)  # fmt: skip
def test_a_config_that_cannot_be(tmp_path: Path, config: dict[str, Any]) -> None:
    with pytest.raises(WeightsError, match=r"dt\.safetensors"):
        load_net(_saved(tmp_path / "dt.safetensors", config), methods.find("dt"))


def test_a_net_larger_than_its_tensors_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    start = nn.Conv2d.reset_parameters

    def reset(layer: nn.Conv2d) -> None:
        made.append(layer.weight.numel())
        start(layer)

    path = _saved(tmp_path / "dt.safetensors", {"width": 1000})
    monkeypatch.setattr(nn.Conv2d, "reset_parameters", reset)
    with pytest.raises(WeightsError, match="a larger net than the tensors beside it"):
        load_net(path, methods.find("dt"))
    assert sum(made) < 2000


@pytest.mark.parametrize("recipe", [{}, {"noise": 5}])
def test_a_recipe_without_its_noise(tmp_path: Path, recipe: dict[str, Any]) -> None:
    path = _saved(tmp_path / "dt.safetensors", recipe=recipe)
    load_net(path, methods.find("dt"))
    with pytest.raises(WeightsError, match="for the noise of their recipe"):
        load_net(path, methods.find("nn3d:dt"))


def test_weights_of_what_takes_none(tmp_path: Path) -> None:
    path = tmp_path / "median.safetensors"
    checkpoint.save(path, Checkpoint("median", {}, {}, {}, {"a": torch.zeros(1)}))
    with pytest.raises(WeightsError, match="takes no weights"):
        load_net(path, methods.find("median"))


def test_the_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    Image.new("RGB", (16, 16), (90, 120, 150)).save(tmp_path / "a.png")
    path = _saved(tmp_path / "dt.safetensors", {"width": "x"})
    assert main(["run", str(tmp_path / "a.png"), "--weights", str(path), "-o", str(tmp_path / "b.png")]) == 5
    assert "width cannot be 'x'" in capsys.readouterr().err
