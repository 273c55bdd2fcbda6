"""The journal of an output folder: what each result was made from, so that the same command again goes on.

JSON lines, only ever appended to, by any number of processes. A line is written and flushed to the disk before its
result gets its name, so that a result without a line is somebody else's file. A line begins with a line break instead
of ending in one: half a line, left by a kill or a full disk, spoils nothing behind it.
"""

import json
import threading
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, NamedTuple

from denoise_cli.errors import AGAIN, ExistsError, InputError
from denoise_cli.files import append
from denoise_cli.inference.inputs import Item
from denoise_cli.inference.outputs import Layout

NAME = ".denoise.jsonl"
_HEX = 32  # digits of a digest: 128 bits


class Entry(NamedTuple):
    """What a result was made from, as digests."""

    settings: str
    content: str  # of the input file
    result: str  # of the output file
    comparison: str = ""  # of the picture before and after, where one was made


def digest(data: bytes) -> str:
    """What tells ``data`` from any other."""
    return sha256(data).hexdigest()[:_HEX]


def line_of(record: dict[str, Any]) -> bytes:
    """What is appended for a ``record``."""
    return b"\n" + json.dumps(record).encode()


class Journal:
    """The journal in ``folder``; safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / NAME
        self._entries: dict[str, tuple[Entry, ...]] = {}
        self._settings: dict[str, str] = {}  # each word once, however many lines say it
        self._position = 0
        self._lock = threading.Lock()
        self.refresh()

    def refresh(self) -> None:
        """Read what was appended since the last time, by whomever.

        Raises ``InputError`` where the file cannot be read.
        """
        with self._lock:
            try:
                with self._open() as file:
                    file.seek(self._position)
                    for line in file:
                        self._take(line)
            except (FileNotFoundError, NotADirectoryError):
                return
            except OSError as error:
                raise InputError(
                    f"The journal {str(self._path)!r} cannot be read: {error.strerror}.",
                    "Mend its permissions, or choose another folder with -o.",
                ) from error

    def find(self, path: Path) -> tuple[Entry, ...]:
        """All that is known of the result ``path``, the latest last."""
        return self._entries.get(self._key(path), ())

    def knows(self, path: Path, settings: str | None) -> bool:
        """Whether the result ``path`` was made here, with these ``settings`` if any are given."""
        return any(settings in (None, entry.settings) for entry in self.find(path))

    def made(self, path: Path) -> Entry | None:
        """The entry that says how the file at ``path`` was made, byte for byte; None where none does."""
        try:
            return self.made_as(path, digest(self._content(path)))
        except OSError:
            return None

    def made_as(self, path: Path, result: str) -> Entry | None:
        """The same for a file of which the digest is known."""
        if not any(entry.result == result for entry in self.find(path)):
            self.refresh()
        return next((entry for entry in reversed(self.find(path)) if entry.result == result), None)

    def compared(self, path: Path, comparison: str) -> bool:
        """Whether a picture of the result ``path`` before and after was made that has the digest ``comparison``."""
        return any(entry.comparison == comparison for entry in self.find(path))

    def add(
        self, record: dict[str, Any], settings: str, content: str, results: dict[Path, str], comparison: str = ""
    ) -> None:
        """Append ``record`` with what its ``results`` (path: digest) are made from. Raises ``OutputError``."""
        keys = {self._key(path): result for path, result in results.items()}
        made = {"settings": settings, "content": content, "results": keys}
        self._append(record | made | ({"comparison": comparison} if comparison else {}))

    def add_failure(self, record: dict[str, Any]) -> None:
        """Append a ``record`` of an image that failed. Raises ``OutputError``."""
        self._append(record)

    def _append(self, record: dict[str, Any]) -> None:
        self._add_line(line_of(record))

    # what a journal that lies elsewhere does otherwise

    def _open(self) -> IO[bytes]:
        return self._path.open("rb")

    def _content(self, path: Path) -> bytes:
        return path.read_bytes()

    def _add_line(self, line: bytes) -> None:
        append(self._path, line)

    def _key(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _take(self, line: bytes) -> None:
        try:
            record = json.loads(line)
            entries = {
                str(key): Entry(
                    str(record["settings"]), str(record["content"]), str(result), str(record.get("comparison", ""))
                )
                for key, result in record["results"].items()
            }
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            if line.endswith(b"\n"):
                self._position += len(line)  # half a line, or a failure; else somebody is still writing it
            return
        self._position += len(line)
        for key, entry in entries.items():
            settings = self._settings.setdefault(entry.settings, entry.settings)
            old = self._entries.get(key, ())
            self._entries[key] = (*(other for other in old if other != entry), entry._replace(settings=settings))


def is_done(journal: Journal | None, path: Path, settings: str, content: str) -> bool:
    """Whether the file at ``path`` is the result of these ``settings`` from ``content``; False: from other content.

    Raises ``ExistsError`` where it is anything else.
    """
    entry = journal.made(path) if journal is not None else None
    if entry is None:
        known = journal is not None and journal.find(path)
        raise ExistsError(f"{path} {'was changed since it was made' if known else 'exists already'}.", AGAIN)
    if entry.settings != settings:
        raise ExistsError(f"{path} was made with other settings.", AGAIN)
    return entry.content == content


class Journals:
    """The journals of the folders that a layout has, each read when it is first asked for."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._open: dict[Path, Journal] = {}

    def of(self, item: Item) -> Journal | None:
        """The journal for the results of ``item``; None where they go to a file, or beside their input."""
        folder = self._layout.folder(item)
        if folder is None:
            return None
        if folder not in self._open:
            self._open[folder] = Journal(folder)
        return self._open[folder]

    def refuse(self, existing: Sequence[tuple[Item, Path]], settings: str | None = None) -> None:
        """Raise ``ExistsError`` where one of ``existing`` was not made here, or not with these ``settings``."""
        unknown = [path for item, path in existing if not self._know(item, path, settings)]
        if unknown:
            more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
            how = "exists already" if settings is None else "was made with other settings"
            raise ExistsError(f"{str(unknown[0])!r}{more} {how}.", AGAIN)

    def _know(self, item: Item, path: Path, settings: str | None) -> bool:
        journal = self.of(item)
        return journal is not None and journal.knows(path, settings)
