"""``denoise train`` with classes: a classifier, the loss that sees with it, nets that start from others."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from denoise_cli import checkpoint
from denoise_cli.cli.app import main
from denoise_cli.training.folder import BEST, CURVE, LAST, LOG
from denoise_cli.training.log import rows

Caught = pytest.CaptureFixture[str]
SMALL = ["--set", "features=4", "--patch", "16", "--batch", "4", "--set", "warmup=0", "--noise", "gaussian:0..25"]
DT = ["--set", "width=4", "--set", "max-iters=2", "--set", "free-iters=2", "--patch", "16", "--batch", "2"]
DT += ["--val", "2"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder ``set`` with four pictures each of stripes across, stripes down and plain ones."""
    for label in ("stripes/across", "stripes/down", "plain"):
        for number in range(4):
            picture = np.full((24, 24, 3), 60 + 30 * number, np.uint8)
            if label != "plain":
                picture[(np.arange(24) // 3 + number) % 2 == 0] += 60
            if label == "stripes/down":
                picture = np.ascontiguousarray(picture.swapaxes(0, 1))
            path = tmp_path / "set" / label / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(path), picture)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _train(*more: str, data: str = "set") -> int:
    return main(["train", "classifier", "--data", data, *SMALL, "--val", "3", *more])


@pytest.mark.usefixtures("here")
def test_a_classifier_learns_the_classes_of_the_data(capsys: Caught) -> None:
    plain = ["--set", "zoom=1.0", "--set", "patchwork=0", "--set", "smoothing=0.0", "--rate", "2e-2", "--batch", "8"]
    plain += ["--precision", "float32"]  # the same on every processor
    assert _train("--steps", "30", "-o", "run", *plain) == 0
    out, err = capsys.readouterr()
    assert out == "run/best.safetensors\n"
    assert "9 images, 30 steps of 8 patches of 16 pixels" in err
    assert "3 images are kept for validation, one class for all at 33.33 %" in err
    loaded = checkpoint.load(Path("run") / BEST)
    assert loaded.model == "classifier"
    assert loaded.config["classes"] == ["plain", "stripes/across", "stripes/down"]
    scores = [row["score"] for row in rows(Path("run") / LOG) if row["score"] is not None]
    assert loaded.provenance["validation_accuracy"] == pytest.approx(max(scores), abs=1e-3)
    assert max(scores) > 60
    assert (Path("run") / CURVE).exists()


@pytest.mark.usefixtures("here")
def test_a_limited_classifier_ends_in_the_same_weights(capsys: Caught) -> None:
    assert _train("--steps", "4", "-o", "straight") == 0
    for _ in range(3):
        assert _train("--steps", "4", "-o", "limited", "--time-limit", "0.0001s") == 0
    assert _train("--steps", "4", "-o", "limited") == 0
    assert "going on from step 3" in capsys.readouterr().err
    for name in (BEST, LAST):
        one, other = (load_file(Path(folder) / name) for folder in ("straight", "limited"))
        assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.usefixtures("here")
def test_some_classes_only(capsys: Caught) -> None:
    assert _train("--steps", "1", "-o", "run", "--only", "stripes") == 0
    assert checkpoint.load(Path("run") / BEST).config["classes"] == ["stripes/across", "stripes/down"]
    assert (
        main(["train", "dt", "--data", "set", *DT, "--steps", "1", "-o", "dt", "--only", "down", "--only", "plain"])
        == 0
    )
    assert "6 images, 1 steps" in capsys.readouterr().err
    assert main(["train", "dt", "--data", "set", *DT, "--steps", "1", "-o", "dt", "--only", "down"]) == 4
    assert "only (down, plain there, down here)" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_a_denoiser_trained_by_what_a_classifier_sees(capsys: Caught) -> None:
    assert _train("--steps", "1", "-o", "seer") == 0
    words = ["train", "dt", "--data", "set", *DT, "--steps", "2", "--loss", "mse + 0.08*similarity + 0.1*perceptual"]
    assert main([*words, "-o", "run", "--perceptual", "seer"]) == 0
    recipe = checkpoint.load(Path("run") / BEST).recipe
    assert (recipe["loss"], recipe["perceptual"]) == ("mse + 0.08*similarity + 0.1*perceptual", "seer")
    words[-1] = "mse + 0.08*similarity"
    assert main([*words, "-o", "plain"]) == 0
    losses = [rows(Path(folder) / LOG)[-1]["loss"] for folder in ("run", "plain")]
    assert losses[0] > losses[1] > 0
    assert _train("--steps", "1", "-o", "seer", "--force", "--seed", "1") == 0
    words[-1] = "mse + 0.08*similarity + 0.1*perceptual"
    assert main([*words, "-o", "run", "--perceptual", "seer"]) == 4
    assert "it differs in perceptual_sha256" in capsys.readouterr().err
    assert main(["train", "ffdnet", "--data", "set", "--set", "channels=1", "--set", "depth=3", "--set", "features=4",
                 "--patch", "16", "--batch", "2", "--val", "2", "--steps", "1", "--loss", "perceptual",
                 "--perceptual", "seer/best.safetensors", "-o", "gray"]) == 0  # fmt: skip
    capsys.readouterr()


@pytest.mark.usefixtures("here")
def test_a_start_from_the_convolutions_of_dsc(capsys: Caught) -> None:
    shape = ["--set", "width=6", "--set", "kernel=3"]
    assert main(["train", "dsc", "--data", "set", *SMALL, *shape, "--val", "2", "--steps", "1", "-o", "dsc"]) == 0
    capsys.readouterr()
    words = [*shape, "--set", "body=dsc", "--steps", "1", "--rate", "1e-12"]
    assert _train(*words, "-o", "run", "--init-from", "dsc") == 0
    assert "10 of 14 tensors start as in dsc" in capsys.readouterr().err
    before, after = (load_file(Path(folder) / BEST) for folder in ("dsc", "run"))
    for key in (key for key in before if key.startswith("convs.")):
        torch.testing.assert_close(after[key], before[key])
    back = ["train", "dsc", "--data", "set", *SMALL, *shape, "--val", "2", "--steps", "1", "-o", "back"]
    assert main([*back, "--init-from", "run"]) == 0
    assert "10 of 20 tensors start as in run" in capsys.readouterr().err, "and the other way round"
    assert _train(*words, "-o", "other", "--set", "width=8", "--init-from", "dsc/best.safetensors") == 0
    assert "8 of 14 tensors start as in" in capsys.readouterr().err  # the fifth convolution is wider
    assert _train(*words, "-o", "run") == 4
    assert "init_from (dsc there,  here)" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--data", "set/plain"], 2, "set/plain has no classes: there is nothing to tell apart."),
        (
            ["--data", "set", "--only", "down"],
            2,
            "set has a single class, stripes/down: there is nothing to tell apart",
        ),
        (["--data", "set", "--only", "downs"], 3, "set has no class 'downs'.\nKnown: plain, stripes."),
        (["--data", "set", "--val", "12"], 2, "4 images are too few to keep 4 of them for validation."),
        (["--data", "set", "--loss", "l1"], 2, "A classifier has no loss 'l1'."),
        (["--data", "set", "--loss", "similarity"], 2, "There is no loss 'similarity'."),
        (["--data", "set", "--noise", "pairs"], 2, "The pairs of a make-data set have no classes."),
        (["--data", "set", "--set", "body=vgg16"], 2, "classifier has no body 'vgg16'."),
        (["--data", "set", "--init-from", "set/plain/0.png"], 5, "'set/plain/0.png' is damaged or is no weights file"),
        (["--data", "set", "--init-from", "classifier.small"], 5, "There are no weights 'classifier.small'."),
        (["--data", "set", "--init-from", "dt.sp"], 5, "No tensor of dt.sp fits classifier"),
        (["--data", "set", "--perceptual", "dt.sp"], 2, "The loss 'cross-entropy' does not look with dt.sp."),
        (["--data", "set", "--loss", "l1 + perceptual"], 2, "The loss 'l1 + perceptual' has nothing to see with."),
    ],
)
@pytest.mark.usefixtures("shelved")
def test_mistakes(words: list[str], code: int, message: str, capsys: Caught) -> None:
    assert main(["train", "classifier", *SMALL, "--steps", "1", "--val", "3", *words]) == code
    out, err = capsys.readouterr()
    assert out == "" and message in err


@pytest.mark.usefixtures("here", "shelved")
def test_weights_that_see_nothing(capsys: Caught) -> None:
    words = ["train", "dt", "--data", "set", *DT, "--steps", "1", "--loss", "l1 + perceptual", "--perceptual"]
    for word, code, message in (
        ("dt.sp", 2, "dt.sp holds weights of dt, no classifier."),
        ("vgg16:nowhere.pth", 5, "'nowhere.pth' cannot be read"),
        ("classifier.big", 5, "There are no weights 'classifier.big'."),
    ):
        assert main([*words, word]) == code
        assert message in capsys.readouterr().err
