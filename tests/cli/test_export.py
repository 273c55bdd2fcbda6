"""Nets as ONNX files."""

import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from denoise_cli import methods, shelf
from denoise_cli.checkpoint import Checkpoint, save
from denoise_cli.cli.app import main
from denoise_cli.inference.load import load_net

Caught = pytest.CaptureFixture[str]
Stock = Callable[..., shelf.Entry]


def session(path: Path) -> Any:
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def exported(name: str, tmp_path: Path) -> Any:
    for package in ("onnx", "onnxscript"):
        pytest.importorskip(package, reason="the extra onnx is not installed")
    path = tmp_path / "net.onnx"
    assert main(["export", name, "-o", str(path), "-q"]) == 0
    return session(path)


def noisy(height: int, width: int) -> torch.Tensor:
    """Noise with a third of salt and pepper."""
    generator = torch.Generator().manual_seed(0)
    uniform = torch.rand((1, 3, height, width), generator=generator) * 0.8 + 0.1
    chance = torch.rand((1, 1, height, width), generator=generator)
    return torch.where(chance < 0.3, (chance < 0.15).float(), uniform)


def test_a_plain_net(stock: Stock, tmp_path: Path, capsys: Caught) -> None:
    stock("dncnn.small", depth=3, features=4)
    net = exported("dncnn.small", tmp_path)
    assert capsys.readouterr().out == f"{tmp_path / 'net.onnx'}\n"
    image = noisy(13, 21)
    wanted = load_net(shelf.path_of(shelf.find("dncnn.small")), methods.find("dncnn")).denoise(image, None)
    assert net.run(None, {"noisy": image.numpy()})[0] == pytest.approx(wanted.numpy(), abs=1e-4)
    assert main(["export", "dncnn.small", "-o", str(tmp_path / "net.onnx")]) == 4
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize("recall", ["noisy", "impulses"])
def test_the_iterations_of_dt_stay_a_choice(stock: Stock, tmp_path: Path, recall: str) -> None:
    stock("dt.small", width=4, blocks=1, recall=recall)
    step = exported("dt.small", tmp_path)
    image = noisy(40, 56)
    net, card = load_net(shelf.path_of(shelf.find("dt.small")), methods.find("dt")), methods.find("dt")
    state: dict[str, Any] = {"thought": np.zeros((1, 4, 40, 56), np.float32), "estimate": np.zeros_like(image)}
    names = {argument.name for argument in step.get_inputs()}
    assert names == {"noisy", "thought", "iteration"} | ({"estimate"} if recall == "impulses" else set())
    for number, wanted in enumerate(islice(net.refine(image, card.options), 7)):  # type: ignore[attr-defined]
        given = state | {"noisy": image.numpy(), "iteration": np.float32(number)}
        thought, estimate = step.run(None, {name: np.asarray(given[name]) for name in names})
        state = {"thought": thought, "estimate": estimate}
        assert estimate.clip(0, 1) == pytest.approx(wanted.numpy(), abs=1e-4)


def test_a_net_that_is_told_the_level(stock: Stock, tmp_path: Path) -> None:
    stock("ffdnet.small", depth=3, features=4)
    net = exported("ffdnet.small", tmp_path)
    image, sigma = noisy(12, 20), torch.rand(1, 1, 12, 20, generator=torch.Generator().manual_seed(1))
    ffdnet: Any = load_net(shelf.path_of(shelf.find("ffdnet.small")), methods.find("ffdnet"))
    (found,) = net.run(None, {"noisy": image.numpy(), "sigma": sigma.numpy()})
    assert found.clip(0, 1) == pytest.approx(ffdnet.denoise_mapped(image, sigma, None).numpy(), abs=1e-4)


@pytest.mark.usefixtures("shelved")
def test_what_cannot_be(monkeypatch: pytest.MonkeyPatch, capsys: Caught, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    Path("there.onnx").touch()
    card = methods.find("classifier")
    net = card.make(replace(card.config, features=4, classes=("a", "b")))
    assert isinstance(net, torch.nn.Module) and card.recipe is not None
    save(
        Path("classifier.safetensors"),
        Checkpoint("classifier", {"features": 4, "classes": ["a", "b"]}, asdict(card.recipe), {}, net.state_dict()),
    )
    for words, code, said in (
        (["export"], 2, "One net is exported"),
        (["export", "dt.spp"], 5, "Did you mean 'dt.sp'"),
        (["export", "dt.sp"], 2, "pip install 'denoise-cli[onnx]'"),
        (["export", "dt.sp", "-o", "there.onnx"], 4, "there.onnx exists already"),
        (["export", "--weights", "classifier.safetensors"], 2, "classifier denoises nothing"),
    ):
        assert main(words) == code
        assert said in capsys.readouterr().err
    assert not (tmp_path / "net.onnx").exists()
