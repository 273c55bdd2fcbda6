"""``denoise train``: what a run starts from, and what it finds in its folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from denoise_cli.checkpoint import load
from denoise_cli.cli.app import main
from denoise_cli.training.folder import BEST, LAST
from denoise_cli.training.state import progress_of

SMALL = ["--noise", "sp:0.2", "--set", "width=4", "--patch", "16", "--batch", "2", "--val", "2"]
TINY = ["--set", "channels=1", "--set", "depth=3", "--patch", "16", "--batch", "4", "--val", "2", "--steps", "1"]
Draw = Callable[..., Any]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, draw: Draw) -> None:
    """Eight small photos in the folder ``photos`` of the current folder."""
    monkeypatch.chdir(tmp_path)
    _photos(draw, 0)


def _photos(draw: Draw, first: int) -> None:
    for number in range(8):
        draw(f"photos/{number}.png", width=24, seed=first + number)


def _train(*more: str, data: str = "photos") -> int:
    return main(["train", "dt", "--data", data, *SMALL, *more])


def test_another_run_in_the_folder_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert _train("--steps", "1", "-o", "run") == 0
    before = (Path("run") / LAST).read_bytes()
    assert _train("--steps", "2", "-o", "run", "--set", "width=8", "--seed", "5") == 4
    err = capsys.readouterr().err
    assert "width (4 there, 8 here); steps (1 there, 2 here); seed (0 there, 5 here)" in err
    assert "--force" in err
    assert (Path("run") / LAST).read_bytes() == before
    assert _train("--steps", "2", "-o", "run", "--force") == 0
    assert progress_of(Path("run") / LAST).step == 2


@pytest.mark.parametrize(("data", "more", "code"), [("photso", [], 3), ("photos", ["--val", "8"], 2)])
def test_an_earlier_run_is_thrown_away_once_there_is_something_to_learn(data: str, more: list[str], code: int) -> None:
    assert _train("--steps", "1", "-o", "run") == 0
    before = {path: path.read_bytes() for path in Path("run").iterdir()}
    assert _train("--steps", "2", "-o", "run", "--force", *more, data=data) == code
    assert {path: path.read_bytes() for path in Path("run").iterdir()} == before


def test_other_images_of_the_same_names_are_noticed(capsys: pytest.CaptureFixture[str], draw: Draw) -> None:
    assert _train("--steps", "2", "-o", "run", "--time-limit", "0.0001s") == 0
    _photos(draw, 20)
    assert _train("--steps", "2", "-o", "run") == 4
    assert "it differs in images (10368 bytes that add up to" in capsys.readouterr().err
    _photos(draw, 0)
    assert _train("--steps", "2", "-o", "run") == 0


def test_other_weights_of_the_same_name_are_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--steps", "1", "-o", "run", "--init-from", "start"]
    assert _train("--steps", "1", "-o", "start") == 0
    assert _train(*words) == 0
    assert _train("--steps", "1", "-o", "start", "--force", "--seed", "1") == 0
    capsys.readouterr()
    assert _train(*words) == 4
    assert "it differs in init_sha256" in capsys.readouterr().err


def test_weights_without_their_state_are_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert _train("--steps", "1", "-o", "run") == 0
    (Path("run") / LAST).unlink()
    assert _train("--steps", "1", "-o", "run") == 4
    assert "holds best.safetensors, but no last.safetensors" in capsys.readouterr().err
    assert (Path("run") / BEST).exists()


def test_a_damaged_state(capsys: pytest.CaptureFixture[str]) -> None:
    assert _train("--steps", "1", "-o", "run") == 0
    last = Path("run") / LAST
    last.write_bytes(last.read_bytes()[:-9])
    assert _train("--steps", "1", "-o", "run") == 5
    assert "run/last.safetensors' is damaged" in capsys.readouterr().err
    assert _train("--steps", "1", "-o", "run", "--force") == 0


def test_weights_of_another_width_are_no_start(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "dncnn", "-d", "photos", "--noise", "gaussian:25", *TINY]
    assert main([*words, "--set", "features=4", "-o", "narrow"]) == 0
    assert main([*words, "--set", "features=5", "-o", "wide", "--init-from", "narrow"]) == 5
    assert "No tensor of narrow fits dncnn" in capsys.readouterr().err
    assert main([*words, "--set", "features=5", "--set", "depth=5", "-o", "wide", "--init-from", "narrow"]) == 5
    assert "No tensor of narrow fits dncnn" in capsys.readouterr().err
    assert main([*words, "--set", "features=4", "-o", "again", "--init-from", "narrow"]) == 0
    assert "7 of 7 tensors start as in narrow" in capsys.readouterr().err


def test_a_part_of_the_net_can_start_anew(capsys: pytest.CaptureFixture[str]) -> None:
    small = [
        "--patch",
        "16",
        "--batch",
        "4",
        "--val",
        "2",
        "--steps",
        "1",
        "--set",
        "estimator=4",
        "--set",
        "features=4",
    ]
    words = ["train", "cbdnet", "-d", "photos", "--noise", "gaussian:25", *small]
    assert main([*words, "-o", "first"]) == 0
    assert main([*words, "-o", "second", "--init-from", "first", "--init-without", "estimator", "--seed", "7"]) == 0
    assert "38 of 48 tensors start as in first" in capsys.readouterr().err
    assert main([*words, "-o", "third", "--init-from", "first", "--init-without", "estimate"]) == 2
    said = capsys.readouterr().err
    assert "first has no part 'estimate'" in said and "at_half, at_quarter, enter, estimator" in said
    assert main([*words, "-o", "third", "--init-without", "estimator"]) == 2
    assert "no weights to start from without estimator" in capsys.readouterr().err


def test_a_deeper_net_starts_from_a_shallower_one(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "dncnn", "-d", "photos", "--noise", "gaussian:25", *TINY, "--set", "features=4"]
    assert main([*words, "-o", "shallow"]) == 0
    deeper = ["--set", "depth=5", "--set", "frozen_norm=true", "--steps", "2", "-o", "deep", "--init-from", "shallow"]
    assert main([*words, *deeper]) == 0
    said = "17 of 17 tensors start as in shallow; it has 2 convolutions fewer, which start as the identity"
    assert said in capsys.readouterr().err
    assert load(Path("deep/best.safetensors")).config["depth"] == 5


def test_statistics_that_are_to_be_kept_must_be_there(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "dncnn", "-d", "photos", "--noise", "gaussian:25", *TINY, "--set", "features=4"]
    frozen = ["--init-from", "plain", "--set", "frozen_norm=true"]
    assert main([*words, "--set", "batch_norm=false", "-o", "plain"]) == 0
    assert main([*words, *frozen, "-o", "new"]) == 5
    assert "Of plain 2 of the 2 statistics that frozen_norm keeps do not fit" in capsys.readouterr().err
    assert main([*words, *frozen, "-o", "new", "--set", "batch_norm=false"]) == 2
    assert "frozen_norm is for nets with batch norm" in capsys.readouterr().err
