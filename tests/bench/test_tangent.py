"""A wide net follows the tangent kernel's filter; the figure and the poster's table are on the page."""

from dataclasses import replace
from pathlib import Path

import pytest

from denoise_cli.bench import poster, tangent
from denoise_cli.cli.app import main
from denoise_cli.image import read


def test_wider_nets_move_less_and_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tangent, "EXTENT", 16)
    monkeypatch.setattr(tangent, "STEPS", 40)
    monkeypatch.setattr(tangent, "WIDTHS", (64, 1024))
    fits = list(tangent.measure())
    narrow, wide = (fit for fit in fits if fit.optimiser == tangent.DESCENT)
    assert wide.moved < 0.4 * narrow.moved and wide.apart < narrow.apart
    assert tangent.page(fits, [], None).count("| adam |") == 2


def test_the_page_has_the_figure_and_the_poster_s_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tangent, "EXTENT", 16)
    monkeypatch.setattr(tangent, "STEPS", 2)
    monkeypatch.setattr(tangent, "WIDTHS", (8, 16))
    monkeypatch.setattr(poster, "EXTENT", 24)
    monkeypatch.setattr(poster, "WAYS", {name: (*way[:2], 3) for name, way in poster.WAYS.items()})
    monkeypatch.setattr(poster, "NETS", {name: replace(net, width=4) for name, net in poster.NETS.items()})
    page = tmp_path / "page.md"
    assert main(["bench", "tangent", "-o", str(page)]) == 0
    told = page.read_text()
    rows = [line for line in told.splitlines() if line.endswith(")|") or line.endswith(") |")]
    assert len(rows) == 5 and all(row.count(" at ") == 2 for row in rows)
    assert "(page.png)" in told and read(tmp_path / "page.png").pixels.std() > 0.01


def test_the_kernel_of_the_image_filters_and_that_of_noise_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poster, "WAYS", {})
    image, noise = poster.measure()
    assert image.way == noise.way == poster.FILTER
    assert image.best > 23 > noise.best
