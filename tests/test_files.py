"""A file is written whole or not at all, and never over another by accident."""

import errno
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from denoise_cli import files
from denoise_cli.errors import OutputError
from denoise_cli.files import PART_SUFFIX, part_name, replace_content, sweep, write_atomically


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize("force", [False, True])
def test_writes_and_makes_parents(tmp_path: Path, force: bool) -> None:
    target = tmp_path / "a" / "b" / "out.png"
    write_atomically(target, b"clean", force=force)
    assert target.read_bytes() == b"clean"
    assert names(target.parent) == ["out.png"]


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_atomically(tmp_path / "out", b"", force=False)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o640


def test_an_existing_file_stays_without_force(tmp_path: Path) -> None:
    target = tmp_path / "out.png"
    target.write_bytes(b"old")
    with pytest.raises(OutputError, match=r"exists already") as caught:
        write_atomically(target, b"new", force=False)
    assert "--force" in caught.value.hint and "-o" in caught.value.hint
    assert target.read_bytes() == b"old" and names(tmp_path) == ["out.png"]


def test_force_replaces_and_keeps_the_mode(tmp_path: Path) -> None:
    target = tmp_path / "out.png"
    target.write_bytes(b"old")
    target.chmod(0o604)
    write_atomically(target, b"new", force=True)
    assert target.read_bytes() == b"new" and stat.S_IMODE(target.stat().st_mode) == 0o604
    assert names(tmp_path) == ["out.png"]


def test_force_follows_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_atomically(tmp_path / "link", b"new", force=True)
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_bytes() == b"new"


def test_a_dangling_link_is_not_replaced_without_force(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    with pytest.raises(OutputError, match="exists already"):
        write_atomically(tmp_path / "link", b"new", force=False)
    assert names(tmp_path) == ["link"]


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_meanwhile_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    target = tmp_path / "out.png"
    flush = os.fsync

    def appear(descriptor: int) -> None:
        flush(descriptor)
        target.write_bytes(b"somebody else's")

    def no_links(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "no links here")

    monkeypatch.setattr(os, "fsync", appear)
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    with pytest.raises(OutputError, match="exists already"):
        write_atomically(target, b"new", force=False)
    assert target.read_bytes() == b"somebody else's" and names(tmp_path) == ["out.png"]


def test_writes_where_the_file_system_has_no_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", no_links)
    write_atomically(tmp_path / "out.png", b"new", force=False)
    assert (tmp_path / "out.png").read_bytes() == b"new" and names(tmp_path) == ["out.png"]


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.ENOSPC, "disk is full"), (errno.EROFS, "read-only"), (errno.EIO, "error")],
)
@pytest.mark.parametrize("force", [False, True])
def test_a_failure_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str, force: bool
) -> None:
    def fail(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match=words) as caught:
        write_atomically(tmp_path / "out.png", b"new", force=force)
    assert caught.value.hint and names(tmp_path) == []


def test_a_full_device(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(OutputError, match="disk is full"):
        write_atomically("/dev/full", b"new", force=True)


def test_an_interrupt_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    (tmp_path / "out.png").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "out.png", b"new", force=True)
    assert (tmp_path / "out.png").read_bytes() == b"old" and names(tmp_path) == ["out.png"]


def test_a_failed_rename_releases_the_claimed_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.ENOSYS, "no links here")

    def no_rename(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "link", no_links)
    monkeypatch.setattr(Path, "replace", no_rename)
    with pytest.raises(OutputError, match="error"):
        write_atomically(tmp_path / "out.png", b"new", force=False)
    assert names(tmp_path) == []


def test_a_folder_as_target(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="it is a folder"):
        write_atomically(tmp_path, b"new", force=True)
    assert names(tmp_path) == []


