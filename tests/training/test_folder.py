import subprocess
import sys
from pathlib import Path

import pytest

from denoise_cli.errors import OutputError
from denoise_cli.training.folder import BEST, LAST, claimed, discard


def test_what_a_kill_left_behind_is_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (f".{LAST}.123.0a1b2c3d.part", f".{BEST}.9.ffffffff.part", LAST, "mine.part", ".mine.part"):
        (tmp_path / name).touch()
    with claimed(tmp_path):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {LAST, "mine.part", ".mine.part"}


def test_the_folder_is_made(tmp_path: Path) -> None:
    with claimed(tmp_path / "runs" / "a"):
        assert (tmp_path / "runs" / "a").is_dir()
    assert not (tmp_path / "runs" / "a").exists()  # nothing was written


def test_a_folder_that_was_there_stays(tmp_path: Path) -> None:
    with claimed(tmp_path):
        pass
    assert tmp_path.is_dir()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file/run cannot be made"), claimed(tmp_path / "file" / "run"):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="no flock")
def test_two_runs_cannot_share_a_folder(tmp_path: Path) -> None:
    code = "import sys, pathlib; from denoise_cli.training.folder import claimed; "
    code += "claimed(pathlib.Path(sys.argv[1])).__enter__()"
    with claimed(tmp_path):
        other = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert other.returncode == 1
    assert "OutputError: Another process is training in" in other.stderr
    with claimed(tmp_path):
        pass  # free again


def test_discard_leaves_other_files(tmp_path: Path) -> None:
    for name in (LAST, BEST, "notes.txt"):
        (tmp_path / name).touch()
    discard(tmp_path)
    discard(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
