"""Scores of shipped weights: measured, recorded, and compared with what the index quotes."""

import tarfile
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from denoise_cli import checkpoint, methods, shelf
from denoise_cli.bench.protocol import BSD68, CBSD68, CIFAR, SET12, TINY_IMAGENET, Trial
from denoise_cli.bench.trials import INPUT, Case, cases, counts_of
from denoise_cli.bench.weights import measure
from denoise_cli.cli.app import main
from denoise_cli.errors import UsageError
from denoise_cli.image import Image, Source, write
from denoise_cli.inference.publish import publish


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A weights file as ``denoise train`` leaves it, an empty shelf and a small set of images."""
    monkeypatch.setenv("DENOISE_WEIGHTS", str(tmp_path / "shelf"))
    card = methods.find("dncnn")
    config = replace(card.config, depth=3, features=4)
    torch.manual_seed(0)
    net = card.make(config)
    assert isinstance(net, torch.nn.Module) and card.recipe is not None
    provenance = {
        "command": "denoise train dncnn --data /somewhere/photos -o /else/where --steps 9",
        "data": ["/somewhere/photos"],
        "seconds": 90.0,
    }
    made = checkpoint.Checkpoint("dncnn", asdict(config), asdict(card.recipe), provenance, net.state_dict())
    checkpoint.save(tmp_path / "best.safetensors", made)
    pixels = (np.random.default_rng(0).integers(0, 256, (3, 24, 32)) / 255).astype(np.float32)
    write(Image(pixels, Source("made")), tmp_path / "data" / "cbsd68" / "a.png")
    return tmp_path / "best.safetensors"


def test_published_weights_are_on_the_shelf(run: Path) -> None:
    assert main(["models", "add", str(run), "dncnn.tiny", "--suits", "gaussian"]) == 0
    (entry,) = shelf.entries()
    assert (entry.name, entry.channels, entry.data, entry.minutes) == ("dncnn.tiny", 3, "photos", 1.5)
    assert entry.command == "denoise train dncnn --data data/photos --steps 9"
    assert entry.weights == 2 * 3 * 4 * 9 + 4 * 4 * 9 + 2 * 4
    stored = checkpoint.load(shelf.path_of(entry))
    assert stored.provenance["command"] == entry.command
    assert {tensor.dtype for tensor in stored.tensors.values() if tensor.is_floating_point()} == {torch.float16}


def test_publishing_again_replaces_the_entry_and_keeps_its_place(run: Path) -> None:
    for name in ("dncnn.a", "dncnn.b", "dncnn.a"):
        publish(run, name, "gaussian", "cpu", half=True, force=True)
    assert [entry.name for entry in shelf.entries()] == ["dncnn.a", "dncnn.b"]


@pytest.mark.parametrize("name", ["dncnn", "dncnn.", "dt.tiny"])
def test_a_name_of_another_model_is_refused(run: Path, name: str) -> None:
    with pytest.raises(UsageError, match="no name for weights of dncnn"):
        publish(run, name, "", "cpu", half=True)


def test_what_weights_suit_is_checked(run: Path) -> None:
    assert publish(run, "dncnn.tiny", "jpeg,mixed", "cpu", half=True).kinds == ("jpeg", "mixed")
    with pytest.raises(UsageError, match=r"cannot suit 'jpg'(.|\n)*jpeg"):
        publish(run, "dncnn.tiny", "gaussian, jpg", "cpu", half=True)


def test_bench_records_and_then_confirms(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish(run, "dncnn.tiny", "gaussian", "cpu", half=True)
    command = ["bench", "weights", "--data", str(run.parent / "data"), "--device", "cpu", "--precision", "float32"]
    assert main(command) == 8, "nothing is quoted yet"
    assert main([*command, "--write"]) == 0
    (entry,) = shelf.entries()
    assert list(entry.scores) == [str(case) for case in cases(entry)]
    assert main(command) == 0
    shelf.write_index([replace(entry, scores={key: value + 0.1 for key, value in entry.scores.items()})])
    assert main(command) == 8, "the index quotes more than is measured"
    capsys.readouterr()
    assert main(["bench", "weights", "--table"]) == 0
    out = capsys.readouterr().out
    assert out.endswith("|\n") and "\n\n" not in out


def _photos(folder: Path, channels: int) -> None:
    for index in range(2):
        pixels = (np.random.default_rng(index).integers(0, 256, (channels, 24, 32)) / 255).astype(np.float32)
        write(Image(pixels, Source("made")), folder / f"{index}.png")


def _tiny_imagenet(archive: Path) -> None:
    """Two animals and some food, each with one image to train on and one to measure on."""
    lines = []
    with tarfile.open(archive, "w") as tar:

        def put(name: str, content: bytes) -> None:
            entry = tarfile.TarInfo(f"tiny-imagenet-200/{name}")
            entry.size = len(content)
            tar.addfile(entry, BytesIO(content))

        for number, wnid in enumerate(("n01443537", "n01629819", "n07747607")):
            stream = BytesIO()
            noise = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
            Pillow.fromarray(noise).resize((64, 64)).save(stream, "JPEG")
            put(f"train/{wnid}/images/{wnid}_0.JPEG", stream.getvalue())
            put(f"val/images/val_{number}.JPEG", stream.getvalue())
            lines.append(f"val_{number}.JPEG\t{wnid}\t0\t0\t9\t9\n")
        put("val/val_annotations.txt", "".join(lines).encode())


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    for name, channels in ((CBSD68, 3), (BSD68, 1), (SET12, 1)):
        _photos(tmp_path / name, channels)
    _tiny_imagenet(tmp_path / TINY_IMAGENET)
    return tmp_path


def _scores(entry: shelf.Entry, sets: Path, dtype: torch.dtype = torch.float32) -> dict[str, float]:
    return {item.what: item.score for item in measure(entry, sets, torch.device("cpu"), dtype)}


def _with_noise(name: str, noise: str, **more: Any) -> shelf.Entry:
    """The entry on the shelf, as if it had been trained with another noise."""
    entry = replace(shelf.find(name), noise=noise, scores={}, **more)
    shelf.write_index([entry if other.name == name else other for other in shelf.entries()])
    return entry


def test_what_stays_in_float_is_denoised_in_float32(stock: Any, sets: Path) -> None:
    stock("dncnn.tiny", depth=4, features=8)
    entry = _with_noise("dncnn.tiny", "gaussian:25")
    single, half = (_scores(entry, sets, dtype) for dtype in (torch.float32, torch.bfloat16))
    kinds = {what.rpartition(" ")[2]: (single[what], half[what]) for what in single}
    assert set(kinds) == {"float", "bit"}
    assert kinds["float"][0] == kinds["float"][1] and kinds["bit"][0] != kinds["bit"][1]


def test_a_net_for_camera_noise_stands_beside_its_input_and_bm3d(stock: Any, sets: Path) -> None:
    stock("cbdnet.tiny", estimator=4, features=4)
    word = "camera:0..0.16+0..0.06+60..100"
    found = _scores(_with_noise("cbdnet.tiny", word), sets)
    words = ("camera:0.02+0.01+95", "camera:0.05+0.02+90", "camera:0.1+0.04+75", word)
    wanted = [f"cbsd68 {level} 8 bit{beside}" for level in words for beside in ("", ", noisy input", ", bm3d")]
    assert list(found) == wanted
    assert found[wanted[4]] < found[wanted[1]], "stronger noise, worse input"
    finished = [str(case) for case in cases(_with_noise("cbdnet.tiny", f"{word}+0..3"))]
    assert finished == [
        *(f"cbsd68 {level} 8 bit" for level in ("camera:0.02+0.01+95+2", "camera:0.05+0.02+90+2", f"{word}+0..3"))
    ]


def test_a_mixture_of_salt_and_pepper_is_scored_on_small_images_too(stock: Any) -> None:
    stock("median-cnn.sp", stages=2, features=4)
    found = [str(case) for case in cases(_with_noise("median-cnn.sp", "0.6*sp:0..0.6 + 0.4*sp:0..0.9"))]
    levels = [f"{name} sp:{share} 8 bit" for name in (CIFAR, CBSD68) for share in (0.1, 0.3, 0.5)]
    assert found == [*levels, "cbsd68 gaussian:0 8 bit, worst image"]


def test_a_mixture_is_scored_on_each_of_its_kinds_and_on_clean_images(stock: Any, sets: Path) -> None:
    stock("dt.photo", width=4, blocks=1)
    noise = "0.5*gaussian:0..75 + 0.2*poisson-gaussian:0..0.16+0..0.06 + 0.2*sp:0..0.5 + 0.1*jpeg:10..90"
    found = _scores(_with_noise("dt.photo", noise), sets)
    words = {what.split()[1] for what in found}
    assert words == {
        *(f"gaussian:{level}" for level in (0, 15, 25, 50)), *(f"sp:{share}" for share in (0.1, 0.3, 0.5)),
        "poisson-gaussian:0.1+0.02", *(f"jpeg:{quality}" for quality in (10, 20, 40)),
    }  # fmt: skip
    assert "cbsd68 jpeg:10 8 bit, noisy input" in found
    clean = [score for what, score in found.items() if what == "cbsd68 gaussian:0 8 bit, worst image, 20 iterations"]
    assert len(clean) == 1


def test_each_class_is_scored_on_its_own_images_beside_the_net_for_all(stock: Any, sets: Path) -> None:
    for name in ("class-aware.all", "class-aware.animals"):
        stock(name, channels=1, depth=3, features=4)
    found = _scores(shelf.find("class-aware.animals"), sets)
    what = "tiny-imagenet-subset/animals in gray gaussian:25 float"
    assert list(found) == [what, f"{what}, class-aware.all"]
    assert list(_scores(shelf.find("class-aware.all"), sets)) == ["tiny-imagenet-subset in gray gaussian:25 float"]


def test_mixed_noise_is_scored_on_tiny_imagenet_beside_its_input(stock: Any, sets: Path) -> None:
    stock("dsc.mixed", width=4, features=2)
    found = _scores(_with_noise("dsc.mixed", "mixed:0..50+0..0.2"), sets)
    words = [f"tiny-imagenet-subset mixed:{level} 8 bit" for level in ("15+0.05", "25+0.1", "50+0.2")]
    assert list(found) == [f"{word}{beside}" for word in words for beside in ("", ", noisy input")]


def test_a_net_that_is_told_sigma_is_told_the_true_one_in_float(stock: Any, sets: Path) -> None:
    stock("ffdnet.gray", channels=1, depth=3, features=4)
    entry = _with_noise("ffdnet.gray", "gaussian:0..75")
    assert list(_scores(entry, sets)) == [
        *(f"bsd68-gray gaussian:{level} float, told sigma" for level in (15, 25, 35, 50, 75)),
        "set12 gaussian:25 float, told sigma", "bsd68-gray gaussian:25 8 bit", "set12 gaussian:25 8 bit",
    ]  # fmt: skip
    (case,) = (case for case in cases(entry) if "75" in str(case))
    assert case.told == 75 / 255


def test_large_nets_are_scored_on_some_images_beside_the_weights_that_are_taken_by_default(stock: Any) -> None:
    stock("dt.sp", "impulses", width=4, blocks=1, recall="impulses")
    stock("median-cnn.sp", stages=2, features=4)
    _with_noise("dt.sp", "sp:0..0.7")
    large = _with_noise("median-cnn.sp", "sp:0..0.9", weights=3_563_011)
    found = {str(case): case for case in cases(large)}
    assert found["cbsd68 (10 images) sp:0.3 8 bit"].beside == ("dt.sp",)
    assert found["cifar10-subset sp:0.3 8 bit"] == Case(Trial(CIFAR, "sp:0.3", True)), "all images are comparable"


def test_particular_noise_is_scored_beside_the_weights_that_are_taken_for_it_now(stock: Any) -> None:
    stock("dncnn.color", "gaussian", depth=3, features=4)
    stock("dt.sp", "impulses", width=4, blocks=1, recall="impulses")
    stock("dt.photo", width=4, blocks=1)
    noise = "0.6*gaussian:0..75 + 0.2*mixed:0..50+0..0.2 + 0.2*jpeg:10..90"
    found = {str(case): case.beside for case in cases(_with_noise("dt.photo", noise))}
    assert found["cbsd68 jpeg:20 8 bit"] == (INPUT, "dncnn.color")
    assert found["tiny-imagenet-subset mixed:25+0.1 8 bit"] == (INPUT, "dt.sp")
    assert found["cbsd68 gaussian:25 float"] == (), "all images: the scores of others stand in the index"


def test_noise_after_noise_is_scored_at_levels_of_both_that_were_learned(stock: Any) -> None:
    stock("dncnn.color", "gaussian", depth=3, features=4)
    stock("dncnn.color-3", depth=3, features=4)

    def found(noise: str) -> dict[str, tuple[str, ...]]:
        return {str(case.trial): case.beside for case in cases(_with_noise("dncnn.color-3", noise))}

    all_ = found("0.5*gaussian:0..55 then jpeg:75..100 + 0.5*lowres:2..3")
    beside = (INPUT, "dncnn.color")
    assert {what: all_[what] for what in all_ if "then" in what} == {
        "cbsd68 gaussian:10 then jpeg:90 8 bit": beside,
        "cbsd68 gaussian:25 then jpeg:80 8 bit": beside,
    }
    assert [what for what in all_ if "lowres" in what] == ["cbsd68 lowres:2 8 bit", "cbsd68 lowres:3 8 bit"]
    assert list(found("sp:0.1 then jpeg:75")) == ["cbsd68 sp:0.1 then jpeg:75 8 bit"]


def test_weights_are_scored_on_what_they_are_for() -> None:
    impulses = shelf.Entry("dt.sp", "", "impulses", "sp:0..0.7", 3, 27360, "", "", 0, 1.0, "cpu")
    assert {str(case).split()[0] for case in cases(impulses)} == {"cifar10-subset", "cbsd68"}
    gray = replace(impulses, name="dncnn.gray", suits="", noise="gaussian:25", channels=1)
    assert {str(case) for case in cases(gray)} == {
        f"{images} gaussian:25 {kind}" for images in ("bsd68-gray", "set12") for kind in ("float", "8 bit")
    }
    free = replace(gray, name="bf-rcnn.gray", noise="gaussian:0..55")
    assert {case.trial.noise for case in cases(free)} == {"gaussian:25"}
    easy = replace(impulses, noise="sp:0.1")
    assert {str(case).split()[0] for case in cases(easy)} == {"cifar10-subset"}
    assert cases(replace(gray, noise="pairs")) == []


def test_iterations_go_up_to_the_default() -> None:
    dt = shelf.Entry("dt.sp", "", "impulses", "sp:0..0.7", 3, 27360, "", "", 0, 1.0, "cpu")
    assert counts_of(dt, CIFAR) == (1, 3, 5, 10, 20, 50) and counts_of(dt, CBSD68) == (1, 3, 5, 10, 20)
    assert counts_of(replace(dt, name="bf-rcnn.gray"), BSD68) == (1, 3, 4)
    assert counts_of(replace(dt, name="dncnn.gray"), BSD68) is None
