"""Archives are read in place; what only describes the files of one cannot ask for memory either."""

import io
import tarfile
from pathlib import Path

import pytest

from denoise_cli.data import archives
from denoise_cli.data.archives import listing, members
from denoise_cli.errors import InputError


def _described(path: Path, kind: bytes, sizes: list[int]) -> Path:
    """A tar with a file after each header of that ``kind`` and so many bytes."""
    with tarfile.open(path, "w:gz") as tar:
        for number, size in enumerate(sizes):
            header = tarfile.TarInfo("header")
            header.type, header.size = kind, size
            record = f"{size} comment=".encode() if kind == tarfile.XHDTYPE else b"name\0"
            tar.addfile(header, io.BytesIO(record.ljust(size - 1, b"x") + b"\n"))
            tar.addfile(tarfile.TarInfo(f"{number}.txt"))
    return path


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_a_long_header_is_refused(tmp_path: Path, kind: bytes) -> None:
    assert len(listing(_described(tmp_path / "short.tar.gz", kind, [1000]))) == 1
    long = _described(tmp_path / "long.tar.gz", kind, [archives.MOST_HEADER + 1])
    with pytest.raises(InputError, match="describes its files in more than 1 MiB"):
        listing(long)
    with pytest.raises(InputError, match="describes its files"):
        list(members(long, ["0.txt"]))


def test_many_headers_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_HEADERS", 10_000)
    assert len(listing(_described(tmp_path / "few.tar.gz", tarfile.XHDTYPE, [1000] * 10))) == 10
    with pytest.raises(InputError, match="describes its files"):
        listing(_described(tmp_path / "many.tar.gz", tarfile.XHDTYPE, [1000] * 11))


def test_long_names_come_back(tmp_path: Path) -> None:
    name = "a" * 200 + "/" + "b" * 150 + ".png"
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        with tarfile.open(tmp_path / "long.tar", "w", format=form) as tar:
            entry = tarfile.TarInfo(name)
            entry.size = 3
            tar.addfile(entry, io.BytesIO(b"abc"))
        assert listing(tmp_path / "long.tar") == {name: 3}
        assert [(found, stream.read()) for found, stream in members(tmp_path / "long.tar", [name])] == [(name, b"abc")]
