"""Real photographs beside the means of many: the pairs that are found, what is kept, and the page."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from denoise_cli.bench import real
from denoise_cli.bench.real import Score, Way, pairs
from denoise_cli.cli.app import main
from denoise_cli.errors import InputError


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two pairs, and few ways to denoise them."""
    monkeypatch.setattr(real, "WAYS", (Way(), Way("median"), Way("bm3d", 20.0), Way("cbdnet.camera", gamma=2.0)))
    rng = np.random.default_rng(0)
    (tmp_path / "nam").mkdir()
    for name in "ab":
        mean = np.tile(np.linspace(40, 200, 40)[None, :, None], (32, 1, 3))
        for kind, pixels in (("mean", mean), ("real", mean + rng.normal(0, 12, mean.shape))):
            Pillow.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(tmp_path / "nam" / f"{name}_{kind}.png")
    return tmp_path


def test_the_page_and_what_is_kept(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["bench", "real", "--sets", "nam", "--data", str(photos), "--runs", str(photos / "runs"), "--device", "cpu"]
    assert main([*words, "-o", str(photos / "page.md")]) == 0
    text = (photos / "page.md").read_text()
    assert "Here: 2.\n" in text and "Without a model was taken: `" in text and "`denoise run --model median`" in text
    assert "`denoise run --model cbdnet.camera --set gamma=2`" in text
    kept = sorted(path.name for path in (photos / "runs").iterdir())
    assert [name.split("-")[1] for name in kept] == ["bm3d", "cbdnet.camera", "median", "run"]
    scores = [Score(**score) for score in json.loads((photos / "runs" / kept[0]).read_text())]
    assert [(score.photo, score.by) for score in scores] == [("a", "bm3d"), ("b", "bm3d")]
    for score in scores:
        assert score.before == pytest.approx(26.5, abs=0.6)
        assert score.psnr > score.before + 3 and score.ssim > score.ssim_before
    (photos / "nam" / "a_real.png").unlink()
    capsys.readouterr()
    assert main(words) == 0
    assert capsys.readouterr().out == text  # nothing was measured again


def test_what_is_no_pair(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [clean.name for _, clean in pairs(photos / "nam")] == ["a_mean.png", "b_mean.png"]
    (photos / "nam" / "b_mean.png").unlink()
    with pytest.raises(InputError, match=r"b_real\.png has no clean image"):
        list(pairs(photos / "nam"))
    with pytest.raises(InputError, match="no real photographs in"):
        list(pairs(photos))
    assert main(["bench", "real", "--sets", "nom", "--data", str(photos)]) == 2
    assert "no set 'nom'" in capsys.readouterr().err
