"""A folder job on a Ray cluster of this machine, whose workers die at the worst moments."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from denoise_cli.cli.app import main
from denoise_cli.inference import cluster, store
from denoise_cli.inference.batch import Batch
from denoise_cli.inference.inputs import Item
from denoise_cli.inference.journal import NAME
from denoise_cli.inference.pipeline import Job
from denoise_cli.inference.workbench import Wish

Caught = pytest.CaptureFixture[str]
COUNT = 12
LONGEST = 300
MEDIAN = ["run", "photos", "-m", "median"]
WHERE = os.environ.get("DENOISE_RAY", "local")  # a cluster that runs already may be named


class Deadly(store.Remote):
    """Kills its worker, once each: before an input is read, before a result is written, and after."""

    def fetch(self, name: str, max_pixels: int) -> bytes:
        self._die("fetch", Path(name))
        return super().fetch(name, max_pixels)

    def write(self, path: Path, data: bytes, *, force: bool) -> None:
        self._die("before", path)
        super().write(path, data, force=force)
        self._die("after", path)

    def _die(self, moment: str, path: Path) -> None:
        mark = Path(self.home, f"{path.stem}-{moment}.died")
        if (moment, path.stem) in (("fetch", "02"), ("before", "05"), ("after", "07")) and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for index in range(COUNT):
        path = Path("photos", "sub" * (index % 2), f"{index:02}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(np.random.default_rng(index).integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(path)


def contents(folder: str) -> dict[str, bytes]:
    """Every file below ``folder``, hidden ones too, but its journal."""
    files = (path for path in Path(folder).rglob("*") if path.is_file() and path.name != NAME)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGKILL")
def test_workers_that_die(capsys: Caught) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'denoise-cli[cluster]'")
    argv = [*MEDIAN, "-o", "out", "--cluster", WHERE, "--workers", "2", "--json"]
    with subprocess.Popen(
        [sys.executable, __file__, *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=LONGEST)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            if list(Path().glob("*.died")):
                raise
            pytest.skip(f"on this machine Ray has not begun to work within {LONGEST} seconds")
    if process.returncode == 6 and "timed out during startup" in err:
        pytest.skip("Ray gives itself 30 seconds to start, which this machine does not keep at present")
    assert process.returncode == 0, err
    records = [json.loads(line) for line in out.splitlines()]
    assert sorted(record["input"] for record in records) == sorted(map(str, Path("photos").rglob("*.png")))
    assert all(record["error"] is None for record in records)
    assert err.count("its worker died, another does it") == 3 == len(list(Path().glob("*.died")))
    assert len({record["worker"] for record in records}) >= 2
    assert main([*MEDIAN, "-o", "alone"]) == 0
    assert contents("out") == contents("alone") and len(contents("out")) == COUNT
    capsys.readouterr()
    assert main([*MEDIAN, "-o", "out"]) == 0
    assert f"{COUNT} skipped as done before" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--cluster", "local"], 2, "--cluster needs a folder for the results"),
        (["--cluster", "local", "-o", "out", "--shard", "1/2"], 2, "--cluster and --shard do not go together"),
        (["--cluster", "local", "-o", "out", "--compare", "both"], 2, "--cluster and --compare do not go together"),
        (["-", "--cluster", "local", "-o", "out"], 2, "--cluster takes no stdin"),
        (["-o", "out", "--workers", "2"], 2, "Add --cluster ADDRESS"),
        (["-o", "memory://out"], 2, "Add --cluster ADDRESS"),
        (["memory://photos", "-o", "out"], 2, "'memory://photos' is on another file system"),
        (["nothing://x", "--cluster", "local", "-o", "out"], 2, "'nothing://x' cannot be used"),
        (["memory://none*", "--cluster", "local", "-o", "out"], 3, "There are no images in 'memory://none*'"),
        (["photos/sub/01.png", "--cluster", "local", "-o", "photos/sub", "--force"], 4, "would be overwritten"),
        (["photos/sub/01.png", "photos/sub", "--cluster", "local", "-o", "out"], 4, "would both become 'out/01.png'"),
    ],
)
def test_what_a_cluster_cannot_do(flags: list[str], code: int, said: str, capsys: Caught) -> None:
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    words = [] if any(word.startswith("photos/") for word in flags) else ["photos"]
    assert main(["run", *words, *flags, "-m", "median"]) == code
    assert said in capsys.readouterr().err


def test_a_result_of_somebody_else_is_refused_before_any_work(capsys: Caught) -> None:
    Path("out").mkdir()
    Path("out/00.png").write_bytes(b"mine")
    assert main([*MEDIAN, "-o", "out", "--cluster", "local"]) == 4
    assert "'out/00.png' exists already" in capsys.readouterr().err


def test_a_cluster_that_is_not_there(capsys: Caught) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'denoise-cli[cluster]'")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert main([*MEDIAN, "-o", "out", "--cluster", f"127.0.0.1:{port}"]) == 6
    assert f"The cluster '127.0.0.1:{port}' cannot be used" in capsys.readouterr().err


def test_without_ray(monkeypatch: pytest.MonkeyPatch, capsys: Caught) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main([*MEDIAN, "-o", "out", "--cluster", "local"]) == 2
    assert "pip install 'denoise-cli[cluster]'" in capsys.readouterr().err


class Handle:
    """A stand-in for what Ray makes of a class: each call is an answer that waits to be asked for."""

    def __init__(self, real: Any) -> None:
        self.real = real

    def options(self, **needs: Any) -> "Handle":
        return self

    def remote(self, *arguments: Any) -> Any:
        if isinstance(self.real, type):
            return Handle(self.real(*arguments))
        return lambda: self.real(*arguments)

    def __getattr__(self, name: str) -> "Handle":
        return Handle(getattr(self.real, name))


class Dying:
    """A worker that dies over every image."""

    def __init__(self, plan: cluster.Plan, keeper: Any) -> None:
        pass

    def ready(self) -> None:
        pass

    def work(self, job: Job) -> None:
        raise RuntimeError("killed")


def test_an_image_that_kills_all_its_workers_is_in_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    ray, errors = ModuleType("ray"), ModuleType("ray.exceptions")
    vars(errors).update(RayActorError=RuntimeError, RayTaskError=ZeroDivisionError)
    vars(ray).update(
        exceptions=errors, remote=Handle, cluster_resources=dict, put=lambda it: it, get=lambda answer: answer(),
        wait=lambda waiting, timeout: (waiting[:1], waiting[1:]),
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setitem(sys.modules, "ray.exceptions", errors)
    monkeypatch.setattr(cluster, "Worker", Dying)
    place = store.Remote("out", str(Path.cwd()))
    plan = cluster.Plan(Wish("median"), {}, "cpu", "auto", None, Batch("settings"), place)
    jobs = [Job(Item("photos/00.png", "00.png"), (Path("00.png"),)), Job(Item("x.png", "x.png"), (Path("x.png"),))]
    told: list[str] = []
    outcomes = list(cluster.run(jobs, plan, 1, told.append))
    assert [outcome.result.item.name for outcome in outcomes] == ["photos/00.png", "x.png"]
    assert all("3 workers died over it" in str(outcome.result.error) for outcome in outcomes) and len(told) == 4
    lines = [json.loads(line) for line in Path("out", NAME).read_text().splitlines() if line]
    assert [(line["input"], line["error"]) for line in lines] == [
        (outcome.result.item.name, str(outcome.result.error)) for outcome in outcomes
    ]


def test_a_termination_while_ray_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    ray, ended = ModuleType("ray"), list[bool]()

    def start(**named: Any) -> None:
        sys.exit(15)  # as Ray's own handler does

    vars(ray).update(init=start, shutdown=lambda: ended.append(True))
    monkeypatch.setitem(sys.modules, "ray", ray)
    with pytest.raises(SystemExit) as caught, cluster.connected("local", 1):
        pytest.fail("there is no cluster")
    assert caught.value.code == 143 and ended == [True]


def test_a_dry_run_needs_no_ray(monkeypatch: pytest.MonkeyPatch, capsys: Caught) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main([*MEDIAN, "-o", "out", "--cluster", "local", "--dry-run"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == COUNT and not Path("out").exists()


if __name__ == "__main__":  # in a process of its own, whose workers get ``Deadly`` by value
    vars(store)["Remote"] = Deadly
    sys.exit(main(sys.argv[1:]))
