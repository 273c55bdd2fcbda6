"""Files on other file systems, on the one that fsspec keeps in memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from denoise_cli.errors import ExistsError, InputError, OutputError, UsageError
from denoise_cli.inference.cluster import StoredJournal
from denoise_cli.inference.inputs import gather
from denoise_cli.inference.journal import NAME
from denoise_cli.inference.store import Remote, listed, plain

fsspec: Any = pytest.importorskip("fsspec", reason="fsspec is not installed: pip install 'denoise-cli[cluster]'")
WHERE = Path("sub/a.png")


@pytest.fixture
def memory() -> Iterator[Any]:
    """An empty file system."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pseudo_dirs[:] = [""]
    yield system
    system.store.clear()


@pytest.fixture(params=["memory://out", "out"])
def remote(request: pytest.FixtureRequest, memory: Any, tmp_path: Path) -> Remote:
    """A place for results, in memory or on the disk."""
    return Remote(request.param, str(tmp_path))


def test_results_are_written_whole_and_once(remote: Remote) -> None:
    assert not remote.exists(WHERE) and not remote.names()
    remote.write(WHERE, b"first", force=False)
    with pytest.raises(ExistsError):
        remote.write(WHERE, b"second", force=False)
    assert remote.exists(WHERE) and remote.content(WHERE) == b"first"
    remote.write(WHERE, b"third", force=True)
    assert remote.content(WHERE) == b"third"
    assert {name for name in remote.names() if name.endswith("png")} == {"sub/a.png"}
    assert not any(name.endswith(".part") for name in remote.names())


def test_a_result_that_cannot_be_written(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("403 Forbidden")

    monkeypatch.setattr(type(memory), "mv", refuse)
    with pytest.raises(OutputError, match="403 Forbidden"):
        Remote("memory://out", "/").write(WHERE, b"data", force=False)
    assert not Remote("memory://out", "/").exists(WHERE)


@pytest.mark.parametrize("appends", [True, False])
def test_the_journal_is_the_same_everywhere(remote: Remote, appends: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not appends:
        whole = fsspec.implementations.memory.MemoryFileSystem._open

        def no_appending(self: Any, path: str, mode: str = "rb", **how: Any) -> Any:
            if mode == "ab":
                raise NotImplementedError("append")
            return whole(self, path, mode, **how)

        monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem._open", no_appending)
    for name in ("a.png", "sub/b.png"):
        journal = StoredJournal(remote, lambda line: remote.append(Path(NAME), line))
        journal.add({"input": name}, "settings", "content", {Path(name): "digest"})
    again = StoredJournal(remote, lambda line: None)
    assert again.knows(Path("a.png"), "settings") and again.knows(Path("sub/b.png"), "settings")
    assert not again.knows(Path("a.png"), "others") and again.made(Path("a.png")) is None


def test_inputs_elsewhere(memory: Any) -> None:
    for name in ("b.png", "sub/a.jpg", ".hidden/c.png", "notes.txt"):
        memory.pipe_file(f"/photos/{name}", b"data")
    found = gather(["memory://photos"], elsewhere=listed).items
    assert [(item.name, item.relative) for item in found] == [
        ("memory://photos/b.png", "b.png"),
        ("memory://photos/sub/a.jpg", "sub/a.jpg"),
    ]
    assert [item.relative for item in listed("memory://photos/*.png")] == ["b.png"]
    assert [item.relative for item in listed("memory://photos/none.png")] == ["none.png"]  # fails by itself
    here = Remote("out", "/")
    assert here.fetch("memory://photos/b.png", 100) == b"data"
    with pytest.raises(InputError, match="does not exist"):
        here.fetch("memory://photos/none.png", 100)
    memory.pipe_file("/large.png", bytes(1 << 27))
    with pytest.raises(InputError, match="134,217,728 bytes"):
        here.fetch("memory://large.png", 100)


def test_names_of_the_same_file(tmp_path: Path) -> None:
    here = Remote("out", str(tmp_path))
    assert plain(f"file://{tmp_path}/x") == f"{tmp_path}/x" and plain("memory://x") == "memory://x"
    assert here.identity("x/../a.png") == str((tmp_path / "a.png").resolve())
    assert here.identity("memory://x/a.png") == here.identity("memory:///x/a.png")
    with pytest.raises(UsageError, match="cannot be used"):
        here.identity("nothing://x")


def test_a_journal_that_can_only_be_written_anew_and_cannot_be(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_appending(*_: object, **__: object) -> None:
        raise NotImplementedError

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("403 Forbidden")

    monkeypatch.setattr(type(memory), "open", no_appending)
    monkeypatch.setattr(type(memory), "pipe_file", refuse)
    with pytest.raises(OutputError, match="403 Forbidden"):
        Remote("memory://out", "/").append(WHERE, b"line")
