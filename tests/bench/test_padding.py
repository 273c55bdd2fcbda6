"""Table II: what is fitted, and how means and spread are told."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from denoise_cli import methods
from denoise_cli.bench import padding
from denoise_cli.bench.padding import Score, best, table
from denoise_cli.cli.app import main


def test_the_mean_and_the_spread_over_seeds() -> None:
    scores = [
        Score("the default", "edge", seed, whole, 0.5, 20.0 + seed)
        for seed, whole in ((0, 0.80), (0, 0.90), (1, 0.86), (1, 0.86))
    ]
    assert list(table(scores))[2:] == [
        "| the default | edge | 2 x 2 | 0.855 +- 0.007 | 0.500 +- 0.000 | 0.877, 0.876 | -0.022, -0.376 | 20.50 |"
    ]


def test_the_best_padding_is_named() -> None:
    scores = [
        Score("a", "none", 0, 0.8, 0.9, 20.0),
        Score("a", "edge", 0, 0.9, 0.8, 24.0),
        Score("a", "zero", 0, 0.7, 0.7, 25.0),
        Score("b", "zero", 0, 0.1, 0.1, 10.0),
    ]
    first, second = best(scores)
    assert "With a, the padding edge" in first and "none at its centre, zero at its borders" in first
    assert "the padding zero" in second


def test_the_borders_are_the_outermost_pixels() -> None:
    clean = torch.zeros(1, 3, 12, 10)
    estimate = clean.clone()
    estimate[..., 4:-4, 4:-4] = 0.9  # not a border
    estimate[..., 0, :] = 0.1  # 10 of 112 pixels
    assert padding._frame(estimate, clean) == pytest.approx(20 + 10 * math.log10(11.2))


def test_the_ways_are_options_of_the_method() -> None:
    card = methods.find("rnn")
    for changes in padding.WAYS.values():
        assert type(card.options)(**changes)


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a set of our own, with few steps of a small net."""
    records = np.random.default_rng(0).integers(0, 256, (2, 3073), dtype=np.uint8)
    records[:, 0] = 1
    folder = tmp_path / "cifar10-subset"
    folder.mkdir()
    for name in ("test_batch.bin", *(f"data_batch_{index}.bin" for index in range(1, 6))):
        (folder / name).write_bytes(records.tobytes())
    short = {name: {"iters": 1} for name in padding.WAYS}
    monkeypatch.setattr(padding, "WAYS", short)
    page = tmp_path / "page.md"
    words = ["--data", str(tmp_path), "--runs", str(tmp_path / "runs"), "-o", str(page), "--device", "cpu"]
    words += ["--limit", "1", "--seeds", "2"]
    assert main(["bench", "padding", *words]) == 0
    told = page.read_text()
    assert told.count("| 1 x 2 |") == 16 and "+-" in told
    monkeypatch.setattr(padding, "_fit", lambda *_: pytest.fail("what is kept is not fitted again"))
    assert main(["bench", "padding", *words]) == 0 and page.read_text() == told
