"""A wide net follows the tangent kernel's filter."""

import pytest

from denoise_cli.bench import tangent


def test_wider_nets_move_less_and_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tangent, "EXTENT", 16)
    monkeypatch.setattr(tangent, "STEPS", 40)
    monkeypatch.setattr(tangent, "WIDTHS", (64, 1024))
    fits = list(tangent.measure())
    narrow, wide = (fit for fit in fits if fit.optimiser == tangent.DESCENT)
    assert wide.moved < 0.4 * narrow.moved and wide.apart < narrow.apart
    assert tangent.page(fits).count("| adam |") == 2
