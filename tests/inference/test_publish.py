"""Weights go onto the shelf whole and once; what is there is replaced where that is asked for."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from denoise_cli import checkpoint, methods, shelf
from denoise_cli.cli.app import main

Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Save:
    """Writes a weights file as a training leaves it, but for changes of its header, beside an empty shelf."""
    monkeypatch.setenv(shelf.FOLDER_VARIABLE, str(tmp_path / "shelf"))
    card = methods.find("dncnn")
    config = replace(card.config, depth=3, features=4)
    net = card.make(config)
    assert isinstance(net, nn.Module) and card.recipe is not None
    provenance = {"command": "denoise train dncnn --data photos", "data": ["photos"], "seconds": 90.0}
    made = checkpoint.Checkpoint("dncnn", asdict(config), asdict(card.recipe), provenance, net.state_dict())

    def saved(**changes: Any) -> Path:
        checkpoint.save(tmp_path / "best.safetensors", replace(made, **changes))
        return tmp_path / "best.safetensors"

    return saved


def test_a_name_that_is_taken(save: Save, capsys: pytest.CaptureFixture[str]) -> None:
    add = ["models", "add", str(save()), "dncnn.tiny"]
    assert main([*add, "--suits", "jpeg, mixed"]) == 0
    (entry,) = shelf.entries()
    shelf.write_index([replace(entry, scores={"set at 25": 30.25})])
    before = {path.name: path.read_bytes() for path in shelf.folder().iterdir()}
    capsys.readouterr()
    assert main([*add, "--full"]) == 4
    assert "There are weights 'dncnn.tiny' already" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in shelf.folder().iterdir()} == before
    assert main([*add, "--full", "--force"]) == 0
    (entry,) = shelf.entries()
    assert entry.suits == "jpeg, mixed" and not entry.scores and shelf.path_of(entry).is_file()
    assert main([*add, "--suits", "", "--force"]) == 0
    assert [entry.suits for entry in shelf.entries()] == [""]


def test_a_file_that_the_index_does_not_know_is_not_overwritten(save: Save) -> None:
    shelf.folder().mkdir()
    (shelf.folder() / "dncnn.tiny.safetensors").write_bytes(b"mine")
    assert main(["models", "add", str(save()), "dncnn.tiny"]) == 4
    assert (shelf.folder() / "dncnn.tiny.safetensors").read_bytes() == b"mine" and not shelf.entries()


@pytest.mark.parametrize(
    "changes",
    [{"recipe": {}}, {"provenance": {}}, {"config": {}}, {"config": {"depth": -1}}, {"provenance": {"data": 5}}],
)
def test_a_header_without_what_the_index_tells(
    save: Save, capsys: pytest.CaptureFixture[str], changes: dict[str, Any]
) -> None:
    assert main(["models", "add", str(save(**changes)), "dncnn.tiny"]) == 5
    assert "Traceback" not in capsys.readouterr().err
    assert not shelf.folder().exists()
