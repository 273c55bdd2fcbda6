"""The tables of fitting one image: what is measured, and how it is told."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from denoise_cli.bench import fit_batches, zero_shot
from denoise_cli.bench.zero_shot import Fitted, Page, Place, Subject, Variant, fit, speed, stopping, subjects
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
    found = fit(subject, replace(SHORT, options={"iters": 6, "stop": "none"}), CPU)
    assert found.steps == 6 and 1 <= found.best_at <= 6 and set(found.choices) == {"variance", "sigma"}
    first = fit(subject, replace(SHORT, options={"iters": 1, "stop": "none"}), CPU)
    assert found.best >= max(found.psnr, first.psnr) - 1e-3


def test_a_fit_goes_on_behind_its_stop(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To learn what the best step would have been; its steps are those until it stopped."""
    monkeypatch.setattr(zero_shot, "_BEYOND", 60)
    subject = next(subjects(data, ("gaussian:25",), side=16, each=1))
    found = fit(
        subject, replace(SHORT, options={"iters": 80, "stop": "sigma:1"}), CPU
    )  # a misfit that is there at once
    assert found.steps == 1 < found.best_at <= 60 and found.best > found.psnr


def test_a_step_is_timed_for_every_variant(data: Path) -> None:
    subject = next(subjects(data, ("gaussian:25",), side=16, each=1))
    seconds = zero_shot.step_seconds(subject, [SHORT, replace(SHORT, dtype=torch.bfloat16)], CPU)
    assert len(seconds) == 2 and all(0 < each < 10 for each in seconds)


def test_the_table_of_losses() -> None:
    images = torch.zeros(1, 1, 2, 2)
    one = Subject("a", "gaussian:25", images, images + 0.1)
    found = [
        (one, Fitted(29.5, 30.0, 5, 9, {"variance": 28.0, "sigma": 30.0})),
        (one, Fitted(29.9, 30.0, 5, 10, {"variance": 29.0, "sigma": 29.8})),
    ]
    rows = list(stopping(found))
    assert rows[2] == "| gaussian:25 | 2 | 10 | 20.00 | 30.00 | 0.30 / 0.50 | 1.50 / 2.00 | 0.10 / 0.20 |"
    assert rows[3].startswith("| all | 2 |") and len(rows) == 4


def test_the_table_of_speed() -> None:
    slow, fast = Fitted(30.0, 30.5, 5, 100, {}), Fitted(30.1, 30.4, 5, 50, {})
    unlimited = Variant("unfitted", {}, {"iters": 40, "stop": "none"})
    found = [(Variant("slow", {}, {}), 0.5, [slow]), (Variant("fast", {}, {}), 0.1, [fast]), (unlimited, 0.5, [])]
    rows = list(speed([*found, (Variant("unknown", {}, {}), 0.2, [])]))
    assert rows[2:] == [
        "| slow | 500 | 100 | 50 | 1.0 | 30.00 | 30.50 |",
        "| fast | 100 | 50 | 5 | 10.0 | 30.10 | 30.40 |",
        "| unfitted | 500 | 40 | 20 | 2.5 |  |  |",
        "| unknown | 200 |  |  |  |  |  |",
    ]


def test_the_variants_can_be(data: Path) -> None:
    """Each way of fitting takes a step, with a tiny net."""
    subject = next(subjects(data, ("sp:0.3",), side=16, each=1))
    for variant in zero_shot.VARIANTS:
        tiny = replace(variant, config=variant.config | TINY, options=variant.options | {"iters": 2})
        alone = variant.options.get("stop") == "none"  # else it fits once more, for one step or two
        assert fit(subject, tiny, CPU).steps in ((2,) if alone else (3, 4))


def test_the_command_writes_the_page(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(zero_shot, "DEFAULT", SHORT)
    monkeypatch.setattr(zero_shot, "VARIANTS", (SHORT, replace(SHORT, label="again")))
    monkeypatch.setattr(fit_batches, "SIDES", (8, 12))
    page = data / "page.md"
    words = ["--data", str(data), "--runs", str(data / "runs"), "--limit", "1", "--crop", "16", "--crop-step", "16"]
    assert main(["bench", "fit", *words, "-o", str(page), "--device", "cpu"]) == 0
    told = page.read_text()
    assert "| gaussian:15 | 2 |" in told and "| all | 8 |" in told and "| again |" in told
    assert "--limit 1 --limit-speed 1 --crop 16 --crop-speed 128" in told
    assert [line.split(" | ")[0] for line in told.splitlines()[-2:]] == ["| 8 x 8", "| 12 x 12"]
    for module, name in ((zero_shot, "fit"), (fit_batches, "_fitted")):
        monkeypatch.setattr(module, name, lambda *_: pytest.fail("what is kept is not fitted again"))
    assert main(["bench", "fit", *words, "-o", str(page), "--device", "cpu"]) == 0
    assert page.read_text() == told
    assert main(["bench", "fit", "--data", str(data / "nowhere"), "--runs", str(data / "runs")]) == 3
    assert "There is no set" in capsys.readouterr().err


def test_images_alone_and_as_one_batch(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zero_shot, "DEFAULT", SHORT)
    monkeypatch.setattr(fit_batches, "SIDES", (16,))
    alone, together = fit_batches.measure(Place(data, data / "runs", CPU))
    assert (alone.batch, together.batch) == (1, fit_batches.IMAGES) and alone.side == together.side == 16
    assert together.psnr == pytest.approx(alone.psnr, abs=0.05) and min(alone.seconds, together.seconds) > 0
    *_, row = fit_batches.section([replace(alone, seconds=6.0, psnr=20.0), replace(together, seconds=2.5, psnr=20.1)])
    assert row == "| 16 x 16 | 6.0 | 2.5 | 2.4 | 20.00 | 20.10 |"


def test_nothing_is_measured_for_a_page_of_what_is_kept(data: Path) -> None:
    page = Page(Place(data, data / "runs", CPU, kept=True), (16, 16, 16), 1, 1, "")
    assert not list(page.fill()) and "## Speed" not in str(page)
