"""Words become sources: the samples, folders, single images; mistakes get a way out."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from denoise_cli.data import fetch
from denoise_cli.data.sources import missing, open_source
from denoise_cli.errors import InputError


def _image(path: Path, level: int = 100, mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (8, 6), level if mode == "L" else (level, 0, 0)).save(path)


def test_the_samples_are_the_default() -> None:
    source = open_source()
    assert source.word == "samples" and len(source) >= 12
    assert all(image.dtype == np.uint8 and image.ndim == 3 for _, image in source)


def test_a_folder_keeps_its_tree(tmp_path: Path) -> None:
    _image(tmp_path / "b.jpg")
    _image(tmp_path / "deep er" / "ä.png", 7, "L")
    _image(tmp_path / ".hidden" / "c.png")
    (tmp_path / "notes.txt").write_text("no image")
    source = open_source(tmp_path)
    assert source.names == ("b.png", "deep er/ä.png")
    images = dict(source)
    assert images["b.png"].shape == (3, 6, 8)
    assert images["deep er/ä.png"].shape == (1, 6, 8) and (images["deep er/ä.png"] == 7).all()
    assert open_source(tmp_path / "b.jpg").names == ("b.png",)


def test_two_images_for_one_name_are_found_before_work_starts(tmp_path: Path) -> None:
    _image(tmp_path / "a.png")
    _image(tmp_path / "a.jpg")
    with pytest.raises(InputError, match=r"would both become a\.png"):
        open_source(tmp_path)


def test_an_image_for_the_name_of_a_folder_is_found_before_work_starts(tmp_path: Path) -> None:
    _image(tmp_path / "deep" / "a.jpg")
    _image(tmp_path / "deep" / "a.png" / "deeper" / "b.png")
    with pytest.raises(InputError, match=r"a\.jpg would become deep/a\.png, and so is the folder of .*b\.png called"):
        open_source(tmp_path)


def test_a_broken_image_comes_as_its_error(tmp_path: Path) -> None:
    _image(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"")
    found = dict(open_source(tmp_path).read())
    assert isinstance(found["b.png"], InputError) and not isinstance(found["a.png"], InputError)


def test_the_way_out_of_an_image_that_is_too_large_is_one_that_there_is(tmp_path: Path) -> None:
    (tmp_path / "a.ppm").write_bytes(b"P6 99999999 99999999 255\n")
    found = dict(open_source(tmp_path).read())["a.png"]
    assert isinstance(found, InputError) and "more than the limit" in found.what
    assert "smaller" in found.hint and "--max-pixels" not in found.hint  # make-data and train have no such flag


def test_limits_are_drawn_and_nested(tmp_path: Path) -> None:
    for number in range(20):
        _image(tmp_path / f"{number:02d}.png")
    names = [set(open_source(tmp_path, limit=limit, seed=1).names) for limit in (5, 10, 20, 99)]
    assert [len(chosen) for chosen in names] == [5, 10, 20, 20]
    assert names[0] < names[1] < names[2]
    assert set(open_source(tmp_path, limit=5, seed=2).names) != names[0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.mkdir(), "no image"),
        (lambda path: path.write_bytes(b"abc"), "no readable zip or tar"),
        (lambda path: None, "does not exist"),
    ],
)
def test_what_is_no_source(tmp_path: Path, make: object, message: str) -> None:
    assert callable(make)
    make(tmp_path / "thing")
    with pytest.raises(InputError, match=message) as caught:
        open_source(tmp_path / "thing")
    assert caught.value.hint


def test_a_near_miss_is_named() -> None:
    with pytest.raises(InputError, match="Did you mean 'cifar10'"):
        open_source("cifra10")


def test_a_known_set_is_taken_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(fetch.CACHE_VARIABLE, str(tmp_path))
    assert missing("cifar10")
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    (folder / "test_batch.bin").write_bytes(bytes([3]) + bytes(3072))
    assert not missing("cifar10")
    source = open_source("cifar10")
    assert source.word == "cifar10" and source.names == ("test/00001-cat.png",)
