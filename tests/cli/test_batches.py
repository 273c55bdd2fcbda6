"""The same command again: what is done is skipped, what is missing is done, nothing is overwritten."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from denoise_cli.cli.app import main
from denoise_cli.inference.journal import NAME

Caught = pytest.CaptureFixture[str]
RUN = ["run", "photos", "-o", "out", "-m", "median"]


def put(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 9, 3), dtype=np.uint8)).save(path)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below ``folder`` but its journal."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != NAME)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def journal() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("out", NAME).read_text().splitlines() if line]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("a.png", "b.png", "sub/c.png")):
        put(Path("photos", name), seed)


def test_again_skips_what_is_done(capsys: Caught) -> None:
    assert main(RUN) == 0
    assert "3 images denoised in " in capsys.readouterr().err
    before, stamps = contents(Path("out")), [path.stat().st_mtime_ns for path in Path("out").rglob("*.png")]
    Path("out/b.png").unlink()
    assert main([*RUN, "--json", "--device", "cpu", "--tile", "64"]) == 0
    out, err = capsys.readouterr()
    assert "1 images denoised, 2 skipped as done before in " in err
    assert [json.loads(line).get("skipped", False) for line in out.splitlines()] == [True, False, True]
    assert contents(Path("out")) == before
    assert main(RUN) == 0
    assert len(journal()) == 4 and len(stamps) == 3
    assert main([*RUN, "--force"]) == 0
    assert len(journal()) == 7 and contents(Path("out")) == before
    assert journal()[0]["model"] == "median" and journal()[0]["peak_memory"] > 10**6 and journal()[0]["error"] is None


def test_a_changed_input_is_done_again_and_a_changed_result_kept(capsys: Caught) -> None:
    assert main(RUN) == 0
    put(Path("photos/a.png"), 9)
    put(Path("out/b.png"), 10)
    kept = contents(Path("out"))
    assert main(RUN) == 7
    err = capsys.readouterr().err
    assert "out/b.png was changed since it was made" in err and "1 images denoised, 1 skipped" in err
    after = contents(Path("out"))
    assert (
        after["a.png"] != kept["a.png"] and after["b.png"] == kept["b.png"] and after["sub/c.png"] == kept["sub/c.png"]
    )
    assert main([*RUN, "--force"]) == 0
    assert contents(Path("out"))["b.png"] != kept["b.png"]


def test_other_settings_and_other_files_are_refused_before_any_work(capsys: Caught) -> None:
    assert main(RUN) == 0
    before = contents(Path("out"))
    put(Path("photos/new.png"), 5)
    assert main([*RUN, "--set", "window=5"]) == 4
    assert "'out/a.png' and 2 more was made with other settings" in capsys.readouterr().err
    put(Path("out/new.png"), 6)
    assert main(RUN) == 4
    assert "'out/new.png' exists already" in capsys.readouterr().err
    Path("out/new.png").unlink()
    assert contents(Path("out")) == before
    assert main([*RUN, "--set", "window=5", "--force"]) == 0 and main([*RUN, "--set", "window=5"]) == 0
    assert contents(Path("out")).keys() == before.keys() | {"new.png"}


def test_a_kill_between_the_line_and_the_file(capsys: Caught) -> None:
    assert main(RUN) == 0
    before, place = contents(Path("out")), Path("out", NAME)
    Path("out/b.png").unlink()  # its line is there, it is not
    place.write_bytes(place.read_bytes() + b'\n{"input": "photos/a.p')  # and half a line of another process
    put(Path("photos/d.png"), 4)
    assert main(RUN) == 0
    assert "2 images denoised, 2 skipped" in capsys.readouterr().err
    assert contents(Path("out")).items() > before.items() and "d.png" in contents(Path("out"))
    assert main(RUN) == 0
    assert "0 images denoised, 4 skipped" in capsys.readouterr().err


def test_a_result_of_another_content_survives_a_kill_before_it_is_replaced() -> None:
    assert main(RUN) == 0
    old = Path("out/a.png").read_bytes()
    put(Path("photos/a.png"), 9)
    assert main(RUN) == 0
    new = Path("out/a.png").read_bytes()
    Path("out/a.png").write_bytes(old)  # as if the line had been written and the file not
    assert main(RUN) == 0
    assert Path("out/a.png").read_bytes() == new != old


def test_weights_and_options_are_settings(stock: Any, capsys: Caught) -> None:
    stock("dt.sp", "impulses", width=4, blocks=1, recall="impulses")
    command = ["run", "photos", "-o", "out", "-m", "dt.sp", "-n", "2", "--json"]
    assert main(command) == 0
    line = json.loads(capsys.readouterr().out.splitlines()[0])
    assert len(line["weights"]) == 64 and line["iters"] == [2] and line["tile"] is None
    assert main(command) == 0 and "skipped" in capsys.readouterr().out
    assert main([*command, "-n", "3"]) == 4
    stock("dt.sp", "impulses", width=5, blocks=1, recall="impulses")
    assert main(command) == 4
    assert main([*command[:-3], "-n", "1,2"]) == 0
    assert {"a-iters1.png", "a-iters2.png"} < contents(Path("out")).keys()


def test_shards_do_the_job_together(capsys: Caught) -> None:
    for seed in range(20):
        put(Path(f"photos/{seed}.png"), seed)
    assert main([*RUN, "--shard", "2/3"]) == 0
    done = len(contents(Path("out")))
    assert 0 < done < 23 and f"all shards: {done} of 23 images have results" in capsys.readouterr().err
    assert main([*RUN, "--shard", "1/3"]) == 0 and main([*RUN, "--shard", "3/3"]) == 0
    assert "all shards: 23 of 23 images have results" in capsys.readouterr().err
    assert len(contents(Path("out"))) == 23 and len(journal()) == 23
    assert main([*RUN, "--shard", "4/3"]) == 2
    files = ["run", "photos/a.png", "photos/b.png", "-m", "median", "--shard", "1/1"]
    assert main(files) == 0
    assert "all shards: 2 of 2 images have results" in capsys.readouterr().err
    for shard in ("1/2", "2/2"):
        assert main(["run", "photos/a.png", "-o", "-", "-m", "median", "--shard", shard]) == 2
    assert "stdout takes one" in capsys.readouterr().err


def test_lists_from_a_file_and_from_stdin(capsys: Caught) -> None:
    Path("list").write_text("photos/a.png\nphotos/sub/c.png\n")
    assert main(["run", "--files-from", "list", "-o", "out", "-m", "median"]) == 0
    assert contents(Path("out")).keys() == {"photos/a.png", "photos/sub/c.png"}
    done = subprocess.run(
        [sys.executable, "-m", "denoise_cli", "run", "--files-from", "-", "-o", "other", "-m", "median"],
        input=b"photos/a.png\0photos/sub\0",
        capture_output=True,
    )
    assert done.returncode == 0 and contents(Path("other")).keys() == {"photos/a.png", "c.png"}
    assert main(["run", "-m", "median"]) == 2 and "No image is named" in capsys.readouterr().err
    assert main(["run", "-", "--files-from", "-", "-m", "median"]) == 2


def test_failures_are_in_the_journal() -> None:
    Path("photos/b.png").write_bytes(b"no image")
    assert main(RUN) == 7
    assert sorted(record["input"] for record in journal() if record["error"]) == ["photos/b.png"]
    put(Path("photos/b.png"), 3)
    assert main(RUN) == 0 and len(contents(Path("out"))) == 3


def test_every_frame_is_denoised_and_metadata_can_be_left_out() -> None:
    random = np.random.default_rng(0)
    frames = [Pillow.fromarray(random.integers(0, 256, (8, 9), dtype=np.uint8)) for _ in range(3)]
    for name in ("a.tif", "a.gif", "a.webp"):
        frames[0].save(Path("photos", name), save_all=True, append_images=frames[1:], duration=70)
    noted = Pillow.Exif()
    noted[0x010F] = "Maker"
    frames[0].save("photos/noted.jpg", exif=noted)
    assert main(RUN) == 0
    for name in ("a.tif", "a.gif", "a.webp"):
        with Pillow.open(Path("out", name)) as seen:
            assert seen.n_frames == 3 and seen.info.get("duration", 70) == 70  # type: ignore[attr-defined]
    with Pillow.open("out/noted.jpg") as seen:
        assert seen.getexif()[0x010F] == "Maker"
    assert main([*RUN[:2], "-o", "bare", *RUN[4:], "--strip-metadata"]) == 0
    with Pillow.open("bare/noted.jpg") as seen:
        assert 0x010F not in seen.getexif()
    assert main(["run", "photos/a.tif", "-o", "one.jpg", "-m", "median"]) == 4


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such locks")
@pytest.mark.parametrize("done", [False, True])
def test_what_a_kill_has_left_is_swept_by_the_next_run(done: bool) -> None:
    if done:
        assert main(RUN) == 0
    left = [Path("out/.a.png.7.0a1b2c3d.part"), Path("out/sub/.c.png.7.0a1b2c3d.part")]
    for part in left:
        part.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
        os.utime(part, (0, 0))
    assert main([*RUN, "--dry-run"]) == 0 and all(part.exists() for part in left)
    assert main(RUN) == 0
    assert sorted(contents(Path("out"))) == ["a.png", "b.png", "sub/c.png"]
