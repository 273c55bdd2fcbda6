"""Scores of BM3D and of nets alternated with a filter: measured once, kept, and told on a page."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from denoise_cli import checkpoint, methods, shelf
from denoise_cli.bench import non_local
from denoise_cli.bench.non_local import BM3D, Case, Score, cases, page
from denoise_cli.bench.protocol import BSD68, CBSD68, SET12, STRUCTURED, Trial, run_trial
from denoise_cli.cli.app import main
from denoise_cli.image import Image, Source, write
from denoise_cli.inference.publish import publish
from denoise_cli.inference.run import answer
from denoise_cli.inference.workbench import Wish, Workbench


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small Set12 and BSD68, and a shelf with an untrained DnCNN for gray images."""
    monkeypatch.setenv("DENOISE_WEIGHTS", str(tmp_path / "shelf"))
    monkeypatch.setattr(non_local, "_TIMED_SIDE", 16)
    card = methods.find("dncnn")
    config = replace(card.config, depth=3, features=4, channels=1)
    torch.manual_seed(0)
    net = card.make(config)
    assert isinstance(net, torch.nn.Module) and card.recipe is not None
    recipe = asdict(replace(card.recipe, noise="gaussian:0..55"))
    provenance = {"command": "denoise train dncnn", "data": ["photos"], "seconds": 9.0}
    made = checkpoint.Checkpoint("dncnn", asdict(config), recipe, provenance, net.state_dict())
    checkpoint.save(tmp_path / "best.safetensors", made)
    publish(tmp_path / "best.safetensors", "dncnn.tiny", "gaussian", "cpu", half=False)
    for name in (SET12, BSD68):
        pixels = (np.random.default_rng(0).integers(64, 192, (1, 24, 28)) / 255).astype(np.float32)
        write(Image(pixels, Source("made")), tmp_path / name / "a.png")
    return tmp_path


def test_the_cases() -> None:
    assert {case.images for case in cases([BM3D, "dt.gaussian"], [], [])} == {BSD68, CBSD68, SET12, STRUCTURED}
    assert cases([BM3D], [BSD68], [25, 75]) == [Case(BM3D, BSD68, 25)]
    assert [case.level for case in cases(["dt.gaussian"], [STRUCTURED], [])] == [30, 50, 75]


def test_scores_are_measured_once(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["--data", str(here), "--runs", str(here / "runs"), "--levels", "50", "--device", "cpu"]
    words = ["bench", "non-local", "bm3d", "dncnn.tiny", "--sets", "set12", *common]
    assert main([*words, "-o", str(here / "page.md")]) == 0
    text = (here / "page.md").read_text()
    assert "| set12 | 50 | " in text and "`nn3d:dncnn.tiny`:" in text and "| 26.70 |" in text
    assert sorted(path.name for path in (here / "runs").iterdir()) == [
        "bm3d-pace-16.json",
        "bm3d-set12-50.json",
        f"dncnn.tiny-{shelf.find('dncnn.tiny').sha256[:8]}-set12-50.json",
    ]
    (here / SET12 / "a.png").unlink()
    capsys.readouterr()
    assert main(words) == 0
    assert capsys.readouterr().out.strip() == text.strip()
    assert main(["bench", "non-local", "bm3d", "--sets", "cbsd68", *common]) == 3
    capsys.readouterr()
    assert main(["bench", "non-local", "bm3d", "dncnn.tiny", "--kept", *common]) == 0
    assert capsys.readouterr().out.strip() == text.strip()


def test_the_page() -> None:
    scores = [
        Score(Case(BM3D, BSD68, 25), (28.5,)),
        Score(Case("dt.gaussian", SET12, 50), (27.0, 27.05, 27.1, 27.125)),
    ]
    text = page(scores)
    assert "| bsd68-gray | 25 | 28.50 | 28.57 | -0.07 |" in text
    assert "| set12 | 50 | 27.00 | 27.05 | 27.10 | 27.12 | +0.12 |" in text


def test_the_pace_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(non_local, "_TIMED_SIDE", 16)
    assert non_local.pace(tmp_path, kept=True) is None
    seconds = non_local.pace(tmp_path, kept=False)
    assert seconds is not None and seconds > 0 and non_local.pace(tmp_path, kept=True) == seconds
    assert f"takes {seconds:.1f} seconds" in page([], seconds)


def test_the_structured_samples_are_gray(tmp_path: Path) -> None:
    seen: list[tuple[int, ...]] = []

    def look(noisy: torch.Tensor) -> list[torch.Tensor]:
        seen.extend(tuple(image.shape) for image in noisy)
        return [noisy]

    (score,) = run_trial(Trial(STRUCTURED, "gaussian:50", False), tmp_path, look, torch.device("cpu"))
    assert len(seen) == 4 and {shape[0] for shape in seen} == {1}
    assert 14.1 < score < 15.5  # what leaves the range is clipped before it is scored


@pytest.mark.parametrize("name", ["nn3d:dncnn", "nn3d:dncnn.tiny"])
def test_a_wrapper_takes_the_weights_of_its_net(here: Path, name: str) -> None:
    pixels = np.random.default_rng(1).random((1, 24, 28)).astype(np.float32)
    bench = Workbench(Wish(name), lambda card: replace(card.options, search=5, sigma=25.0))
    choice = bench.choose(Image(pixels, Source("a.png")))
    assert choice.name == "nn3d:dncnn.tiny"
    (estimate,) = answer(choice.engine, Image(pixels, Source("a.png"))).images
    alone = Workbench(Wish("dncnn.tiny"), lambda card: card.options).choose(Image(pixels, Source("a.png")))
    (unfiltered,) = answer(alone.engine, Image(pixels, Source("a.png"))).images
    assert estimate.pixels.shape == pixels.shape and np.abs(estimate.pixels - unfiltered.pixels).max() > 1e-3
    assert choice.engine.denoiser.channels == 1 and choice.engine.denoiser.stride == 3
