"""Pages of papers: rows are trained by the command line, kept, scored and written."""

import shlex
from pathlib import Path

import numpy as np
import pytest
import torch

from denoise_cli.bench import study
from denoise_cli.bench.protocol import CBSD68, Trial
from denoise_cli.bench.study import Row, Scored, Study, Table
from denoise_cli.cli.app import main
from denoise_cli.errors import DenoiseError, UsageError
from denoise_cli.image import Image, Source, write

CPU = torch.device("cpu")
TINY = "dt --noise sp:0.2 --patch 16 --batch 2 --steps 2 --val 1 --set width=4 --set free_iters=1"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    draws = np.random.default_rng(1)
    for index in range(3):
        pixels = (draws.integers(64, 192, (3, 24, 24)) / 255).astype(np.float32)
        write(Image(pixels, Source("made")), tmp_path / CBSD68 / f"{index}.png")
    return tmp_path


def _study(train: str = TINY) -> Study:
    rows = (
        Row("ours", train, paper=(30.5,)),
        Row("filter", model="median"),
        Row("known", model="impulse", options={"share": 0.2}),
    )
    trials = (Trial(CBSD68, "sp:0.2", True),)
    return Study("A title", "A question.", CBSD68, (Table("A table.", rows, trials, counts=(1, 2)),), "A remark.")


def _rows(asked: Study, data: Path) -> list[list[Scored]]:
    return list(study.make(asked, data, data / "runs", CPU, torch.float32))


def test_rows_are_trained_scored_and_written(data: Path) -> None:
    results = _rows(_study(), data)
    ours, median, known = results[0]
    assert [figure is None for figure in ours.figures] == [False, False]
    assert [figure is None for figure in median.figures] == [False, True]
    assert known.figures[0] != median.figures[0]
    text = study.page("a-page", _study(), results)
    assert f"| ours | {ours.figures[0]:.2f} (30.5) | {ours.figures[1]:.2f} |" in text
    assert f"| filter | {median.figures[0]:.2f} |  |" in text
    assert f"denoise train {TINY} --data {CBSD68}  # " in text
    assert str(data) not in text
    for words in ("# A title", "A question.", "A table.", "A remark.", "denoise bench paper a-page"):
        assert words in text


def test_what_was_trained_and_scored_is_kept(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _rows(_study(), data)
    monkeypatch.setattr(study.subprocess, "run", None)  # type: ignore[attr-defined]
    monkeypatch.setattr(study, "run_trial", None)
    assert _rows(_study(), data) == first


def test_other_options_are_scored_anew(data: Path) -> None:
    trial = Trial(CBSD68, "sp:0.2", True)
    figures = [
        _rows(
            Study("", "", CBSD68, (Table("", (Row("", model="impulse", options={"share": share}),), (trial,)),)), data
        )
        for share in (0.2, 0.0)
    ]
    assert figures[0][0][0].figures != figures[1][0][0].figures


def test_a_training_that_fails_stops_the_study(data: Path) -> None:
    with pytest.raises(DenoiseError, match="--loss l9` failed"):
        _rows(_study(f"{TINY} --loss l9"), data)


def test_an_unknown_page_is_named() -> None:
    with pytest.raises(UsageError, match=r"no study 'lossses'(.|\n)*losses"):
        study.find("lossses")


@pytest.mark.parametrize("name", study.names())
def test_the_rows_of_every_page_can_be_trained(name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """All but the images is right: the command gets as far as reading them."""
    tables = study.find(name).tables
    assert tables
    for row in (row for table in tables for row in table.rows if row.train):
        code = main(["train", *shlex.split(row.train), "--data", "missing", "-o", str(tmp_path / "run")])
        assert code == 3, f"{row.train}: {capsys.readouterr().err}"


def test_pages_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "paper"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == study.names()
