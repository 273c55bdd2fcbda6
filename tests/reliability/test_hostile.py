"""Files that were made to do harm are refused, with a message, in little memory."""

import io
import json
import pickle
import struct
import tarfile
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image as Pillow

from denoise_cli.cli.app import main
from denoise_cli.errors import ExistsError, InputError
from denoise_cli.image import decode_frames, encode, fetch, png
from denoise_cli.image.picture import Image, Source

Caught = pytest.CaptureFixture[str]


def png_file(width: int, height: int, rows: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return png.join([(b"IHDR", header), *extra, (b"IDAT", rows), (b"IEND", b"")])


def saved(format: str, frames: int = 1, size: tuple[int, int] = (8, 8)) -> bytes:
    stream = io.BytesIO()
    pictures = [Pillow.new("L", size, shade % 256) for shade in range(frames)]
    pictures[0].save(stream, format, **({"save_all": True, "append_images": pictures[1:]} if frames > 1 else {}))
    return stream.getvalue()


def tiff_of(width: int, height: int) -> bytes:
    """A TIFF file that declares another size than it has."""
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.zeros((8, 8), np.uint8))
    data = bytearray(stream.getvalue())
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as file:
        for tag, value in ((256, width), (257, height)):
            found = file.pages[0].tags[tag]
            kind = {3: "H", 4: "I"}[int(found.dtype)]
            struct.pack_into(f"<{kind}", data, found.valueoffset, min(value, 65535 if kind == "H" else value))
    return bytes(data)


