"""Write a file whole or not at all: a temporary file beside it, flushed to the disk, then renamed. Or add a line."""

import errno
import os
import re
import secrets
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from denoise_cli.errors import ExistsError, OutputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PART_SUFFIX = ".part"  # how the name of every temporary file ends; what a kill leaves behind can be deleted
NAME_BYTES = 255  # the longest file name that common file systems hold

_PART = re.compile(r"\.(.+)\.\d+\.[0-9a-f]{8}\.part", re.DOTALL)
_FRESH = 60.0  # seconds after which a temporary file is surely locked by whoever writes it

_LINK_UNSUPPORTED = {
    errno.EPERM,
    errno.EACCES,
    errno.ENOSYS,
    errno.EOPNOTSUPP,
    errno.ENOTSUP,
    errno.EMLINK,
    errno.EXDEV,
}

_ADVICE = {
    errno.ENOSPC: ("the disk is full", "Free some space, or write to another disk with -o."),
    errno.EDQUOT: ("the disk quota is used up", "Free some space, or write to another disk with -o."),
    errno.EROFS: ("the file system is read-only", "Choose another place with -o."),
    errno.EACCES: ("permission denied", "Choose a folder that you may write to with -o."),
    errno.EPERM: ("permission denied", "Choose a folder that you may write to with -o."),
    errno.ENAMETOOLONG: ("the name is too long", f"A file name may have {NAME_BYTES} bytes; choose a shorter one."),
    errno.ENOTDIR: ("a part of the path is a file, not a folder", "Choose another place with -o."),
    errno.EISDIR: ("it is a folder", "Give the name of a file."),
}


def write_atomically(path: str | Path, data: bytes, *, force: bool) -> None:
    """Write ``data`` to ``path`` so that a reader, or a kill at any moment, finds the old file or the whole new one.

    Missing parent folders are made. With ``force`` an existing file is replaced and its permissions are kept; a link
    is followed. Without it an existing file is never touched, even one that appears meanwhile. A device or a pipe,
    such as ``/dev/null``, is simply written to. Raises OutputError, ExistsError where the file is in the way,
    and leaves no temporary file.
    """
    path = Path(path)
    try:
        target = Path(os.path.realpath(path)) if force and path.is_symlink() else path
        mode = _mode(target)
        if mode is not None and stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if mode is not None and not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):
            with target.open("wb") as stream:
                stream.write(data)
            return
        if mode is not None and not force:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        _make_parents(target)
        _write_whole(target, data, force, stat.S_IMODE(mode) if mode is not None else None)
    except FileExistsError as error:
        raise ExistsError(
            f"{path} exists already.", "Replace it with --force, or give another name with -o."
        ) from error
    except OSError as error:
        raise _told(path, error) from error


def replace_content(path: Path, data: bytes) -> None:
    """Replace what the file ``path`` holds, as ``write_atomically`` does; its mode, owner and times stay.

    Raises OutputError, also where it is write-protected.
    """
    try:
        if not os.access(path, os.W_OK) and path.exists():
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        before = path.stat()
        _write_whole(path, data, True, stat.S_IMODE(before.st_mode), before)
    except OSError as error:
        raise _told(path, error) from error


def append(path: Path, data: bytes) -> None:
    """Add ``data`` to the end of ``path``, in one piece among those that other processes add, and flush it to the disk.

    Missing parent folders are made. Raises OutputError; then a part of ``data`` may be there.
    """
    try:
        _make_parents(path)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
        try:
            if os.write(descriptor, data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _told(path, error) from error


def sweep(folder: str | Path, is_ours: Callable[[str], bool]) -> int:
    """Delete the temporary files that kills have left in ``folder``; gives their number.

    Only files called as ``part_name`` does, of a name that ``is_ours``, older than a minute, and which no living
    process holds: whoever writes one has it locked until it has its name. Nothing is deleted where files cannot be
    locked.
    """
    if fcntl is None or not Path(folder).is_dir():
        return 0
    swept = 0
    with os.scandir(folder) as entries:
        parts = [entry for entry in entries if entry.name.endswith(PART_SUFFIX)]
    for entry in parts:
        match = _PART.fullmatch(entry.name)
        try:
            if not match or not is_ours(match[1]) or not entry.is_file(follow_symlinks=False):
                continue
            if time.time() - entry.stat(follow_symlinks=False).st_mtime < _FRESH:
                continue
            with Path(entry.path).open("rb") as held:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                Path(entry.path).unlink()
            swept += 1
        except OSError:
            continue  # somebody writes it, has deleted it, or does not let us
    return swept


def _told(path: Path, error: OSError) -> OutputError:
    code = error.errno if error.errno is not None else 0
    reason, hint = _ADVICE.get(code, (error.strerror or str(error), "Choose another place with -o."))
    return OutputError(f"{path} cannot be written: {reason}.", hint)


def _mode(path: Path) -> int | None:
    """The mode bits of what lies at ``path`` (of a link's target where it has one), or None where nothing does."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return path.lstat().st_mode if path.is_symlink() else None


def _make_parents(target: Path) -> None:
    """Make the folder of ``target``; a file in its way is NotADirectoryError."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(target.parent)) from error


def _write_whole(
    target: Path, data: bytes, force: bool, mode: int | None, before: os.stat_result | None = None
) -> None:
    """Write a temporary file beside ``target``, then give it the name; on any exception it is gone again.

    It gets the ``mode``, and the owner and the times that the file had ``before``.
    """
    part = target.with_name(part_name(target.name))
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            _lock(descriptor)
            stream.write(data)
            stream.flush()
            os.fsync(descriptor)
            if fcntl is None:
                stream.close()  # Windows renames no open file
            if before is not None and hasattr(os, "chown"):
                with suppress(OSError):  # only root may give files away
                    os.chown(part, before.st_uid, before.st_gid)
            if mode is not None:
                part.chmod(mode)
            if before is not None:
                os.utime(part, ns=(before.st_atime_ns, before.st_mtime_ns))
            if force:
                part.replace(target)
            else:
                _name_new(part, target)
    finally:
        part.unlink(missing_ok=True)


def _lock(descriptor: int) -> None:
    """Let other processes see that the file is in use, for as long as it is open; see ``sweep``."""
    if fcntl is not None:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _name_new(part: Path, target: Path) -> None:
    """Give ``part`` the name ``target`` unless that exists; a second link fails where a rename would overwrite."""
    try:
        os.link(part, target)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _LINK_UNSUPPORTED:
            raise
        # no links on this file system: claim the name with an empty file, then rename over our own claim
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        try:
            part.replace(target)
        except BaseException:
            target.unlink(missing_ok=True)
            raise


def part_name(name: str) -> str:
    """A fresh hidden name for the temporary file of ``name``: ``.name.<process>.<random>.part``, never too long."""
    tail = f".{os.getpid()}.{secrets.token_hex(4)}{PART_SUFFIX}"
    kept = os.fsencode(name)[: NAME_BYTES - 1 - len(tail)]
    return f".{kept.decode(errors='ignore')}{tail}"
