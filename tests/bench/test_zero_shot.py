"""The tables of fitting one image: what is measured, and how it is told."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from denoise_cli.bench import zero_shot
from denoise_cli.bench.zero_shot import Fitted, Page, Subject, Variant, fit, speed, stopping, subjects
from denoise_cli.cli.app import main
from denoise_cli.image import Image, Source, write

CPU = torch.device("cpu")
TINY = {"width": 4, "inputs": 2, "depth": 1}
SHORT = Variant("short", TINY, {"iters": 6}, torch.float32)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two small images in each of the sets."""
    for name, channels in (("set12", 1), ("cbsd68", 3)):
        for index in range(2):
            pixels = np.random.default_rng(index).random((channels, 20, 24), dtype=np.float32)
            mode = "L" if channels == 1 else "RGB"
            write(Image(pixels, Source("x", mode=mode)), tmp_path / name / f"{index}.png", force=False)
    return tmp_path


def test_subjects_are_the_middle_of_the_first_images(data: Path) -> None:
    found = list(subjects(data, ("gaussian:25", "sp:0.3"), side=16, each=1))
    assert [(item.name, item.noise) for item in found] == [
        ("set12/0", "gaussian:25"), ("set12/0", "sp:0.3"), ("cbsd68/0", "gaussian:25"), ("cbsd68/0", "sp:0.3"),
    ]  # fmt: skip
    assert found[2].clean.shape == found[2].noisy.shape == (1, 3, 16, 16)
    assert torch.equal(found[0].noisy, found[0].noisy.mul(255).round().div(255))


def test_one_fit_judges_all_rules(data: Path) -> None:
    subject = next(subjects(data, ("gaussian:25",), side=16, each=1))
    found = fit(subject, SHORT, ("none", "sigma:1"), CPU)
    assert found.steps == 6 and 1 <= found.best_at <= 6 and set(found.choices) == {"none", "sigma"}
    last = fit(subject, replace(SHORT, options={"iters": 6, "stop": "none"}), (), CPU)
    first = fit(subject, replace(SHORT, options={"iters": 1, "stop": "none"}), (), CPU)
    assert found.choices["none"] == pytest.approx(last.psnr, abs=1e-3)
    assert found.choices["sigma"] == pytest.approx(first.psnr, abs=1e-3)  # a misfit below 1 is there at once
    assert found.best >= max(found.psnr, last.psnr, first.psnr) - 1e-3


def test_the_table_of_losses() -> None:
    images = torch.zeros(1, 1, 2, 2)
    one = Subject("a", "gaussian:25", images, images + 0.1)
    found = [
        (one, Fitted(29.5, 30.0, 5, 9, 1.0, {"variance": 28.0, "sigma": 30.0})),
        (one, Fitted(29.9, 30.0, 5, 9, 1.0, {"variance": 29.0, "sigma": 29.8})),
    ]
    rows = list(stopping(found))
    assert rows[2] == "| gaussian:25 | 2 | 20.00 | 30.00 | 0.30 / 0.50 | 1.50 / 2.00 | 0.10 / 0.20 |"
    assert rows[3].startswith("| all | 2 |") and len(rows) == 4


def test_the_table_of_speed() -> None:
    slow, fast = Fitted(30.0, 30.5, 5, 100, 50.0, {}), Fitted(30.1, 30.4, 5, 50, 5.0, {})
    rows = list(speed([(Variant("slow", {}, {}), [slow]), (Variant("fast", {}, {}), [fast])]))
    assert rows[2:] == ["| slow | 50 | 1.0 | 500 | 30.00 | 30.50 |", "| fast | 5 | 10.0 | 100 | 30.10 | 30.40 |"]


def test_the_variants_can_be(data: Path) -> None:
    """Each way of fitting takes a step, with a tiny net."""
    subject = next(subjects(data, ("sp:0.3",), side=16, each=1))
    for variant in zero_shot.VARIANTS:
        tiny = replace(variant, config=variant.config | TINY, options=variant.options | {"iters": 2})
        assert fit(subject, tiny, (), CPU).steps == 2


def test_the_command_writes_the_page(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(zero_shot, "DEFAULT", SHORT)
    monkeypatch.setattr(zero_shot, "VARIANTS", (SHORT, replace(SHORT, label="again")))
    page = data / "page.md"
    words = ["--data", str(data), "--limit", "1", "--crop", "16", "-o", str(page), "--device", "cpu"]
    assert main(["bench", "fit", *words]) == 0
    told = page.read_text()
    assert "| gaussian:15 | 2 |" in told and "| all | 8 |" in told and "| again |" in told
    assert "--limit 1 --limit-speed 1 --crop 16" in told
    assert main(["bench", "fit", "--data", str(data / "nowhere")]) == 3
    assert "There is no set" in capsys.readouterr().err


def test_the_page_says_what_it_has(data: Path) -> None:
    assert "## Speed" not in str(Page(data, 16, 1, 1, CPU))
