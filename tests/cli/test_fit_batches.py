"""Small images of one shape fitted as one batch: the same answers, and what goes wrong with one is its own affair."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from denoise_cli import files
from denoise_cli.cli.app import main
from denoise_cli.errors import OutputError
from denoise_cli.fitting import memory
from denoise_cli.image import Image, Source, read, write

TINY = ["--set", "width=4", "--set", "inputs=2", "--set", "depth=1"]


def pictures(folder: Path, shapes: dict[str, tuple[int, int, int]]) -> list[str]:
    """Noise of the shapes (C, H, W), by the name."""
    for seed, (name, shape) in enumerate(shapes.items()):
        pixels = np.random.default_rng(seed).random(shape, dtype=np.float32)
        mode = "L" if shape[0] == 1 else "RGB"
        write(Image(pixels, Source(name, mode=mode, depth=8)), folder / f"{name}.png", force=False)
    return [str(folder / f"{name}.png") for name in shapes]


def told(out: str, what: str) -> dict[str, int]:
    """What ``--json`` tells of each image that was fitted; ``batch``: how many were fitted together with it."""
    records = map(json.loads, out.splitlines())
    return {Path(record["input"]).stem: record[what] for record in records if record["error"] is None}


def test_small_images_of_one_shape_go_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shapes = {"a": (3, 11, 14), "b": (1, 11, 14), "c": (3, 11, 14), "d": (3, 14, 11), "e": (3, 11, 14)}
    noisies = pictures(tmp_path, shapes | {"large": (3, 65, 64), "wide": (3, 65, 64)})
    words = ["--stop", "auto", "--iters", "6", "--json", "--workers", "1", *TINY]
    ways = {"auto": [], "alone": ["--batch", "1"], "two": ["--batch", "2"], "time": ["--time", "9m"]}
    batches, steps = {}, {}
    for way, flags in ways.items():
        assert main(["fit-dip", *noisies, "-o", str(tmp_path / way), *words, *flags]) == 0
        out = capsys.readouterr().out
        batches[way], steps[way] = told(out, "batch"), told(out, "steps")
    assert batches["auto"] == {"a": 3, "b": 1, "c": 3, "d": 1, "e": 3, "large": 1, "wide": 1}
    assert batches["two"] == {"a": 2, "b": 1, "c": 2, "d": 1, "e": 1, "large": 2, "wide": 2}
    assert set(batches["alone"].values()) == set(batches["time"].values()) == {1}, "a time is that of each image"
    assert steps["auto"] == steps["alone"], "each has its own"
    for name in shapes:
        alone, *others = (read(tmp_path / word / f"{name}.png").pixels for word in ("alone", "auto", "two"))
        for other in others:
            np.testing.assert_allclose(other, alone, atol=3 / 255)


def test_no_process_is_left_without_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noisies = pictures(tmp_path, dict.fromkeys("abcdef", (3, 9, 9)))
    words = ["-o", str(tmp_path / "out"), "--iters", "2", "--workers", "2", "--json", "--save-every", "2", *TINY]
    assert main(["fit-dip", *noisies, *words]) == 0
    assert set(told(capsys.readouterr().out, "batch").values()) == {3}
    assert len(list((tmp_path / "out").glob("*-step2.png"))) == 6


def test_one_that_fails_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One is no image, one cannot be written."""
    noisies = pictures(tmp_path, dict.fromkeys("abc", (1, 9, 9)))
    (tmp_path / "none.png").write_bytes(b"no image")
    real = files.write_atomically

    def full(path: Path, data: bytes, *, force: bool) -> None:
        if path.name == "b.png":
            raise OutputError("The disk is full.", "Make room.")
        real(path, data, force=force)

    monkeypatch.setattr(files, "write_atomically", full)
    words = ["-o", str(tmp_path / "out"), "--iters", "2", "--workers", "1", "--json", *TINY]
    assert main(["fit-dip", *noisies, str(tmp_path / "none.png"), *words]) == 7
    out = capsys.readouterr().out
    records = {Path(record["input"]).stem: record for record in map(json.loads, out.splitlines())}
    assert [name for name, record in records.items() if record["error"]] == ["b", "none"]
    assert told(out, "batch") == {"a": 3, "c": 3}
    assert sorted(path.stem for path in (tmp_path / "out").iterdir() if path.is_file()) == [".denoise", "a", "c"]


def test_one_that_diverges_leaves_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noisies = pictures(tmp_path, dict.fromkeys("ab", (1, 9, 9)))
    words = ["--net", "plain", "--set", "width=8", "--set", "side=3", "--optimiser", "descent", "--input", "image"]
    words += ["--rate", "40", "--iters", "40", "--workers", "1", "--json", "-o", str(tmp_path / "out")]
    assert main(["fit-dip", *noisies, *words]) == 0
    out, err = capsys.readouterr()
    assert set(told(out, "batch").values()) == {1} and "2 images cannot be one batch" in err and "begins again" in err


def test_where_memory_is_short_each_is_fitted_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    needs: list[float] = []

    def part_that_fits(need: float, device: torch.device) -> float:
        needs.append(need)
        return 1.0 if need < needs[0] else 0.5

    monkeypatch.setattr(memory, "part_that_fits", part_that_fits)
    noisies = pictures(tmp_path, dict.fromkeys("abc", (1, 9, 9)))
    words = ["--iters", "2", "--workers", "1", "--json", "-o", str(tmp_path / "out"), *TINY]
    assert main(["fit-dip", *noisies, *words]) == 0
    out, err = capsys.readouterr()
    assert set(told(out, "batch").values()) == {1} and "3 images cannot be one batch, each is fitted by itself" in err
    assert needs[0] > 2 * needs[-1]
