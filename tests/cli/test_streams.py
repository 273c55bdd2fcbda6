"""Where the result of an image goes, and what stdin must hold."""

import io
import sys
from pathlib import Path

import pytest

from denoise_cli.cli import streams
from denoise_cli.errors import InputError, UsageError
from denoise_cli.inference.inputs import gather


def test_only_the_result_of_stdin_alone_goes_to_stdout_by_itself(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    alone, file = gather(["-"]).items, gather([str(tmp_path / "a.png")]).items
    assert streams.goes_to_stdout(alone, None, 1, as_json=False)
    assert streams.goes_to_stdout(file, "-", 1, as_json=False)
    assert not streams.goes_to_stdout(file, None, 3, as_json=True)
    assert not streams.goes_to_stdout(alone, str(tmp_path), 3, as_json=True)
    with pytest.raises(UsageError, match="Where does the result of stdin go"):
        streams.goes_to_stdout([*alone, *file], None, 1, as_json=False)


@pytest.mark.parametrize(("pictures", "as_json"), [(2, False), (1, True)])
def test_stdout_takes_one_image_and_nothing_else(pictures: int, as_json: bool) -> None:
    with pytest.raises(UsageError, match="stdout"):
        streams.goes_to_stdout(gather(["-"]).items, None, pictures, as_json)


def test_an_empty_stdin_names_the_command_to_pipe_into(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    with pytest.raises(InputError, match="stdin is empty") as caught:
        streams.read_stdin("denoise inspect -")
    assert caught.value.hint.endswith("| denoise inspect -")
