"""``denoise run``: which model, which weights, which knobs."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow

from denoise_cli import shelf
from denoise_cli.cli.app import main
from denoise_cli.image import read
from denoise_cli.noise.estimate import NoiseLevel, noise_level

Caught = pytest.CaptureFixture[str]
Draw = Callable[..., NDArray[np.uint8]]
Take = Callable[[Path], NDArray[np.uint8]]
AllFiles = Callable[[Path], list[str]]


@pytest.mark.usefixtures("shelved")
def test_without_a_model_the_image_decides(here: Path, draw: Draw, capsys: Caught, take: Take) -> None:
    draw(here / "in/salt.png", "salt")
    draw(here / "in/grain.png", "grain")
    draw(here / "in/gray.png", "grain", channels=1)
    assert main(["run", "in", "-o", "out", "--json"]) == 0
    chosen = {Path(line["input"]).stem: line["model"] for line in map(json.loads, capsys.readouterr().out.splitlines())}
    assert chosen == {"salt": "dt.sp", "grain": "dt.gaussian", "gray": "dncnn.gray-25"}
    assert main(["run", "in/gray.png", "-o", "out2", "-m", "dncnn", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == "dncnn.gray-25"
    assert main(["run", "in/gray.png", "-o", "out3", "--iters", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == "dt.gaussian"
    assert take(here / "out3/gray.png").shape == (24, 32)


@pytest.mark.usefixtures("shelved")
def test_what_was_restored_is_not_lost_again_in_the_file(
    here: Path, draw: Draw, stock: Callable[..., shelf.Entry], capsys: Caught
) -> None:
    Pillow.fromarray(draw(here / "clean.png", channels=3)).save(here / "x.jpg", quality=40, subsampling=1)
    stock("dncnn.jpeg", "jpeg", noise="jpeg:5..95", depth=3, features=4)
    stock("dncnn.camera", "camera", noise="camera:0..0.1+0..0.04+60..95", depth=3, features=4)
    quality = {}
    for model in ("", "dncnn.jpeg", "dncnn.camera", "dncnn.color-blind"):
        assert main(["run", "x.jpg", "-o", f"{model}y.jpg", *(["-m", model] if model else []), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["model"] == (model or "dncnn.jpeg")
        source = read(here / f"{model}y.jpg").source.jpeg
        assert source is not None and source.subsampling == 1
        quality[model] = round(source.quality)
    assert quality == {"": 90, "dncnn.jpeg": 90, "dncnn.camera": 90, "dncnn.color-blind": 40}


@pytest.mark.usefixtures("shelved")
def test_a_model_that_is_named_takes_the_nearest_weights_and_says_so(
    here: Path, draw: Draw, stock: Callable[..., shelf.Entry], capsys: Caught
) -> None:
    draw(here / "salt.png", "salt")
    draw(here / "grain.png", "grain")
    assert main(["run", "grain.png", "-m", "feedforward", "--json"]) == 0
    taken = json.loads(capsys.readouterr().out)
    assert (taken["model"], taken["warnings"]) == ("feedforward.small", [])
    warning = "salt.png: feedforward.small learned gaussian:25, and this shows"
    assert main(["run", "salt.png", "-m", "feedforward", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["warnings"][0].startswith(warning) and warning in err
    assert main(["run", "salt.png", "-m", "feedforward", "-o", "x.png", "--dry-run", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["warnings"][0].startswith(warning) and warning in err
    assert main(["compare", "salt.png", "--models", "feedforward", "--json", "-o", "x.html"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["warnings"][0].startswith(warning) and warning in err
    stock("feedforward.salty", noise="sp:0.1", width=4, stages=2, blocks=1)
    assert main(["run", "salt.png", "-m", "feedforward", "-o", "y.png", "--json"]) == 0
    taken = json.loads(capsys.readouterr().out)
    assert (taken["model"], taken["warnings"]) == ("feedforward.salty", [])


@pytest.mark.usefixtures("shelved")
def test_without_a_model_only_those_with_the_knob_are_taken(
    here: Path, draw: Draw, stock: Callable[..., shelf.Entry], capsys: Caught
) -> None:
    draw(here / "grain.png", "grain")
    assert main(["run", "grain.png", "--sigma", "25"]) == 2
    assert "No weights here take these knobs: dt has no knob 'sigma'" in capsys.readouterr().err
    stock("ffdnet.tiny", "gaussian", depth=3, features=4)
    assert main(["run", "grain.png", "--sigma", "25", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == "ffdnet.tiny"
    assert main(["run", "a.png", "--sigma", "25"]) == 5
    assert "No weights here are for impulses and do what was asked" in capsys.readouterr().err


@pytest.mark.usefixtures("here", "shelved")
@pytest.mark.parametrize(
    "flags", [["-m", "ffdnet"], ["-m", "ffdnet.tiny"], ["-m", "ffdnet.tiny", "--json"], ["-m", "nlm", "--json"]]
)
def test_the_noise_is_measured_once(
    flags: list[str], draw: Draw, stock: Callable[..., shelf.Entry], monkeypatch: pytest.MonkeyPatch, take: Take
) -> None:
    stock("ffdnet.tiny", "gaussian", depth=3, features=4)
    draw("grain.png", "grain")
    measured: list[float] = []

    def counted(image: torch.Tensor, known: torch.Tensor | None = None) -> NoiseLevel:
        level = noise_level(image, known)
        measured.append(level.fine)
        return level

    for room in ("inference.choose", "noise.estimate", "methods.ffdnet"):
        monkeypatch.setattr(f"denoise_cli.{room}.noise_level", counted)
    assert main(["run", "grain.png", "-o", "x.png", *flags]) == 0
    assert len(measured) == 1
    assert main(["run", "grain.png", "-o", "y.png", *flags[:2], "--sigma", str(255 * measured[0])]) == 0
    assert np.abs(take(Path("x.png")).astype(int) - take(Path("y.png"))).max() <= 1


@pytest.mark.usefixtures("here", "shelved")
@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--model", "dtt"], 2, "There is no model 'dtt'.\nDid you mean 'dt'?"),
        (["--model", "runs/dt/best"], 2, "There is no model 'runs/dt/best'.\nWeights from a file: --model NAME"),
        (["--model", "dt.spp"], 5, "Did you mean 'dt.sp'?"),
        (["--model", "dncnn.color-blind", "--iters", "5"], 2, "dncnn does not iterate: it has no --iters"),
        (["--model", "feedforward", "--iters", "5"], 2, "feedforward does not iterate"),
        (["--model", "median", "--iters", "5"], 2, "or use a model that can: bf-rcnn, dip, dt, rnn"),
        (["--model", "median", "--set", "widow=5"], 2, "Did you mean 'window'?"),
        (["--model", "median", "--set", "window=4"], 2, "no window of 4 pixels"),
        (["--model", "median", "--set", "window=big"], 2, "window cannot be 'big'"),
        (["--model", "median", "--sigma", "25"], 2, "median has no knob 'sigma'"),
        (["--model", "bf-cnn"], 5, "There are no weights of bf-cnn here"),
        (["--iters", "0"], 2, "0 is no number of iterations"),
        (["--device", "gpu"], 2, "There is no device 'gpu'.\nDid you mean 'cpu'?"),
        (["--precision", "half"], 2, "There is no precision 'half'"),
        (["--format", "heic"], 2, "There is no format 'heic'"),
        (["--format", "jpeg", "-o", "x.png"], 2, "contradict each other"),
        (["-o", "x.heic"], 2, "'x.heic' ends in no known image format"),
        (["--max-pixels", "100", "--model", "median"], 3, "more than the limit of 100"),
        (["--weights", "nowhere.safetensors"], 5, "There is no weights file 'nowhere.safetensors'"),
        (["--weights", "a.png"], 5, "'a.png' is damaged or is no weights file"),
        (["-o", "-", "--json"], 2, "would share stdout"),
        (["-o", "-", "--iters", "1,2"], 2, "stdout takes a single image"),
    ],
)
def test_what_cannot_be(flags: list[str], code: int, said: str, capsys: Caught, all_files: AllFiles) -> None:
    before = all_files(Path())
    assert main(["run", "a.png", *flags]) == code
    out, err = capsys.readouterr()
    assert said in err and out == "" and "Traceback" not in err
    assert all_files(Path()) == before


@pytest.mark.usefixtures("here")
def test_knobs_of_the_classical_methods(capsys: Caught, take: Take) -> None:
    assert main(["run", "a.png", "-m", "median", "--set", "window=5", "-o", "five.png"]) == 0
    assert main(["run", "a.png", "-m", "median", "-o", "three.png"]) == 0
    assert (take(Path("five.png")) != take(Path("three.png"))).any()
    assert main(["run", "a.png", "-m", "nlm", "--sigma", "25", "-o", "nlm.png"]) == 0


@pytest.mark.usefixtures("here", "shelved")
def test_a_noise_level_for_every_pixel(
    stock: Callable[..., shelf.Entry], draw: Draw, capsys: Caught, take: Take
) -> None:
    Pillow.fromarray(np.full((24, 32), 51, np.uint8)).save("even.png")
    Pillow.fromarray(np.arange(768, dtype=np.uint8).reshape(24, 32)).save("uneven.png")
    draw("small.png", height=8, width=8, channels=1)
    stock("ffdnet.tiny", depth=3, features=4)
    flags = ["run", "a.png", "-m", "ffdnet.tiny", "--precision", "float32"]
    assert main([*flags, "-o", "level.png", "--sigma", "51"]) == 0
    assert main([*flags, "-o", "map.png", "--sigma-map", "even.png"]) == 0
    assert main([*flags, "-o", "other.png", "--sigma-map", "uneven.png", "--tile", "16"]) == 0
    assert (take(Path("map.png")) == take(Path("level.png"))).all()
    assert (take(Path("other.png")) != take(Path("map.png"))).any()
    for wrong, code, said in (
        ([*flags, "--sigma-map", "small.png"], 3, "a.png has 32x24 pixels, the map of its noise levels 8x8"),
        ([*flags, "--sigma-map", "none.png"], 3, "none.png does not exist"),
        ([*flags, "--sigma-map", "even.png", "--sigma", "5"], 2, "--sigma and --sigma-map both name"),
        (["run", "a.png", "-m", "dt", "--sigma-map", "even.png"], 2, "dt takes no map of noise levels"),
    ):
        assert main(wrong) == code
        assert said in capsys.readouterr().err
    assert not Path("a-denoised.png").exists()


@pytest.mark.usefixtures("here")
def test_a_device_that_is_not_there(monkeypatch: pytest.MonkeyPatch, capsys: Caught) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(["run", "a.png", "-m", "median", "--device", "cuda"]) == 6
    assert "finds no CUDA device" in capsys.readouterr().err
    assert main(["run", "a.png", "-m", "median", "--device", "auto"]) == 0


@pytest.mark.usefixtures("shelved")
def test_weights_that_are_damaged_missing_or_of_another_model(
    here: Path, draw: Draw, capsys: Caught, take: Take, all_files: AllFiles
) -> None:
    place = shelf.folder()
    assert main(["run", "a.png", "--weights", str(place / "dncnn.gray-25.safetensors"), "-m", "dt"]) == 5
    assert "holds weights of dncnn, not of dt" in capsys.readouterr().err
    assert main(["run", "a.png", "--weights", str(place / "dncnn.gray-25.safetensors"), "-o", "own.png"]) == 0
    assert take(here / "own.png").shape == (24, 32, 3)
    damaged = bytearray((place / "dt.sp.safetensors").read_bytes())
    damaged[-1] ^= 1
    (place / "dt.sp.safetensors").write_bytes(damaged)
    assert main(["run", "a.png", "photos", "-o", "out"]) == 5
    assert "None of the 3 images" in (err := capsys.readouterr().err) and err.count("'dt.sp' are damaged") >= 1
    draw(here / "in/grain.png", "grain")
    draw(here / "in/salt.png", "salt")
    assert main(["run", "in", "-o", "out"]) == 7
    assert all_files(here / "out") == ["grain.png"]
    (place / "dt.sp.safetensors").unlink()
    assert main(["run", "a.png", "-m", "dt.sp"]) == 5
    assert "'dt.sp' are missing" in capsys.readouterr().err


def test_a_weights_file_has_no_other_name(here: Path, capsys: Caught) -> None:
    file = str(shelf.path_of(shelf.find("dt.sp")))
    assert main(["run", "noisy.png", "--model", "dt.nonsense", "--weights", file]) == 2
    assert "dt.nonsense" in capsys.readouterr().err