SQUEEZED = zlib.compress(bytes(300_000_000), 9)  # 300 MB in 300 kB
BOMBS = {
    "png that inflates": png_file(16000, 16000, SQUEEZED),
    "png that says little and inflates": png_file(8, 8, SQUEEZED),
    "png of the largest size": png_file(2**31 - 1, 2**31 - 1, zlib.compress(b"")),
    "png with a profile": png_file(8, 8, zlib.compress(bytes(72)), (b"iCCP", b"a\0\0" + SQUEEZED)),
    "png with a text": png_file(8, 8, zlib.compress(bytes(72)), (b"iTXt", png.XMP_KEYWORD + b"\0\1\0\0\0" + SQUEEZED)),
    "tiff of a huge size": tiff_of(65535, 65535),
    "gif of a huge screen": saved("GIF")[:6] + struct.pack("<HH", 65535, 65535) + saved("GIF")[10:],
    "gif of many frames": saved("GIF", 200, (400, 400)),
    "webp of many frames": saved("WEBP", 40, (1600, 1600)),
    "ppm of a huge size": b"P5 999999 999999 255\n",
    "bmp of a huge size": saved("BMP")[:18] + struct.pack("<ii", 2**31 - 1, 2**31 - 1) + saved("BMP")[26:],
    "jpeg of a huge size": saved("JPEG").replace(struct.pack(">HH", 8, 8), struct.pack(">HH", 65500, 65500), 1),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_bombs(kind: str) -> None:
    data = BOMBS[kind]
    tracemalloc.start()
    try:
        if kind == "png that says little and inflates":
            assert decode_frames(data, "bomb", max_pixels=10**7)[0].width == 8, "the rest is never inflated"
        else:
            with pytest.raises(InputError):
                decode_frames(data, "bomb", max_pixels=10**7)
        assert tracemalloc.get_traced_memory()[1] < 250 << 20
    finally:
        tracemalloc.stop()


def test_a_file_that_is_large_and_no_image(tmp_path: Path) -> None:
    for name, start in (("zeros.png", b""), ("ones.png", b"\x89PNG\r\n\x1a\n")):
        with (tmp_path / name).open("wb") as file:
            file.write(start)
            file.truncate(1 << 40)  # a sparse terabyte
        with pytest.raises(InputError, match=r"zeros.png is not an image|ones.png has more than"):
            fetch(tmp_path / name, max_pixels=10**6)


class Harm:
    """Unpickled, it would leave a trace."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (self.place,)  # type: ignore[return-value]


@pytest.mark.parametrize("name", ["evil.pth", "evil.pt", "evil.safetensors"])
@pytest.mark.parametrize("zipped", [False, True])
def test_pickled_weights_are_never_unpickled(tmp_path: Path, name: str, zipped: bool, capsys: Caught) -> None:
    if zipped:
        torch.save({"weights": Harm(tmp_path / "trace")}, tmp_path / name)
    else:
        (tmp_path / name).write_bytes(pickle.dumps(Harm(tmp_path / "trace")))
    (tmp_path / "a.png").write_bytes(saved("PNG"))
    assert main(["run", str(tmp_path / "a.png"), "--weights", str(tmp_path / name)]) == 5
    assert "damaged or is no weights file" in capsys.readouterr().err and not (tmp_path / "trace").exists()


def weights(tensors: dict[str, object], config: dict[str, object], body: bytes) -> bytes:
    """A safetensors file made by hand."""
    about = {"denoise": json.dumps({"model": "dncnn", "config": config, "recipe": {}, "provenance": {}})}
    header = json.dumps({"__metadata__": about, **tensors}).encode()
    return struct.pack("<Q", len(header)) + header + body


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 10**9) + b"{}",
        weights({"a": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 8]}}, {}, bytes(8)),
        weights({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 2**50]}}, {}, bytes(8)),
        weights({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, {}, bytes(8)),
        weights({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, {"channels": 3, "evil": 1}, bytes(8)),
    ],
    ids=["endless header", "long header", "huge shape", "far offset", "other tensors", "other config"],
)
def test_weights_that_are_not_what_they_say(tmp_path: Path, data: bytes, capsys: Caught) -> None:
    (tmp_path / "w.safetensors").write_bytes(data)
    (tmp_path / "a.png").write_bytes(saved("PNG"))
    assert main(["run", str(tmp_path / "a.png"), "--weights", str(tmp_path / "w.safetensors")]) == 5
    assert "Traceback" not in capsys.readouterr().err and not (tmp_path / "a-denoised.png").exists()


def test_archives_with_links_and_paths_that_lead_out(tmp_path: Path, capsys: Caught) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(saved("PNG"))
    with tarfile.open(tmp_path / "tiny-imagenet-200.tar", "w") as tar:
        for name, kind, target in (
            ("../out.JPEG", tarfile.REGTYPE, ""),
            ("tiny-imagenet-200/train/n01443537/images/../../../../../out.JPEG", tarfile.REGTYPE, ""),
            ("tiny-imagenet-200/train/n01443537/images/a.JPEG", tarfile.SYMTYPE, str(secret)),
            ("tiny-imagenet-200/train/n01443537/images/b.JPEG", tarfile.LNKTYPE, "../../../../secret.png"),
        ):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, target
            content = saved("JPEG", size=(64, 64)) if kind == tarfile.REGTYPE else b""
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    before = set(tmp_path.rglob("*"))
    code = main(
        ["make-data", str(tmp_path / "tiny-imagenet-200.tar"), "--noise", "sp:0.1", "-o", str(tmp_path / "set")]
    )
    assert code in (0, 2, 3) and "Traceback" not in capsys.readouterr().err
    after = {path for path in tmp_path.rglob("*") if not path.is_relative_to(tmp_path / "set")}
    assert after == before and not (tmp_path.parent / "out.JPEG").exists()
    assert not any("secret" in path.name or ".." in path.parts for path in (tmp_path / "set").rglob("*"))


def test_a_journal_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    Path("photos/a.png").write_bytes(encode(Image(np.zeros((1, 8, 8), np.float32), Source("a"))))
    Path("out").mkdir()
    lines = [
        b"[1, 2]",
        b"{}",
        b'{"results": {"a.png": 1}}',
        b'{"results": 5, "settings": 1, "content": 2}',
        b"\xff\0",
        b"[" * 5000,
    ]
    Path("out/.denoise.jsonl").write_bytes(b"\n".join(lines))
    assert main(["run", "photos", "-o", "out", "-m", "median"]) == 0 and Path("out/a.png").exists()
    Path("out/a.png").write_bytes(b"somebody else's")
    assert main(["run", "photos", "-o", "out", "-m", "median"]) == ExistsError.exit_code
    assert Path("out/a.png").read_bytes() == b"somebody else's"
