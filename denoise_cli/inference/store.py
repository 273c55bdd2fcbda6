"""Where the files of a job lie: on the disk, or on any file system that fsspec knows."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from denoise_cli.errors import DenoiseError, ExistsError, InputError, OutputError, UsageError
from denoise_cli.files import append, part_name, sweep, write_atomically
from denoise_cli.image import SUFFIXES, fetch, is_image, most_bytes
from denoise_cli.inference.inputs import Item, is_url


class Store(Protocol):
    """Reads the inputs of a job and writes its results."""

    def fetch(self, name: str, max_pixels: int) -> bytes:
        """The content of an input. Raises ``InputError``; see ``image.fetch``."""

    def exists(self, path: Path) -> bool:
        """Whether anything is there under the name of a result."""

    def write(self, path: Path, data: bytes, *, force: bool) -> None:
        """Write a result whole or not at all. Raises ``OutputError``; see ``files.write_atomically``."""

    def tidy(self, folder: Path) -> None:
        """Delete what kills have left in a folder of results; see ``files.sweep``."""


@dataclass(frozen=True)
class Disk:
    """The disk of this machine."""

    def fetch(self, name: str, max_pixels: int) -> bytes:
        """See ``image.fetch``."""
        return fetch(name, max_pixels)

    def exists(self, path: Path) -> bool:
        """A dead link counts."""
        return os.path.lexists(path)

    def write(self, path: Path, data: bytes, *, force: bool) -> None:
        """See ``files.write_atomically``."""
        write_atomically(path, data, force=force)

    def tidy(self, folder: Path) -> None:
        """See ``files.sweep``."""
        sweep(folder, is_image)


@dataclass(frozen=True)
class Remote:
    """Inputs anywhere, and an ``output`` folder anywhere, in which results have relative paths.

    Both are URLs, such as ``s3://bucket/folder``, or paths of a disk that all machines see, from ``home`` on.
    """

    output: str
    home: str  # the working folder of whoever started the job

    def place(self, path: Path) -> str:
        """The full name of a result."""
        return f"{self.output.rstrip('/')}/{path.as_posix()}"

    def fetch(self, name: str, max_pixels: int) -> bytes:
        """The content of an input. Raises ``InputError``."""
        if not is_url(name):
            return fetch(Path(self.home, name), max_pixels)
        system, path = located(name)
        try:
            size = int(system.size(path) or 0)
            if size > most_bytes(max_pixels):
                raise InputError(f"{name} has {size:,} bytes.", "Where that is no mistake, raise --max-pixels.")
            data: bytes = system.cat_file(path)
        except FileNotFoundError as error:
            raise InputError(f"{name} does not exist.", "Check the URL.") from error
        except DenoiseError:
            raise
        except Exception as error:  # of whichever file system it is
            raise InputError(f"{name} cannot be read: {error}.", "Check the URL and its credentials.") from error
        return data

    def exists(self, path: Path) -> bool:
        """Whether anything is there under the name of a result."""
        if not is_url(self.output):
            return os.path.lexists(self._local(path))
        system, place = located(self.place(path))
        return bool(system.exists(place))

    def names(self) -> frozenset[str]:
        """All results that are there, and whatever else. Raises ``OutputError`` where they cannot be listed."""
        if not is_url(self.output):
            folder = self._local(Path())
            return frozenset(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
        system, root = located(self.output)
        try:
            found = system.find(root) if system.exists(root) else ()
        except Exception as error:  # of whichever file system it is
            raise OutputError(f"{self.output} cannot be listed: {error}.", "Check the URL, its credentials.") from error
        return frozenset(name[len(root.rstrip("/")) + 1 :] for name in found)

    def identity(self, name: str) -> str:
        """What ``name`` is called in full, so that the same file is known under other names."""
        if is_url(name):
            system, path = located(name)
            return str(system.unstrip_protocol(path))
        return os.path.realpath(Path(self.home, name))

    def content(self, path: Path) -> bytes:
        """The content of a result. Raises OSError."""
        with self.open(path) as file:
            return file.read()

    def open(self, path: Path) -> IO[bytes]:
        """A result, or the journal, for reading. Raises OSError."""
        if not is_url(self.output):
            return self._local(path).open("rb")
        system, place = located(self.place(path))
        found: IO[bytes] = system.open(place, "rb")
        return found

    def write(self, path: Path, data: bytes, *, force: bool) -> None:
        """Write a result; it has its name once it is whole. Raises ``OutputError``."""
        if not is_url(self.output):
            write_atomically(self._local(path), data, force=force)
            return
        if not force and self.exists(path):
            raise ExistsError(f"{self.place(path)} exists already.", "Replace it with --force.")
        system, place = located(self.place(path))
        folder, _, name = place.rpartition("/")
        part = f"{folder}/{part_name(name)}"
        try:
            system.makedirs(folder, exist_ok=True)
            system.pipe_file(part, data)
            system.mv(part, place)
        except Exception as error:  # of whichever file system it is
            raise _unwritten(self.place(path), error) from error

    def append(self, path: Path, data: bytes) -> None:
        """Add to the end of a file that nobody else writes to. Raises ``OutputError``."""
        if not is_url(self.output):
            append(self._local(path), data)
            return
        system, place = located(self.place(path))
        try:
            system.makedirs(place.rpartition("/")[0], exist_ok=True)
            try:
                with system.open(place, "ab") as file:
                    file.write(data)
            except (NotImplementedError, ValueError):  # it cannot append: the whole again
                before = system.cat_file(place) if system.exists(place) else b""
                system.pipe_file(place, before + data)
        except Exception as error:  # of whichever file system it is
            raise _unwritten(self.place(path), error) from error

    def tidy(self, folder: Path) -> None:
        """Nothing: ``sweep`` is for whoever starts the job."""

    def sweep(self, folders: Iterable[Path]) -> None:
        """Delete what kills have left, on a disk; elsewhere nobody can tell whether a file is in use."""
        if not is_url(self.output):
            for folder in folders:
                sweep(self._local(folder), is_image)

    def _local(self, path: Path) -> Path:
        return Path(self.home, self.output, path)


def listed(url: str) -> Iterable[Item]:
    """The images behind ``url``: a file, a pattern, or a folder with its whole tree, but for what is hidden.

    Raises ``InputError`` where there are none or they cannot be listed.
    """
    system, path = located(url)
    try:
        if system.isdir(path):
            root = path.rstrip("/")
            names = [name[len(root) + 1 :] for name in sorted(system.find(root))]
            shown = (name for name in names if not any(part.startswith(".") for part in name.split("/")))
            base = url.rstrip("/")
            found = [Item(f"{base}/{name}", name, url) for name in shown if is_image(name)]
        elif "*" in path:
            names = [name for name in sorted(system.glob(path)) if is_image(name)]
            found = [Item(system.unstrip_protocol(name), name.rpartition("/")[2]) for name in names]
        else:
            found = [Item(url, path.rpartition("/")[2])]
    except Exception as error:  # of whichever file system it is
        raise InputError(f"{url} cannot be listed: {error}.", "Check the URL and its credentials.") from error
    if not found:
        raise InputError(f"There are no images in {url!r}.", f"Known: {' '.join(SUFFIXES)}.")
    return found


def plain(url: str) -> str:
    """The path that a ``file://`` URL means; any other word as it is."""
    if is_url(url):
        system, path = located(url)
        if "file" in system.protocol:
            return path
    return url


def located(url: str) -> tuple[Any, str]:
    """The file system of ``url`` and the path in it. Raises ``UsageError`` where it cannot be used."""
    try:
        import fsspec
    except ImportError as error:
        raise UsageError("fsspec is not installed.", "pip install 'denoise-cli[cluster]'") from error
    try:
        system, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise UsageError(f"{url!r} cannot be used: {error}.", "Check its beginning, up to ://.") from error
    return system, path


def _unwritten(name: str, error: Exception) -> OutputError:
    return OutputError(f"{name} cannot be written: {error}.", "Check the URL, its credentials and the space there.")
