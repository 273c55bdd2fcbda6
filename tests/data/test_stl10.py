"""STL-10: columns first in the file, labels from 1, unlabelled images without a class."""

import tarfile
from pathlib import Path

import numpy as np
import pytest

from denoise_cli.data.sources import open_source
from denoise_cli.errors import InputError


def _folder(root: Path) -> tuple[Path, np.ndarray]:
    folder = root / "stl10_binary"
    folder.mkdir()
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 96, 96), dtype=np.uint8)
    (folder / "train_X.bin").write_bytes(images[:2].swapaxes(2, 3).tobytes())
    (folder / "train_y.bin").write_bytes(bytes([1, 10]))
    (folder / "unlabeled_X.bin").write_bytes(images[2:].swapaxes(2, 3).tobytes())
    return folder, images


@pytest.mark.parametrize("packed", [True, False])
def test_images_are_upright_and_named(tmp_path: Path, packed: bool) -> None:
    path, images = _folder(tmp_path)
    if packed:
        with tarfile.open(tmp_path / "stl10_binary.tar.gz", "w:gz") as tar:
            tar.add(path, "stl10_binary")
        path = tmp_path / "stl10_binary.tar.gz"
    source = open_source(path)
    expected = ["train/00001-airplane.png", "train/00002-truck.png", *(f"unlabeled/00000{n}.png" for n in (1, 2, 3))]
    assert sorted(source.names) == expected
    assert source.classes == {expected[0]: "vehicles/airplane", expected[1]: "vehicles/truck"}
    found = dict(source)
    for name, image in zip(expected, images, strict=True):
        assert np.array_equal(found[name], image)
    last = dict(source.read(["unlabeled/000003.png"]))  # the two before are passed over
    assert np.array_equal(last["unlabeled/000003.png"], images[4])


def test_a_half_image_is_refused(tmp_path: Path) -> None:
    folder, _ = _folder(tmp_path)
    (folder / "train_X.bin").write_bytes(bytes(100))
    with pytest.raises(InputError, match="no whole number of images"):
        open_source(folder)


def test_labels_and_images_must_agree(tmp_path: Path) -> None:
    folder, _ = _folder(tmp_path)
    (folder / "train_y.bin").write_bytes(bytes([1]))
    with pytest.raises(InputError, match="2 images but 1 labels"):
        open_source(folder)
    (folder / "train_y.bin").write_bytes(bytes([1, 11]))
    with pytest.raises(InputError, match="label out of 1 to 10"):
        open_source(folder)
