"""Pages of papers: rows are trained by the command line, kept, scored and written."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from denoise_cli import shelf
from denoise_cli.bench import study
from denoise_cli.bench.page import columns, curves, page
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
    text = page("a-page", _study(), results, {0: "a-page-1.png"})
    assert f"| ours | {ours.figures[0]:.2f} (30.5) | {ours.figures[1]:.2f} |" in text
    assert f"| filter | {median.figures[0]:.2f} |  |" in text
    assert f"denoise train {TINY} --data data/{CBSD68}\n" in text
    assert str(data) not in text
    for words in ("# A title", "A question.", "A table.", "A remark.", "denoise bench paper a-page", "(a-page-1.png)"):
        assert words in text


def _table(**more: Any) -> Table:
    trials = tuple(Trial(CBSD68, f"sp:{share}", True) for share in (0.1, 0.3))
    return Table("", (Row("a", model="median", paper=(30.0, None, 20.0, None)),), trials, counts=(1, 5), **more)


def test_headings_leave_out_what_all_have_in_common() -> None:
    assert columns(_table()) == [f"sp:{share}, {count} iterations" for share in (0.1, 0.3) for count in (1, 5)]
    lone = replace(_table(), trials=_table().trials[:1], counts=(5,), metrics=("psnr", "ssim"))
    assert columns(lone) == ["cbsd68 sp:0.1 8 bit, psnr", "cbsd68 sp:0.1 8 bit, ssim"]


def test_curves_over_levels_iterations_and_rows() -> None:
    rows = [Scored(_table().rows[0], (1.0, 2.0, 3.0, None), "")]
    over = _table(figure=study.ITERATIONS)
    assert curves(over, rows) == {"a, sp:0.1": [(1, 1.0), (5, 2.0)], "a, sp:0.3": [(1, 3.0)]}
    levels = replace(over, figure=study.LEVELS, counts=(5,))
    rows = [Scored(Row("a", paper=(30.0, 20.0)), (1.0, 3.0), "")]
    assert curves(levels, rows) == {"a": [(0.1, 1.0), (0.3, 3.0)], "a, the paper": [(0.1, 30.0), (0.3, 20.0)]}
    rows = [Scored(Row(str(at), at=at), (at, 2 * at), "") for at in (1.0, 2.0)]
    found = curves(replace(over, figure=study.ROWS, counts=()), rows)
    assert found == {"sp:0.1": [(1.0, 1.0), (2.0, 2.0)], "sp:0.3": [(1.0, 2.0), (2.0, 4.0)]}


def test_repetitions_are_summed_up() -> None:
    rows = [Scored(Row(str(figure)), (figure,), "") for figure in (20.0, 30.0, 28.0)]
    table = replace(_table(), trials=_table().trials[:1], counts=(), spread=True)
    assert "3 rows: 26.00 on average, 20.00 to 30.00." in page("x", Study("", "", "", (table,)), [rows], {})


def test_a_page_is_written_with_its_figures(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = (Row("filter", model="median"), Row("known", model="impulse"))
    asked = Study("T", "Q.", CBSD68, (Table("C.", rows, _table().trials, figure=study.LEVELS, axis="share"),))
    monkeypatch.setattr(study, "find", lambda name: asked)
    words = ["bench", "paper", "x", "--data", str(data), "--runs", str(data / "runs"), "-o", str(data / "x.md")]
    assert main(words) == 0
    assert "![T](x-1.png)" in (data / "x.md").read_text()
    assert (data / "x-1.png").read_bytes().startswith(b"\x89PNG")
    assert "from the weights that ship" in (data / "x.md").read_text()
    capsys.readouterr()


@pytest.mark.usefixtures("shelved")
def test_what_the_index_quotes_is_not_measured_again(data: Path) -> None:
    trial = Trial(CBSD68, "gaussian:25", False)
    quoted = {str(trial): 31.25}
    shelf.write_index([replace(entry, scores=quoted) for entry in shelf.entries()])
    other = replace(trial, noise="gaussian:50")
    rows = (Row("ours", weights="dncnn.color-blind"),)
    ((scored,),) = _rows(Study("", "", CBSD68, (Table("", rows, (trial, other)),)), data)
    assert scored.figures[0] == 31.25 and scored.figures[1] not in (31.25, None)


def test_a_net_is_told_the_sigma_of_each_column_and_a_row_can_tell_another(stock: Any, data: Path) -> None:
    stock("ffdnet.color", depth=3, features=4)
    trials = tuple(Trial(CBSD68, f"gaussian:{sigma}", False) for sigma in (15, 50))
    rows = (
        Row("", weights="ffdnet.color", told=True),
        Row("", weights="ffdnet.color", options={"sigma": 15 / 255}),
        Row("", weights="ffdnet.color", options={"sigma": 50 / 255}),
    )
    (found,) = _rows(Study("", "", CBSD68, (Table("", rows, trials),)), data)
    right, low, high = (scored.figures for scored in found)
    assert right == (low[0], high[1]) and low[1] != high[1]


def test_the_net_that_a_classifier_picks(stock: Any, data: Path) -> None:
    stock("class-aware.animals", channels=1, depth=3, features=4)
    stock("class-aware.food", channels=1, depth=3, features=4, seed=1)
    stock("classifier.x", classes=("animals/cat", "food/pie"), features=4)
    trial = Trial(CBSD68, "gaussian:25", False, gray=True)
    rows = (
        Row("", weights="class-aware.animals"),
        Row("", weights="class-aware.food"),
        Row("", model="class-aware"),
    )
    (found,) = _rows(Study("", "", CBSD68, (Table("", rows, (trial,)),)), data)
    animals, food, picked = (scored.figures[0] for scored in found)
    assert animals != food and min(animals, food) <= picked <= max(animals, food)
    stock("class-aware.food", channels=1, depth=3, features=4, seed=2)
    stock("class-aware.animals", channels=1, depth=3, features=4, seed=3)
    (found,) = _rows(Study("", "", CBSD68, (Table("", rows[2:], (trial,)),)), data)
    assert found[0].figures[0] != picked


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


_WORDS = sorted({row.train for name in study.names() for table in study.find(name).tables for row in table.rows})[1:]


@pytest.mark.parametrize("words", _WORDS)
def test_the_rows_of_every_page_can_be_trained(words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """All but the images is right: the command gets as far as reading them."""
    code = main(["train", *shlex.split(words), "--data", "missing", "-o", str(tmp_path / "run")])
    assert code == 3, capsys.readouterr().err


def test_every_page_has_rows_of_one_kind_each_and_as_many_figures_of_the_paper_as_columns() -> None:
    for name in study.names():
        for table in study.find(name).tables:
            assert table.rows, name
            for row in table.rows:
                assert sum(map(bool, (row.train, row.weights, row.model))) == 1, row.label
                assert len(row.paper) <= len(columns(table)), row.label


def test_pages_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "paper"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == study.names()