@pytest.mark.parametrize("inner", ["file/out.png", "file/deeper/out.png"])
def test_a_file_in_the_way_of_a_folder(tmp_path: Path, inner: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="is a file, not a folder"):
        write_atomically(tmp_path / inner, b"new", force=False)


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="name is too long"):
        write_atomically(tmp_path / ("x" * 300), b"new", force=False)
    assert names(tmp_path) == []


def test_the_longest_name_that_is_legal(tmp_path: Path) -> None:
    name = "ü" * 125 + ".png"
    write_atomically(tmp_path / name, b"new", force=False)
    assert names(tmp_path) == [name]


def test_a_folder_without_permission(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="permission denied"):
            write_atomically(tmp_path / "out.png", b"new", force=False)
    finally:
        tmp_path.chmod(0o700)


def test_permission_denied_by_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(*_: object) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(files.os, "open", deny)
    with pytest.raises(OutputError, match="permission denied") as caught:
        write_atomically(tmp_path / "out.png", b"new", force=False)
    assert "-o" in caught.value.hint


def test_a_device_is_written_to_and_stays() -> None:
    write_atomically("/dev/null", b"new", force=True)
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


@pytest.mark.parametrize("name", ["a.png", "ü" * 127, "x" * 255])
def test_part_names_can_be_told_and_are_not_too_long(name: str) -> None:
    part = part_name(name)
    assert part.startswith("." + name[0]) and part.endswith(PART_SUFFIX) and str(os.getpid()) in part
    assert len(os.fsencode(part)) <= 255 and part != part_name(name)


WRITER = """
import os, signal, sys, time
from denoise_cli.files import write_atomically
def interrupt(*_):
    print("written", flush=True)
    os.kill(os.getpid(), signal.SIGKILL) if sys.argv[2] == "die" else time.sleep(60)
os.link = interrupt
write_atomically(sys.argv[1], b"data", force=False)
"""


def writer(target: Path, what: str) -> subprocess.Popen[str]:
    """A process that has written a temporary file, an hour ago, and will not name it."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, target, what], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "written\n"
    for part in target.parent.glob(f".{target.name}.*.part"):
        os.utime(part, (time.time() - 3600,) * 2)
    return process


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such locks")
def test_what_a_killed_process_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    strangers = [".notes.part", ".a.png.7.part", "a.png.7.0a1b2c3d.part", ".a.txt.7.0a1b2c3d.part", "a.png"]
    for name in strangers:
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / ".b.png.7.0a1b2c3d.part").touch()  # fresh: its writer may be about to lock it
    (tmp_path / ".c.png.7.0a1b2c3d.part").symlink_to(tmp_path / "a.png")
    before = set(names(tmp_path))
    with writer(tmp_path / "d.png", "die") as dead, writer(tmp_path / "e.png", "wait") as alive:
        assert dead.wait() == -signal.SIGKILL
        left = set(names(tmp_path)) - before
        assert len(left) == 2
        assert sweep(tmp_path, lambda name: name.endswith(".png")) == 1
        (kept,) = set(names(tmp_path)) - before
        assert kept.startswith(".e.png.") and sweep(tmp_path, lambda _: False) == 0
        alive.kill()
        alive.wait()
    assert sweep(tmp_path, lambda name: name.endswith(".png")) == 1
    assert set(names(tmp_path)) == before
    assert sweep(tmp_path / "none", lambda _: True) == 0


def test_replaced_content_keeps_mode_and_times(tmp_path: Path) -> None:
    target = tmp_path / "a.png"
    target.write_bytes(b"old")
    target.chmod(0o604)
    os.utime(target, ns=(5_000, 7_000_000_000))
    replace_content(target, b"new")
    found = target.stat()
    assert target.read_bytes() == b"new" and names(tmp_path) == ["a.png"]
    assert (stat.S_IMODE(found.st_mode), found.st_mtime_ns) == (0o604, 7_000_000_000)
    with pytest.raises(OutputError, match="cannot be written"):
        replace_content(tmp_path / "none.png", b"new")
