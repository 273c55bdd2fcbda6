"""What several tests share: small stand-in weights on a shelf of their own."""

import signal
from collections.abc import Callable
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch

from denoise_cli import methods, shelf
from denoise_cli.checkpoint import Checkpoint, save

Stock = Callable[..., shelf.Entry]


def store(path: Path, model: str, seed: int = 0, **config: Any) -> None:
    """Random weights of ``model`` with that config, as a file."""
    card = methods.find(model)
    chosen = replace(card.config, **config)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = card.make(chosen)
    assert isinstance(net, torch.nn.Module) and card.recipe is not None
    save(path, Checkpoint(model, asdict(chosen), asdict(card.recipe), {}, net.state_dict()))


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """Ctrl-C works in the tests, also where they run as a job in the background, which inherits that it is ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def stock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stock:
    """Puts random weights on a shelf in a temporary folder: ``stock("dt.sp", "impulses", recall="impulses")``."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    monkeypatch.setenv(shelf.FOLDER_VARIABLE, str(folder))
    entries: list[shelf.Entry] = []

    def add(name: str, suits: str = "", channels: int = 3, noise: str = "gaussian:25", **config: Any) -> shelf.Entry:
        path = folder / f"{name}.safetensors"
        store(path, name.partition(".")[0], channels=channels, **config)
        digest = sha256(path.read_bytes()).hexdigest()
        entry = shelf.Entry(name, digest, suits, noise, channels, 1, f"denoise train {name}", "data", 0, 1.0, "cpu", {})
        entries.append(replace(entry, scores={"set at 25": 30.25}))
        shelf.write_index(entries)
        return entries[-1]

    return add


@pytest.fixture
def shelved(stock: Stock) -> None:
    """A shelf with tiny weights for either kind of noise, and some that are never chosen by themselves."""
    stock("dt.sp", "impulses", width=4, blocks=1, recall="impulses")
    stock("dt.gaussian", "gaussian", width=4, blocks=1)
    stock("dncnn.color-blind", "gaussian", depth=3, features=4)
    stock("dncnn.gray-25", "gaussian", channels=1, depth=3, features=4)
    stock("feedforward.small", width=4, stages=2, blocks=1)
