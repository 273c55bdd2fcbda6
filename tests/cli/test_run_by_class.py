"""``denoise run`` with nets for classes of images."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from denoise_cli.cli.app import main

Caught = pytest.CaptureFixture[str]


@pytest.fixture
def nets(stock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nets for animals and food, a classifier of either, and the picture ``a.png``."""
    for features, tag in enumerate(("animals", "food"), 4):
        stock(f"class-aware.{tag}", channels=1, depth=3, features=features)
    stock("classifier.small", classes=("animals/cat", "animals/dog", "food/soup"), features=4)
    monkeypatch.chdir(tmp_path)
    assert cv2.imwrite("a.png", np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8))


@pytest.mark.usefixtures("nets")
def test_the_classifier_picks_and_says_so(capsys: Caught) -> None:
    assert main(["run", "a.png", "--model", "class-aware", "-o", "b.png", "--json"]) == 0
    out, err = capsys.readouterr()
    record = json.loads(out)
    name = record["class"]["name"]
    assert name in ("animals", "food") and 0.5 <= record["class"]["chance"] <= 1
    assert record["model"] == f"class-aware.{name}"
    assert f"a.png: {name} (" in err and f"%): class-aware.{name}, " in err


@pytest.mark.usefixtures("nets")
def test_the_class_can_be_forced(capsys: Caught) -> None:
    for number, words in enumerate((["--model", "class-aware", "--class", "food"], ["--model", "class-aware.food"])):
        assert main(["run", "a.png", *words, "-o", f"{number}.png"]) == 0
        assert "a.png: class-aware.food, " in capsys.readouterr().err
    assert Path("0.png").read_bytes() == Path("1.png").read_bytes()
    assert main(["run", "a.png", "--model", "class-aware.animals", "-o", "2.png"]) == 0
    assert Path("2.png").read_bytes() != Path("1.png").read_bytes()


@pytest.mark.usefixtures("nets")
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (
            ["--model", "class-aware", "--class", "foods"],
            5,
            "no weights 'class-aware.foods'.\nDid you mean 'class-aware.food'",
        ),
        (
            ["--model", "class-aware", "--classifier", "class-aware.food"],
            2,
            "holds weights of class-aware, no classifier",
        ),
        (["--model", "median", "--class", "food"], 2, "median does not ask what an image shows."),
        (["--class", "food"], 2, "of no use without --model"),
        (["--model", "classifier"], 2, "classifier denoises nothing: it tells what a picture shows"),
        (["--model", "classifier.small"], 2, "classifier denoises nothing"),
    ],
)
def test_mistakes(words: list[str], code: int, message: str, capsys: Caught) -> None:
    assert main(["run", "a.png", *words]) == code
    assert message in capsys.readouterr().err
