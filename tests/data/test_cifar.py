"""CIFAR-10 in both versions, as archive and as folder, gives the same images; a hostile pickle is not run."""

import io
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest

from denoise_cli.data import pickles
from denoise_cli.data.sources import open_source
from denoise_cli.errors import InputError

LABELS = {"data_batch_1": [6, 9, 3], "data_batch_2": [0], "test_batch": [3, 8]}


def _pixels(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 3072), dtype=np.uint8)


def _python_two(labels: list[int], pixels: np.ndarray) -> bytes:
    """A batch as Python 2 and numpy 1 wrote it: protocol 2, byte strings, ``numpy.core.multiarray``."""
    raw = pixels.tobytes()
    text = (
        b"\x80\x02}(U\x04dataq\x01cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K" + bytes([len(pixels)]) + b"M\x00\x0c\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R"
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T" + len(raw).to_bytes(4, "little") + raw + b"tb"
    )
    return text + b"U\x06labels](" + b"".join(b"K" + bytes([label]) for label in labels) + b"eu."


def _files(version: str) -> dict[str, bytes]:
    files = {}
    for seed, (name, labels) in enumerate(LABELS.items()):
        pixels = _pixels(len(labels), seed)
        if version == "bin":
            records = np.concatenate([np.array(labels, np.uint8)[:, None], pixels], axis=1)
            files[f"cifar-10-batches-bin/{name}.bin"] = records.tobytes()
        elif version == "py":
            files[f"cifar-10-batches-py/{name}"] = _python_two(labels, pixels)
        else:
            files[f"cifar-10-batches-py/{name}"] = pickle.dumps({b"data": pixels, b"labels": labels}, protocol=2)
    return files


def _tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


@pytest.mark.parametrize("version", ["bin", "py", "py3"])
@pytest.mark.parametrize("packed", [True, False])
def test_every_version_holds_the_same_images(tmp_path: Path, version: str, packed: bool) -> None:
    files = _files(version)
    path = tmp_path / "set.tar.gz"
    if packed:
        _tar(path, files)
    else:
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(content)
        path = tmp_path / next(iter(files)).partition("/")[0]
    source = open_source(path)
    assert source.names == (
        "train/00001-frog.png", "train/00002-truck.png", "train/00003-cat.png", "train/00004-airplane.png",
        "test/00001-cat.png", "test/00002-ship.png",
    )  # fmt: skip
    assert source.tested == set(source.names[4:])
    images = dict(source)
    assert np.array_equal(images["train/00004-airplane.png"], _pixels(1, 1).reshape(3, 32, 32))
    assert np.array_equal(images["test/00002-ship.png"], _pixels(2, 2)[1].reshape(3, 32, 32))
    assert [name for name, _ in source.read(["test/00001-cat.png"])] == ["test/00001-cat.png"]


def test_a_truncated_batch_is_named(tmp_path: Path) -> None:
    (tmp_path / "data_batch_1.bin").write_bytes(bytes(3073 + 100))
    with pytest.raises(InputError, match=r"data_batch_1\.bin has 3173 bytes"):
        open_source(tmp_path)


def test_a_truncated_archive_is_named(tmp_path: Path) -> None:
    path = _tar(tmp_path / "cifar.tar.gz", _files("bin"))
    path.write_bytes(path.read_bytes()[:-4000])
    with pytest.raises(InputError, match=r"cifar\.tar\.gz"):
        list(open_source(path))


class _Harmful:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_hostile_pickle_is_refused(tmp_path: Path, protocol: int) -> None:
    target = tmp_path / "touched"
    batch = pickle.dumps({"data": _Harmful(target), "labels": []}, protocol=protocol)
    path = _tar(tmp_path / "cifar.tar.gz", {"cifar-10-batches-py/data_batch_1": batch})
    with pytest.raises(InputError, match=r"system.*not read"):
        open_source(path)
    assert not target.exists()


@pytest.mark.parametrize("put", [b"r\xff\xff\xff\x00", b"p16777215\n"])
def test_the_memo_of_a_pickle_is_no_larger_than_what_is_in_it(put: bytes) -> None:
    with pytest.raises(InputError, match="place 16777215 of the memo after 2 operations"):
        pickles.load(b"\x80\x02N" + put + b".", "batch")
    assert pickles.load(b"\x80\x02]r\x02\x00\x00\x00.", "batch") == []


def test_a_pickle_cannot_ask_for_memory() -> None:
    huge = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(L1000000000000L\ntS'b'\ntR."
    assert isinstance(pickles.load(huge, "batch"), np.ndarray)  # empty: the shape asked for is not allocated
    with pytest.raises(InputError):
        pickles.load(b"cnumpy\nndarray\n((L1000000000000L\nttR.", "batch")


@pytest.mark.parametrize("data", [b"", b"rubbish", pickle.dumps([1, 2]), pickle.dumps({"data": 1, "labels": ["x"]})])
def test_what_is_no_batch_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "data_batch_1").write_bytes(data)
    with pytest.raises(InputError, match="data_batch_1"):
        open_source(tmp_path)


@pytest.mark.skipif("DENOISE_DATA" not in os.environ, reason="DENOISE_DATA names no folder with data sets")
def test_the_real_images() -> None:
    source = open_source(Path(os.environ["DENOISE_DATA"]) / "cifar10-subset")
    assert len(source) == 5585
    assert source.names[0].startswith("train/00001-")
