"""The index of the weights."""

from pathlib import Path

import pytest

from denoise_cli import shelf
from denoise_cli.errors import WeightsError


@pytest.mark.usefixtures("shelved")
def test_what_is_written_is_read() -> None:
    items = shelf.entries()
    assert [item.name for item in items][:2] == ["dt.sp", "dt.gaussian"] and items[0].model == "dt"
    shelf.write_index(items)
    assert shelf.entries() == items
    assert shelf.path_of(shelf.find("dt.sp")).name == "dt.sp.safetensors"
    with pytest.raises(WeightsError, match=r"no weights 'dt.ps'.\nDid you mean 'dt.sp'"):
        shelf.find("dt.ps")


@pytest.mark.usefixtures("shelved")
def test_damage_is_found() -> None:
    path = shelf.folder() / "dt.sp.safetensors"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(WeightsError, match="are damaged"):
        shelf.path_of(shelf.find("dt.sp"))
    path.unlink()
    with pytest.raises(WeightsError, match="are missing"):
        shelf.path_of(shelf.find("dt.sp"))


def test_an_index_that_is_missing_or_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(shelf.FOLDER_VARIABLE, str(tmp_path))
    assert shelf.entries() == []
    for text in ("[[weights", "[[weights]]\nname = 3\n"):
        (tmp_path / shelf.INDEX).write_text(text)
        with pytest.raises(WeightsError, match="cannot be read"):
            shelf.entries()
