"""Nets that see: from the shelf, a file, a run, or torchvision's VGG-16."""

import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from denoise_cli.errors import UsageError, WeightsError
from denoise_cli.inference.perception import features_of, load_seer

CPU = torch.device("cpu")
SHAPES = {  # of torchvision's vgg16, all its layers
    **{
        f"features.{index}": (outputs, inputs, 3, 3)
        for index, inputs, outputs in (
            (0, 3, 64), (2, 64, 64), (5, 64, 128), (7, 128, 128), (10, 128, 256), (12, 256, 256), (14, 256, 256),
            (17, 256, 512), (19, 512, 512), (21, 512, 512), (24, 512, 512), (26, 512, 512), (28, 512, 512),
        )
    },
    "classifier.0": (4096, 25088), "classifier.3": (4096, 4096), "classifier.6": (1000, 4096),
}  # fmt: skip


def _published() -> dict[str, Tensor]:
    """The published keys and shapes; what is not looked at takes no room."""
    generator = torch.Generator().manual_seed(0)
    tensors: dict[str, Tensor] = {}
    for key, shape in SHAPES.items():
        seen = key in ("features.0", "features.2", "features.5", "features.7")
        tensors[f"{key}.weight"] = (
            0.1 * torch.randn(shape, generator=generator) if seen else torch.zeros(1).expand(shape)
        )
        tensors[f"{key}.bias"] = torch.full(shape[:1], 0.1)
    return tensors


@pytest.mark.parametrize("zipped", [True, False])
def test_the_published_vgg16(tmp_path: Path, zipped: bool) -> None:
    tensors = _published()
    torch.save(tensors, tmp_path / "vgg16-397923af.pth", _use_new_zipfile_serialization=zipped)
    save_file({key: value for key, value in tensors.items() if key.startswith("features")
               and int(key.split(".")[1]) < 9}, tmp_path / "early.safetensors")  # fmt: skip
    images = torch.rand((2, 3, 8, 8), generator=torch.Generator().manual_seed(1))
    seen = features_of(f"vgg16:{tmp_path / 'vgg16-397923af.pth'}", CPU)(images)
    assert seen.shape == (2, 128, 4, 4)
    assert torch.equal(features_of(f"vgg16:{tmp_path / 'early.safetensors'}", CPU)(images), seen)
    mean, deviation = torch.tensor((0.485, 0.456, 0.406)), torch.tensor((0.229, 0.224, 0.225))
    state = (images - mean[:, None, None]) / deviation[:, None, None]
    for index in (0, 2, 5, 7):
        if index == 5:
            state = torch.nn.functional.max_pool2d(state, 2)
        state = torch.nn.functional.conv2d(
            state, tensors[f"features.{index}.weight"], tensors[f"features.{index}.bias"], padding=1
        ).relu()
    torch.testing.assert_close(seen, state)


def test_gray_images_are_seen_as_colour_ones(tmp_path: Path) -> None:
    torch.save(_published(), tmp_path / "vgg16.pth")
    see = features_of(f"vgg16:{tmp_path / 'vgg16.pth'}", CPU)
    gray = torch.rand((1, 1, 8, 8), generator=torch.Generator().manual_seed(1))
    assert torch.equal(see(gray), see(gray.expand(1, 3, 8, 8)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features.5.weight": torch.zeros((64, 64, 3, 3))}, r"'features.5.weight' is \(64, 64, 3, 3\), not \(128, 64"),
        ({"features.7.bias": None}, "'features.7.bias' is missing"),
    ],
)
def test_a_vgg_of_another_width(tmp_path: Path, change: dict[str, Tensor | None], message: str) -> None:
    tensors = {key: value for key, value in (_published() | change).items() if value is not None}
    torch.save(tensors, tmp_path / "vgg16.pth")
    with pytest.raises(WeightsError, match=message):
        features_of(f"vgg16:{tmp_path / 'vgg16.pth'}", CPU)


@pytest.mark.parametrize(
    ("name", "content"), [("a.pth", b"no weights"), ("a.safetensors", b"no weights"), ("b.pth", b"")]
)
def test_files_that_are_no_weights(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match="cannot be read"):
        features_of(f"vgg16:{tmp_path / name}", CPU)
    with pytest.raises(WeightsError, match="cannot be read"):
        features_of("vgg16:nowhere.pth", CPU)


def test_damaged_files(tmp_path: Path) -> None:
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3), "features.0.bias": torch.zeros(64)}, tmp_path / "w.pth")
    whole = (tmp_path / "w.pth").read_bytes()
    generator = random.Random(0)
    for _ in range(150):
        data = bytearray(whole)
        for place in generator.sample(range(400), 3):  # where its pickle is
            data[place] = generator.randrange(256)
        (tmp_path / "w.pth").write_bytes(data)
        with pytest.raises(WeightsError):
            features_of(f"vgg16:{tmp_path / 'w.pth'}", CPU)


def test_a_file_of_something_else(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="holds no weights by name"):
        features_of(f"vgg16:{tmp_path / 'list.pth'}", CPU)


def test_a_classifier_from_the_shelf_a_file_and_a_run(stock, tmp_path: Path) -> None:
    stock("classifier.two", classes=("a", "b"), features=4)
    file = tmp_path / "shelf" / "classifier.two.safetensors"
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "best.safetensors").write_bytes(file.read_bytes())
    images = torch.rand((1, 3, 16, 16), generator=torch.Generator().manual_seed(1))
    seen = [features_of(str(word), CPU)(images) for word in ("classifier.two", file, tmp_path / "run")]
    assert torch.equal(seen[0], seen[1]) and torch.equal(seen[0], seen[2])
    seer = load_seer("classifier.two", CPU)
    assert (seer.name, seer.side, seer.net.classes) == ("classifier.two", 64, ("a", "b"))
    gray = features_of("classifier.two", CPU)(images[:, :1])
    assert gray.shape == seen[0].shape


@pytest.mark.usefixtures("shelved")
def test_what_is_no_classifier() -> None:
    with pytest.raises(UsageError, match=r"dt.sp holds weights of dt, no classifier.\nClassifiers: classifier"):
        load_seer("dt.sp", CPU)
    with pytest.raises(WeightsError, match=r"There are no weights 'classifier.big'"):
        features_of("classifier.big", CPU)
    with pytest.raises(WeightsError, match=r"There is no weights file 'gone.safetensors'"):
        features_of("gone.safetensors", CPU)
