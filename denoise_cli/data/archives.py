"""Files inside a folder, a zip or a tar, listed and read in place: nothing is unpacked, no name is trusted."""

import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from os import SEEK_CUR
from pathlib import Path
from typing import IO, Self

from denoise_cli.errors import InputError

MOST_FILES = 1_000_000
MOST_BYTES = 8 << 30  # of all files together, unpacked; STL-10 is the largest known set with 3.1 GiB
MOST_HEADER, MOST_HEADERS = 1 << 20, 32 << 20  # bytes of what describes a file in a tar, and of all that together

_DESCRIBING = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


def listing(path: Path) -> dict[str, int]:
    """The regular files in ``path`` (a folder, zip or tar), in its order: names with ``/``, sizes in bytes.

    Raises ``InputError`` where it is missing, damaged, neither of the three, or past the limits against bombs.
    """
    found: dict[str, int] = {}
    total = 0
    with _complaints(path):
        for name, size in _sizes(path):
            found[name] = size
            total += size
            if not path.is_dir() and (len(found) > MOST_FILES or total > MOST_BYTES):
                raise InputError(
                    f"{path} unpacks to more than {MOST_FILES} files or {MOST_BYTES >> 30} GiB.",
                    "No known data set is that large: check where the file comes from.",
                )
    return found


def members(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, IO[bytes]]]:
    """Each file of ``path`` that is ``wanted``, opened, in the archive's order; closed when the next is asked for.

    Raises ``InputError`` as ``listing`` does, also for damage that shows while a member is read.
    """
    with _complaints(path):
        if path.is_dir():
            for name in wanted:
                with (path / name).open("rb") as stream:
                    yield name, stream
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for entry in archive.infolist():
                    if not entry.is_dir() and entry.filename in wanted:
                        with archive.open(entry) as stream:
                            yield entry.filename, stream
        else:
            with _opened(path) as tar:
                for member in _each(tar):
                    if member.isreg() and member.name.removeprefix("./") in wanted:
                        content = tar.extractfile(member)
                        assert content is not None, "a regular file has content"
                        with content:
                            yield member.name.removeprefix("./"), content


def exactly(stream: IO[bytes], count: int, what: str) -> bytes:
    """The next ``count`` bytes; raises ``InputError`` where ``what`` is damaged or ends before."""
    with _complaints(what):
        content = stream.read(count)
    if len(content) != count:
        raise InputError(f"{what} is cut short: {count} bytes were expected, {len(content)} are there.", _AGAIN)
    return content


def skip(stream: IO[bytes], count: int, what: str) -> None:
    """Pass over ``count`` bytes; raises ``InputError`` where ``what`` is damaged."""
    with _complaints(what):
        stream.seek(count, SEEK_CUR)


_AGAIN = "Get it again; the copy is damaged."


def _sizes(path: Path) -> Iterator[tuple[str, int]]:
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file():
                yield file.relative_to(path).as_posix(), file.stat().st_size
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if not entry.is_dir():
                    yield entry.filename, entry.file_size
    else:
        with _opened(path) as tar:
            for member in _each(tar):
                if member.isreg():
                    yield member.name.removeprefix("./"), member.size


def _opened(path: Path) -> tarfile.TarFile:
    """The tar at ``path``, which raises ``InputError`` where its headers are past the limits, before they are read."""
    total = 0

    class Header(tarfile.TarInfo):
        @classmethod
        def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
            nonlocal total
            header = super().frombuf(buf, encoding, errors)
            if header.type in _DESCRIBING:
                total += header.size
                if header.size > MOST_HEADER or total > MOST_HEADERS:
                    raise InputError(
                        f"{path} describes its files in more than {MOST_HEADER >> 20} MiB for one, "
                        f"or {MOST_HEADERS >> 20} MiB for all.",
                        "No known data set does: check where the file comes from.",
                    )
            return header

    return tarfile.open(path, tarinfo=Header)


def _each(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members of ``tar``, which does not keep them: each holds a copy of what describes all."""
    while (member := tar.next()) is not None:
        tar.members = []  # type: ignore[attr-defined]
        yield member


@contextmanager
def _complaints(path: Path | str) -> Iterator[None]:
    """Turn what the standard library raises on a damaged or missing archive into ``InputError``."""
    try:
        yield
    except (tarfile.ReadError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is no readable zip or tar archive: {error}.", _AGAIN) from error
    except (tarfile.TarError, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise InputError(f"{path} is damaged: {error}.", _AGAIN) from error
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror or error}.", "Check the path and its rights."
        ) from error
