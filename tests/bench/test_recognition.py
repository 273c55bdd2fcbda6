"""The accuracy of a classifier on a small Tiny ImageNet."""

import tarfile
from io import BytesIO
from pathlib import Path

import pytest
import torch
from PIL import Image

from denoise_cli.bench.protocol import TINY_IMAGENET, Trial
from denoise_cli.bench.recognition import accuracies, accuracy
from denoise_cli.bench.weights import measure
from denoise_cli.errors import InputError
from denoise_cli.inference.perception import load_seer

CPU = torch.device("cpu")
CLASSES = ("animals/n01443537", "food/n07747607")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A tar with a training image and two validation images of either class."""
    with tarfile.open(tmp_path / TINY_IMAGENET, "w") as tar:

        def put(name: str, content: bytes) -> None:
            entry = tarfile.TarInfo(f"tiny-imagenet-200/{name}")
            entry.size = len(content)
            tar.addfile(entry, BytesIO(content))

        lines = []
        for number, wnid in enumerate(("n01443537", "n07747607")):
            stream = BytesIO()
            Image.new("RGB", (64, 64), (100 * number, 50, 50)).save(stream, "JPEG")
            put(f"train/{wnid}/images/{wnid}_0.JPEG", stream.getvalue())
            for copy in range(2):
                put(f"val/images/val_{2 * number + copy}.JPEG", stream.getvalue())
                lines.append(f"val_{2 * number + copy}.JPEG\t{wnid}\t0\t0\t9\t9\n")
        put("val/val_annotations.txt", "".join(lines).encode())
    return tmp_path


def test_the_share_that_is_named_right(stock, data: Path) -> None:
    entry = stock("classifier.small", classes=CLASSES, features=4)
    found = accuracies(load_seer("classifier.small", CPU), data, CPU, torch.float32)
    assert list(found) == [f"tiny-imagenet-subset val gaussian:{level} 8 bit, top-1 %" for level in (0, 25)]
    assert all(accuracy in (0, 25, 50, 75, 100) for accuracy in found.values())
    assert [item.score for item in measure(entry, data, CPU, torch.float32)] == list(found.values())


def test_other_classes_and_a_missing_set(stock, data: Path, tmp_path: Path) -> None:
    stock("classifier.other", classes=("a", "b"), features=4)
    seer = load_seer("classifier.other", CPU)
    assert accuracies(seer, data, CPU, torch.float32) == {}
    with pytest.raises(InputError, match=r"no set 'tiny-imagenet-subset.tar'"):
        accuracies(seer, tmp_path / "nowhere", CPU, torch.float32)


def test_a_trained_classifier_is_scored_on_the_images_of_a_trial(stock, data: Path) -> None:
    stock("classifier.small", classes=CLASSES, features=4)
    seer = load_seer("classifier.small", CPU)
    found = accuracy(seer, Trial(TINY_IMAGENET, "gaussian:0", True, only="food"), data, CPU, torch.float32)
    assert found in (0, 100), "both images of food are the same"
