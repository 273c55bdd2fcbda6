"""The programs of others beside ours."""

import importlib
from dataclasses import replace
from typing import Any

import pytest
import torch

from denoise_cli import methods
from denoise_cli.bench import peers
from denoise_cli.inference.tiles import Work


def work(name: str, **config: Any) -> Work:
    card = methods.find(name)
    torch.manual_seed(0)
    made: Any = card.make(replace(card.config, **config))
    return Work(made.eval().requires_grad_(False), card.options)


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)  # that takes half a minute


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_peers_do_the_same_work() -> None:
    pytest.importorskip("onnxscript", reason="takes the extra onnx")
    here, noisy = work("dncnn", depth=3, features=4), torch.rand(1, 3, 24, 32)
    wanted = here.estimates(noisy)[0]
    found = [way for way in peers.ways(here, noisy) if way.run is not None]
    assert "ONNX Runtime, float32" in [way.name for way in found]
    for way in found:
        assert way.run is not None
        assert way.run() == pytest.approx(wanted, abs=1e-5 if "float32" in way.name else 0.02), way.name


@pytest.mark.usefixtures("uncompiled")
def test_what_is_missing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def missing(name: str, package: str | None = None) -> Any:
        if name in ("onnx", "openvino"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", missing)
    here, noisy = work("dncnn", depth=3, features=4), torch.rand(1, 3, 24, 32)
    last = list(peers.ways(here, noisy))[-1]
    assert last.run is None and last.missing == "The export needs onnx, which cannot be imported."
    way = peers._tried("OpenVINO", lambda: missing("openvino"))
    assert way.run is None and way.missing == "not installed (openvino)"


@pytest.mark.usefixtures("uncompiled")
def test_of_nets_that_iterate_one_iteration_would_be_exported() -> None:
    assert [way.name for way in peers.ways(work("dt"), torch.rand(1, 3, 16, 16))] == [
        "torch.compile, float32, channels last"
    ]
