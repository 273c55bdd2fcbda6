"""Scores of shipped weights: measured, recorded, and compared with what the index quotes."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from denoise_cli import checkpoint, methods, shelf
from denoise_cli.bench.weights import trials
from denoise_cli.cli.app import main
from denoise_cli.errors import UsageError
from denoise_cli.image import Image, Source, write
from denoise_cli.inference.publish import publish


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A weights file as ``denoise train`` leaves it, an empty shelf and a small set of images."""
    monkeypatch.setenv("DENOISE_WEIGHTS", str(tmp_path / "shelf"))
    card = methods.find("dncnn")
    config = replace(card.config, depth=3, features=4)
    torch.manual_seed(0)
    net = card.make(config)
    assert isinstance(net, torch.nn.Module) and card.recipe is not None
    provenance = {
        "command": "denoise train dncnn --data /somewhere/photos -o /else/where --steps 9",
        "data": ["/somewhere/photos"],
        "seconds": 90.0,
    }
    made = checkpoint.Checkpoint("dncnn", asdict(config), asdict(card.recipe), provenance, net.state_dict())
    checkpoint.save(tmp_path / "best.safetensors", made)
    pixels = (np.random.default_rng(0).integers(0, 256, (3, 24, 32)) / 255).astype(np.float32)
    write(Image(pixels, Source("made")), tmp_path / "data" / "cbsd68" / "a.png")
    return tmp_path / "best.safetensors"


def test_published_weights_are_on_the_shelf(run: Path) -> None:
    assert main(["models", "add", str(run), "dncnn.tiny", "--suits", "gaussian"]) == 0
    (entry,) = shelf.entries()
    assert (entry.name, entry.channels, entry.data, entry.minutes) == ("dncnn.tiny", 3, "photos", 1.5)
    assert entry.command == "denoise train dncnn --data data/photos --steps 9"
    assert entry.weights == 2 * 3 * 4 * 9 + 4 * 4 * 9 + 2 * 4
    stored = checkpoint.load(shelf.path_of(entry))
    assert stored.provenance["command"] == entry.command
    assert {tensor.dtype for tensor in stored.tensors.values() if tensor.is_floating_point()} == {torch.float16}


def test_publishing_again_replaces_the_entry_and_keeps_its_place(run: Path) -> None:
    for name in ("dncnn.a", "dncnn.b", "dncnn.a"):
        publish(run, name, "gaussian", "cpu", half=True)
    assert [entry.name for entry in shelf.entries()] == ["dncnn.a", "dncnn.b"]


@pytest.mark.parametrize("name", ["dncnn", "dncnn.", "dt.tiny"])
def test_a_name_of_another_model_is_refused(run: Path, name: str) -> None:
    with pytest.raises(UsageError, match="no name for weights of dncnn"):
        publish(run, name, "", "cpu", half=True)


def test_bench_records_and_then_confirms(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish(run, "dncnn.tiny", "gaussian", "cpu", half=True)
    command = ["bench", "weights", "--data", str(run.parent / "data"), "--device", "cpu", "--precision", "float32"]
    assert main(command) == 8, "nothing is quoted yet"
    assert main([*command, "--write"]) == 0
    (entry,) = shelf.entries()
    assert list(entry.scores) == [str(trial) for trial in trials(entry)]
    assert main(command) == 0
    shelf.write_index([replace(entry, scores={key: value + 0.1 for key, value in entry.scores.items()})])
    assert main(command) == 8, "the index quotes more than is measured"
    capsys.readouterr()


def test_weights_are_scored_on_what_they_are_for() -> None:
    impulses = shelf.Entry("dt.sp", "", "impulses", "sp:0..0.7", 3, 27360, "", "", 0, 1.0, "cpu")
    assert {str(trial).split()[0] for trial in trials(impulses)} == {"cifar10-subset", "cbsd68"}
    gray = replace(impulses, suits="", noise="gaussian:25", channels=1)
    assert {str(trial) for trial in trials(gray)} == {
        f"{images} gaussian:25 {kind}" for images in ("bsd68-gray", "set12") for kind in ("float", "8 bit")
    }
    easy = replace(impulses, noise="sp:0.1")
    assert {str(trial).split()[0] for trial in trials(easy)} == {"cifar10-subset"}
