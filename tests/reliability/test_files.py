"""Strange names, strange things under names of images, files that vanish, disks that are full or read-only."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from denoise_cli.cli.app import main
from denoise_cli.inference import store
from denoise_cli.inference.journal import NAME

Caught = pytest.CaptureFixture[str]
PROCESS = [sys.executable, "-m", "denoise_cli"]
RUN = ["run", "photos", "-o", "out", "-m", "median"]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has other names and no FIFOs")


def put(path: Path | str, size: tuple[int, int] = (8, 9)) -> None:
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(np.random.default_rng(len(place.name)).integers(0, 256, (*size, 3), dtype=np.uint8)).save(place)


def written(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.name != NAME}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    put("photos/good.png")


def test_any_name(capsys: Caught) -> None:
    names = [
        "new\nline.png",
        " spaces .png",
        "-dash.png",
        "quo'te\".png",
        "[1].png",
        "\u65e5\u672c.png",
        "a\x1b[31m.png",
    ]
    names += ["\u00fc" * 123 + ".png", os.fsdecode(b"no utf-8 \xff.png"), "@at.png", "photo.PNG"]
    for name in names:
        put(f"photos/{name}")
    assert main([*RUN, "--json"]) == 0
    told = [json.loads(line)["input"] for line in capsys.readouterr().out.splitlines()]
    assert set(told) == {f"photos/{name}" for name in (*names, "good.png")}
    assert written(Path("out")) == {*names, "good.png"}
    assert main(RUN) == 0, "and all of them again"
    assert "12 skipped as done before" in capsys.readouterr().err


def test_a_name_that_is_too_long_with_its_mark(capsys: Caught) -> None:
    name = "\u00fc" * 123 + ".png"
    put(f"photos/{name}")
    assert main(["run", f"photos/{name}", "-m", "median"]) == 4
    assert "the name is too long" in capsys.readouterr().err


def test_what_is_no_file(capsys: Caught) -> None:
    Path("photos/dead.png").symlink_to("nowhere.png")
    Path("photos/loop.png").symlink_to("loop.png")
    os.mkfifo("photos/pipe.png")
    Path("photos/folder.png").mkdir()
    put("photos/folder.png/inner.png")
    Path("photos/null.png").symlink_to("/dev/null")
    assert main(RUN) == 7
    err = capsys.readouterr().err
    assert "4 of 6 images failed" in err and "photos/dead.png does not exist" in err
    assert "photos/pipe.png is a pipe or a device" in err and "photos/null.png is a pipe or a device" in err
    assert written(Path("out")) == {"good.png", "folder.png/inner.png"}
    assert main(["run", "photos/pipe.png", "-m", "median"]) == 3
    assert main(["run", "photos/dead.png", "-m", "median"]) == 3


def test_a_pipe_of_the_shell() -> None:
    command = f"{sys.executable} -m denoise_cli run <(cat photos/good.png) -o new.png -m median"
    subprocess.run(["bash", "-c", command], check=True, capture_output=True)
    with Pillow.open("new.png") as seen:
        assert seen.size == (9, 8)


def test_an_input_that_vanishes(monkeypatch: pytest.MonkeyPatch, capsys: Caught) -> None:
    for name in ("a.png", "b.png"):
        put(f"photos/{name}")
    fetch = store.fetch

    def vanishing(path: Path, limit: int) -> bytes:
        Path("photos/b.png").unlink(missing_ok=True)
        return fetch(path, limit)

    monkeypatch.setattr(store, "fetch", vanishing)
    assert main(RUN) == 7
    assert "photos/b.png does not exist" in capsys.readouterr().err and written(Path("out")) == {"a.png", "good.png"}


def test_an_output_folder_that_vanishes(monkeypatch: pytest.MonkeyPatch) -> None:
    put("photos/z.png")
    fetch = store.fetch

    def vanishing(path: Path, limit: int) -> bytes:
        shutil.rmtree("out", ignore_errors=True)
        return fetch(path, limit)

    with monkeypatch.context() as patch:
        patch.setattr(store, "fetch", vanishing)
        assert main(RUN) in (0, 4, 7)
    assert main(RUN) == 0 and written(Path("out")) == {"good.png", "z.png"}


def mounted(options: str, *command: str) -> subprocess.CompletedProcess[str]:
    """``command`` where ``out`` is a small file system of its own; skips where this user may not make one."""
    Path("out").mkdir(exist_ok=True)
    script = f'mount -t tmpfs -o {options} tmpfs out || exit 99; shift 0; "$@"; code=$?; ls -A out >&2; exit $code'
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script, "sh", *command], capture_output=True, text=True)
    if done.returncode in (1, 99) and ("unshare" in done.stderr or "mount" in done.stderr):
        pytest.skip("this user may not mount a file system")
    return done


@pytest.mark.skipif(shutil.which("unshare") is None, reason="this system has no unshare")
def test_a_full_disk() -> None:
    for index in range(20):
        put(f"photos/{index:02}.png", (64, 64))  # 12 KiB each, on a disk of 64
    done = mounted("size=64k", *PROCESS, *RUN)
    assert done.returncode == 4 and "the disk is full" in done.stderr and "Traceback" not in done.stderr
    assert ".part" not in done.stderr, "a part of a file was left"


@pytest.mark.skipif(shutil.which("unshare") is None, reason="this system has no unshare")
def test_a_read_only_disk() -> None:
    done = mounted("size=64k,ro", *PROCESS, *RUN)
    assert done.returncode == 4 and "read-only" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="the system does not refuse root anything")
def test_a_folder_that_may_not_be_written() -> None:
    Path("out").mkdir(mode=0o500)
    assert main(RUN) == 4


def test_two_processes_in_one_folder() -> None:
    for index in range(12):
        put(f"photos/{index}.png", (64, 64))
    assert main([*RUN[:2], "-o", "wanted", *RUN[4:]]) == 0
    both = [subprocess.Popen([*PROCESS, *RUN], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert written(Path("out")) == written(Path("wanted"))
    assert all(Path("out", name).read_bytes() == Path("wanted", name).read_bytes() for name in written(Path("out")))
    assert main(RUN) == 0 and len(list(Path("out").iterdir())) == 14


def test_a_closed_pipe_of_json() -> None:
    for index in range(40):
        put(f"photos/{index}.png")
    with subprocess.Popen([*PROCESS, *RUN, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().startswith(b"{")
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
    assert process.returncode == 0


def test_a_hundred_thousand_files_are_listed_in_little_memory() -> None:
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from denoise_cli.inference.inputs import gather\n"
        "from denoise_cli.inference.outputs import Layout, check\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "items = gather(['many'], Path('out')).items\n"
        "check(items, Layout.of(items, 'out', None))\n"
        "print(len(items), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    count = 100_000 if os.environ.get("DENOISE_LONG") else 2_000
    Path("many").mkdir()
    for index in range(count):
        Path(f"many/{index:06}.png").touch()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found, kib = map(int, done.stdout.split())
    assert found == count and kib < 10_000 + count * 0.7


LONG = bool(os.environ.get("DENOISE_LONG"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM] if LONG else [signal.SIGINT])
def test_a_signal_while_it_starts(number: signal.Signals) -> None:
    """Also while torch is imported: at ten moments in the long version, at one in the short one."""
    began = time.monotonic()
    assert not LONG or subprocess.run([*PROCESS, *RUN], capture_output=True).returncode == 0
    usual = time.monotonic() - began if LONG else 3.0
    for moment in range(10) if LONG else (3,):
        process = subprocess.Popen([*PROCESS, *RUN, "--force"], stderr=subprocess.PIPE, text=True)
        time.sleep(0.1 * usual + 0.09 * usual * moment)  # before that it is Python that starts
        process.send_signal(number)
        said = process.communicate()[1]
        # -number, which a shell shows as 128 + number too: before the program took over, or after it was done
        assert process.returncode in (0, 128 + number, -number) and "Traceback" not in said, said
