"""The page of the estimates' errors, on sets that the test makes."""

from pathlib import Path

import numpy as np
import pytest

from denoise_cli.bench import inspection
from denoise_cli.bench.protocol import BSD68, CBSD68
from denoise_cli.image import Image, Source, write


def test_rows_and_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ramp = np.broadcast_to(np.linspace(0.2, 0.8, 96, dtype=np.float32), (3, 64, 96))
    for name in (BSD68, CBSD68):
        for index in range(2):
            write(Image(ramp[: 1 if name == BSD68 else 3].copy(), Source("x")), tmp_path / name / f"{index}.png")
    monkeypatch.setattr(inspection, "SETS", (BSD68, CBSD68))
    rows = list(inspection.measure(tmp_path, every=2))
    assert len(rows) == 2 * len(inspection.NOISES) and all(len(row.cases) == 1 for row in rows)
    cases = {(row.images, row.noise): row.cases[0] for row in rows}
    assert cases[CBSD68, "gaussian:25"].sigma == pytest.approx(25, rel=0.02)
    assert cases[CBSD68, "gaussian:25"].sigma_holds
    assert cases[BSD68, "sp:0.1"].share == pytest.approx(0.1, abs=0.01) and cases[BSD68, "sp:0.1"].sigma is None
    assert cases[BSD68, "mixed:15+0.05"].sigma == 15
    text = inspection.page(rows, 2)
    assert f"1 of {BSD68}, 1 of {CBSD68}" in text and "--every 2" in text
    assert all(f"| `{noise}` |" in text for noise in inspection.NOISES)
