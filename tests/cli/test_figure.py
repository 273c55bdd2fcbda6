"""``denoise figure sheet``."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image as Pillow

from denoise_cli.cli.app import main
from denoise_cli.image import Image

Caught = pytest.CaptureFixture[str]
Draw = Callable[..., NDArray[np.uint8]]


def test_a_sheet_with_scores(here: Path, draw: Draw, capsys: Caught) -> None:
    draw("clean.png")
    assert main(["figure", "sheet", "a.png", "clean.png", "--clean", "clean.png", "-o", "sheet.png"]) == 0
    assert capsys.readouterr().out == "sheet.png\n" and (here / "sheet.png").exists()
    assert main(["figure", "sheet", "a.png", "clean.png", "--captions", "one", "-o", "x.png"]) == 2
    assert main(["figure", "sheet", "a.png", "clean.png", "-o", "sheet.png"]) == 4
    assert main(["figure", "sheet", "a.png", "-o", "y.png", "--max-pixels", "100"]) == 3


@pytest.mark.parametrize("output", ["a.png", "./a.png", "link.png", "clean.png"])
def test_an_input_is_never_overwritten(here: Path, draw: Draw, capsys: Caught, output: str) -> None:
    draw("clean.png")
    (here / "link.png").symlink_to("a.png")
    before = (here / "a.png").read_bytes(), (here / "clean.png").read_bytes()
    assert main(["figure", "sheet", "a.png", "--clean", "clean.png", "-o", output, "--force"]) == 4
    assert "would be overwritten by the sheet" in capsys.readouterr().err
    assert before == ((here / "a.png").read_bytes(), (here / "clean.png").read_bytes())


def test_files_of_floating_point_are_on_one_scale(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: Caught) -> None:
    random = np.random.default_rng(0)
    clean = random.uniform(-0.5, 1.5, (24, 32)).astype(np.float32)
    noisy = clean + random.normal(0, 0.3, clean.shape).astype(np.float32)
    tifffile.imwrite(here / "clean.tif", clean)
    tifffile.imwrite(here / "noisy.tif", noisy)
    assert main(["score", "noisy.tif", "clean.tif", "--metrics", "psnr", "--json"]) == 0
    psnr = json.loads(capsys.readouterr().out.splitlines()[0])["scores"]["psnr"]
    seen: list[tuple[Sequence[Image], Sequence[str]]] = []

    def contact_sheet(images: Sequence[Image], captions: Sequence[str], *rest: int) -> Image:
        seen.append((images, captions))
        return images[0]

    monkeypatch.setattr("denoise_cli.figures.sheet.contact_sheet", contact_sheet)
    assert main(["figure", "sheet", "noisy.tif", "clean.tif", "--clean", "clean.tif", "-o", "sheet.png"]) == 0
    assert main(["figure", "sheet", "clean.tif", "noisy.tif", "-o", "other.png"]) == 0
    (first, captions), (second, _) = seen
    assert captions == [f"noisy, {psnr:.1f} dB", "clean"]
    scale, offset = clean.max() - clean.min(), clean.min()
    for images in (first, second[::-1]):
        assert images[0].pixels[0] == pytest.approx((noisy - offset) / scale, abs=1e-5)
        assert images[1].pixels[0] == pytest.approx((clean - offset) / scale, abs=1e-5)


def test_versions_of_other_images_and_what_reading_changed_are_told(here: Path, draw: Draw, capsys: Caught) -> None:
    draw("small.png", width=9)
    assert main(["figure", "sheet", "a.png", "--clean", "small.png", "-o", "sheet.png"]) == 3
    assert "a.png has 32x24 pixels, its clean image 9x24." in capsys.readouterr().err
    Pillow.new("CMYK", (32, 24)).save(here / "print.jpg")
    assert main(["figure", "sheet", "print.jpg", "print.jpg", "-o", "sheet.png"]) == 0
    assert capsys.readouterr().err.count("print.jpg") == 1
