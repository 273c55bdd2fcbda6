"""The page of the memory that runs take."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image as Pillow

from denoise_cli.bench import memory
from denoise_cli.bench.memory import Folder, Peak, page, photo
from denoise_cli.bench.process import run
from denoise_cli.cli.app import main
from denoise_cli.errors import DenoiseError


def test_photos_are_as_large_as_asked_for() -> None:
    with Pillow.open(BytesIO(photo(1))) as picture:
        assert picture.size == (1224, 816) and picture.mode == "RGB"


def test_the_peak_of_a_process_is_its_own() -> None:
    hold = "x = bytearray(200_000_000); x[::4096] = x[::4096]; print(len(x))"
    ran = run(["-c", hold])
    assert ran.stdout == "200000000\n" and 200e6 < ran.peak < 260e6 and ran.seconds > 0 and ran.wall > 0
    assert run(["-c", ""]).peak < 100e6, "not that of the tests, which have torch"
    with pytest.raises(DenoiseError, match="ended with exit code 3"):
        run(["-c", "raise SystemExit(3)"])


def test_figures_are_kept_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib", reason="takes the extra report")
    monkeypatch.setattr(memory, "photo", lambda megapixels: photo(1))
    words = ["bench", "memory", "median", "--sizes", "1", "--folder", "3", "--runs", str(tmp_path / "runs")]
    output = tmp_path / "page.md"
    assert main([*words, "-o", str(output)]) == 0
    text = output.read_text()
    assert "| megapixels | 1 |" in text and "![memory over the size of the image](page.png)" in text
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")
    monkeypatch.setattr(memory, "photo", None)  # nothing is measured again
    assert main([*words, "-o", str(output)]) == 0 and output.read_text() == text


def test_the_page() -> None:
    peak = Peak("dt.gaussian", 50, 24, 1_200_000_000, 300.0)
    text = page([peak, replace(peak, megapixels=1, peak=300_000_000)], [Folder("median", 9, 10**8, 11 * 10**7, 1)], "p")
    assert "| megapixels | 1 | 24 |" in text and "| dt.gaussian, 50 iterations | 300 MB | 1200 MB |" in text
    assert "| median | 9 | 100.0 MB | 110.0 MB | 10.0 % |" in text


def test_a_wrong_number_of_iterations(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "memory", "dt.gaussian:many"]) == 2
    assert "'many' is no number of iterations" in capsys.readouterr().err
