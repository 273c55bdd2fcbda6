import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from denoise_cli.scoring.pairs import Match, Pairs, pair_up
from denoise_cli.scoring.region import Region
from denoise_cli.scoring.rows import Row, mean, rows


def _write(path: Path, pixels: NDArray[np.generic]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)
    return path


def _flat(level: int, *shape: int) -> NDArray[np.uint8]:
    return np.full(shape, level, np.uint8)


def _one(output: Path, clean: Path, region: Region | None = None, noisy: Path | None = None) -> Row:
    noisy_pairs = Pairs((Match("noisy", noisy, clean),)) if noisy else None
    (row,) = rows(Pairs((Match("image", output, clean),)), ("psnr", "ssim", "ms-ssim"), region, noisy_pairs)
    return row


def test_scores_by_hand_and_the_gain(tmp_path: Path) -> None:
    clean = _write(tmp_path / "clean.png", _flat(100, 20, 30, 3))
    output = _write(tmp_path / "output.png", _flat(101, 20, 30, 3))
    noisy = _write(tmp_path / "noisy.png", _flat(110, 20, 30, 3))
    row = _one(output, clean, noisy=noisy)
    assert row.problem is None
    assert row.scores["psnr"] == pytest.approx(20 * math.log10(255), abs=1e-3)
    assert row.gains["psnr"] == pytest.approx(20.0, abs=1e-3)  # an error of 1 instead of 10
    assert row.gains["ssim"] > 0


def test_a_metric_that_is_not_defined_leaves_the_others_alone(tmp_path: Path) -> None:
    clean = _write(tmp_path / "clean.png", _flat(100, 10, 200))
    row = _one(_write(tmp_path / "output.png", _flat(105, 10, 200)), clean)
    assert math.isfinite(row.scores["psnr"])
    assert math.isnan(row.scores["ssim"]) and math.isnan(row.scores["ms-ssim"])
    assert row.notes == ("ssim is not defined below 11 px: 200x10.", "ms-ssim is not defined below 161 px: 200x10.")
    assert row.problem is None


def test_only_the_region_counts(tmp_path: Path) -> None:
    pixels = _flat(0, 32, 32)
    clean = _write(tmp_path / "clean.png", pixels)
    pixels[:8] = 255  # above the centre
    output = _write(tmp_path / "output.png", pixels)
    assert _one(output, clean, Region(16, 16)).scores["psnr"] == math.inf
    assert _one(output, clean, Region(16, 18)).scores["psnr"] == pytest.approx(10 * math.log10(18), abs=1e-3)
    problem = _one(output, clean, Region(16, 40)).problem
    assert problem == "the region center:16x40 does not fit into 32x32 pixels"


def test_other_sizes_channels_and_damaged_files_are_named(tmp_path: Path) -> None:
    clean = _write(tmp_path / "clean.png", _flat(9, 20, 30, 3))
    turned = _one(_write(tmp_path / "turned.png", _flat(9, 30, 20, 3)), clean)
    assert turned.problem == "has 20x30 pixels, its clean image 30x20" and not turned.scores
    gray = _one(_write(tmp_path / "gray.png", _flat(9, 20, 30)), clean)
    assert gray.problem == "has 1 channel, its clean image 3 channels" and not gray.scores
    (tmp_path / "damaged.png").write_bytes(clean.read_bytes()[:-20])
    damaged = _one(tmp_path / "damaged.png", clean)
    assert "damaged.png" in (damaged.problem or "") and not damaged.scores


def test_a_bad_noisy_image_keeps_the_scores(tmp_path: Path) -> None:
    clean = _write(tmp_path / "clean.png", _flat(9, 20, 30))
    row = _one(clean, clean, noisy=_write(tmp_path / "noisy.png", _flat(9, 20, 31)))
    assert row.scores["psnr"] == math.inf and not row.noisy_scores
    assert row.problem == "noisy image: has 31x20 pixels, its clean image 30x20"


def test_every_image_without_a_partner_gets_a_row(tmp_path: Path) -> None:
    for name in ("clean/a.png", "clean/b.png", "outputs/a.png", "outputs/c.png", "noisy/b.png", "noisy/d.png"):
        _write(tmp_path / name, _flat(9, 12, 12))
    clean = tmp_path / "clean"
    found = list(rows(pair_up(tmp_path / "outputs", clean), ("psnr",), None, pair_up(tmp_path / "noisy", clean)))
    assert [(Path(row.name).name, row.problem) for row in found] == [
        ("a.png", "has no noisy image"),
        ("c.png", "has no clean image"),
        ("b.png", "has no output"),
        ("d.png", "is a noisy image without a clean one"),
    ]
    assert found[0].scores == {"psnr": math.inf}


def test_sixteen_bits_count(tmp_path: Path) -> None:
    clean = _write(tmp_path / "clean.png", np.full((12, 12, 3), 1000, np.uint16))
    output = _write(tmp_path / "output.png", np.full((12, 12, 3), 1001, np.uint16))
    assert _one(output, clean).scores["psnr"] == pytest.approx(20 * math.log10(65535), abs=0.01)


def test_a_floating_point_output_beyond_the_range_is_clipped_not_stretched(tmp_path: Path) -> None:
    clean = np.tile(np.linspace(0, 1, 16, dtype=np.float32), (16, 1))
    tifffile.imwrite(tmp_path / "clean.tif", clean)
    output = clean.copy()
    output[:, -1] = 1.5
    tifffile.imwrite(tmp_path / "output.tif", output)
    assert _one(tmp_path / "output.tif", tmp_path / "clean.tif").scores["psnr"] > 100


def test_the_mean_is_of_what_is_finite() -> None:
    assert mean([20.0, 30.0, math.nan, math.inf]) == 25.0
    assert mean([math.inf, math.nan]) == math.inf
    assert math.isnan(mean([math.nan])) and math.isnan(mean([]))
