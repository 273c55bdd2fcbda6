"""The known data sets: where the cache has them, and how their official archives are downloaded and checked."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError
from urllib.request import Request, urlopen

from denoise_cli import __version__
from denoise_cli.errors import InputError, OutputError, UsageError, did_you_mean

CACHE_VARIABLE = "DENOISE_CACHE"

_CHUNK = 1 << 20
_LARGEST = 4 << 30  # bytes of an archive; STL-10's has 2.6e9
_TIMEOUT = 30  # seconds without a byte


@dataclass(frozen=True)
class Known:
    """A known data set: its official archive, and the other forms in which it may lie in the cache."""

    url: str
    md5: str  # as published beside the archive, or in wide use where nothing is published
    others: tuple[str, ...]  # archives and folders that will do as well

    @property
    def archive(self) -> str:
        """The file name of the official archive."""
        return self.url.rpartition("/")[2]


KNOWN = {
    "cifar10": Known(
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        "c32a1d4ab5d03f1284b67883e8d87530",
        ("cifar-10-python.tar.gz", "cifar-10-batches-bin", "cifar-10-batches-py"),
    ),
    "stl10": Known(
        "https://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
        "91f7769df0f17e558f3565bffb0c7dfb",
        ("stl10_binary",),
    ),
    "tiny-imagenet": Known(
        "http://cs231n.stanford.edu/tiny-imagenet-200.zip",
        "90528d7ca1a48142e341f4ef8d21d0de",
        ("tiny-imagenet-200", "tiny-imagenet-200.tar"),
    ),
}


class Progress(NamedTuple):
    """How far a download is."""

    done: int  # bytes
    total: int | None  # bytes, where the server says


def cache() -> Path:
    """The folder for known sets: ``$DENOISE_CACHE``, by default ``~/.cache/denoise``."""
    return Path(os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "denoise")


def cached(name: str) -> Path | None:
    """Where the cache has the known set ``name``, or ``None``. Raises ``UsageError`` for a set that is not known."""
    known = _known(name)
    places = (cache() / file for file in (known.archive, *known.others))
    return next((place for place in places if place.exists()), None)


def download(name: str) -> Iterator[Progress]:
    """Download the official archive of ``name`` into the cache, step by step, and check its MD5.

    Bytes go to a ``.part`` file that gets the archive's name when all is well. Raises ``InputError`` where the server
    cannot be reached or the checksum differs, ``OutputError`` where the cache cannot be written.
    """
    known = _known(name)
    target = cache() / known.archive
    part = target.with_name(f"{known.archive}.{os.getpid()}.part")
    digest = hashlib.md5(usedforsecurity=False)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            for chunk, progress in _received(known, target):
                digest.update(chunk)
                file.write(chunk)
                yield progress
            file.flush()
            os.fsync(file.fileno())
        if digest.hexdigest() != known.md5:
            raise InputError(
                f"{known.url} came with the MD5 {digest.hexdigest()}, not {known.md5}; it was not kept.",
                f"Try again, or put the official {known.archive} into {target.parent} yourself.",
            )
        part.replace(target)
    except OSError as error:
        raise OutputError(
            f"{target} cannot be written: {error.strerror or error}.",
            f"Make room there, or name another cache folder with {CACHE_VARIABLE}.",
        ) from error
    finally:
        with suppress(OSError):  # where the cache could not be made, there is no part either
            part.unlink()


def _received(known: Known, target: Path) -> Iterator[tuple[bytes, Progress]]:
    done = 0
    request = Request(known.url, headers={"User-Agent": f"denoise/{__version__}"})
    try:
        with urlopen(request, timeout=_TIMEOUT) as answer:
            length = answer.headers.get("Content-Length")
            total = int(length) if length and length.isdigit() else None
            while chunk := answer.read(_CHUNK):
                done += len(chunk)
                if done > _LARGEST:
                    raise InputError(
                        f"{known.url} sends more than {_LARGEST} bytes.", "That is not the official archive."
                    )
                yield chunk, Progress(done, total)
    except (URLError, TimeoutError, ConnectionError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise InputError(
            f"{known.url} cannot be downloaded: {reason}.",
            f"Download it elsewhere and put {known.archive} into {target.parent}, or name a copy by its path.",
        ) from error


def _known(name: str) -> Known:
    if name not in KNOWN:
        raise UsageError(f"There is no data set {name!r}.", did_you_mean(name, KNOWN))
    return KNOWN[name]
