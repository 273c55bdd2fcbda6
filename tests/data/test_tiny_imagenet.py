"""Tiny ImageNet in zip, tar and folder; names with dots cannot lead anywhere, a broken image does not stop the rest."""

import io
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from denoise_cli.data.sources import open_source
from denoise_cli.errors import InputError


def _jpeg(level: int, mode: str = "RGB") -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (64, 64), (level, level, level) if mode == "RGB" else level).save(stream, "JPEG")
    return stream.getvalue()


FILES = {
    "tiny-imagenet-200/wnids.txt": b"n00000001\n",
    "tiny-imagenet-200/train/n00000001/images/n00000001_0.JPEG": _jpeg(10),
    "tiny-imagenet-200/train/n00000001/images/n00000001_1.JPEG": _jpeg(20, "L"),
    "tiny-imagenet-200/val/val_annotations.txt": b"val_0.JPEG\tn07747607\t0\t32\t44\t62\nval_9.JPEG\n",
    "tiny-imagenet-200/val/images/val_0.JPEG": _jpeg(30),
    "tiny-imagenet-200/val/images/val_1.JPEG": b"broken",
    "../../train/n00000001/images/n00000001_2.JPEG": _jpeg(40),
    "tiny-imagenet-200/val/images/../../../escape.JPEG": _jpeg(50),
}


def _packed(root: Path, form: str) -> Path:
    if form == "zip":
        with zipfile.ZipFile(root / "tiny-imagenet-200.zip", "w") as archive:
            for name, content in FILES.items():
                archive.writestr(name, content)
        return root / "tiny-imagenet-200.zip"
    with tarfile.open(root / "tiny.tar", "w") as tar:
        for name, content in FILES.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return root / "tiny.tar"


@pytest.mark.parametrize("form", ["zip", "tar"])
def test_archives(tmp_path: Path, form: str) -> None:
    source = open_source(_packed(tmp_path, form))
    assert source.names == (
        "train/n00000001/n00000001_0.png", "train/n00000001/n00000001_1.png", "val/val_0.png", "val/val_1.png",
    )  # fmt: skip
    assert source.tested == {"val/val_0.png", "val/val_1.png"}
    assert source.classes == {
        **dict.fromkeys(source.names[:2], "animals/n00000001"), "val/val_0.png": "food/n07747607",
    }  # fmt: skip
    found = dict(source.read())
    assert isinstance(found.pop("val/val_1.png"), InputError)
    levels = {name: (len(image), int(np.median(image))) for name, image in found.items()}
    assert levels == {source.names[0]: (3, 10), source.names[1]: (1, 20), source.names[2]: (3, 30)}
    with pytest.raises(InputError):
        list(source)


def test_a_folder(tmp_path: Path) -> None:
    place = tmp_path / "mine" / "train" / "n00000001" / "images"
    place.mkdir(parents=True)
    (place / "n00000001_0.JPEG").write_bytes(_jpeg(10))
    assert open_source(tmp_path / "mine").names == ("train/n00000001/n00000001_0.png",)


def test_a_damaged_zip_is_named(tmp_path: Path) -> None:
    path = _packed(tmp_path, "zip")
    content = bytearray(path.read_bytes())
    at = content.index(b"\xff\xd8\xff") + 40
    content[at : at + 20] = bytes(20)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"tiny-imagenet-200\.zip"):
        list(open_source(path).limited(None, 0).read(["train/n00000001/n00000001_0.png"]))


@pytest.mark.skipif("DENOISE_DATA" not in os.environ, reason="DENOISE_DATA names no folder with data sets")
def test_the_real_images() -> None:
    source = open_source(Path(os.environ["DENOISE_DATA"]) / "tiny-imagenet-subset.tar")
    assert len(source) == 21000
    image = dict(source.read([source.names[0]]))[source.names[0]]
    assert not isinstance(image, InputError) and image.shape == (3, 64, 64)
