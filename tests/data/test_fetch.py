"""Downloads are checked before they are kept; offline, the error names the file and the place."""

import hashlib
from pathlib import Path

import pytest

from denoise_cli.data import fetch
from denoise_cli.errors import InputError, OutputError, UsageError


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A known set whose archive lies in a folder instead of on a server."""
    server = tmp_path / "server"
    server.mkdir()
    path = server / "set.tar.gz"
    path.write_bytes(b"x" * 3_000_000)
    digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    monkeypatch.setitem(fetch.KNOWN, "set", fetch.Known(path.as_uri(), digest, ()))
    monkeypatch.setenv(fetch.CACHE_VARIABLE, str(tmp_path / "cache"))
    return path


def test_a_download_comes_in_steps_and_is_kept(archive: Path, tmp_path: Path) -> None:
    steps = list(fetch.download("set"))
    assert [step.done for step in steps] == sorted(step.done for step in steps) and len(steps) == 3
    assert steps[-1] == (3_000_000, 3_000_000)
    assert fetch.cached("set") == tmp_path / "cache" / "set.tar.gz"
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["set.tar.gz"]


def test_another_checksum_is_not_kept(archive: Path, tmp_path: Path) -> None:
    archive.write_bytes(b"something else")
    with pytest.raises(InputError, match="MD5"):
        list(fetch.download("set"))
    assert not list((tmp_path / "cache").iterdir())


def test_offline_the_error_names_url_file_and_place(archive: Path, tmp_path: Path) -> None:
    archive.unlink()
    with pytest.raises(InputError) as caught:
        list(fetch.download("set"))
    assert archive.as_uri() in caught.value.what
    assert "set.tar.gz" in caught.value.hint and str(tmp_path / "cache") in caught.value.hint


def test_a_cache_that_cannot_be_made(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        list(fetch.download("set"))


def test_an_unknown_set() -> None:
    with pytest.raises(UsageError, match="Did you mean 'stl10'"):
        fetch.cached("stl")
