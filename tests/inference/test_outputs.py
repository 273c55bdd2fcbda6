"""Where results go."""

from pathlib import Path

import pytest

from denoise_cli.errors import OutputError, UsageError
from denoise_cli.inference.inputs import Item
from denoise_cli.inference.outputs import refuse_existing, targets

FILE = Item(Path("in/a.png"), Path("a.png"))
DEEP = Item(Path("photos/sub/b.jpeg"), Path("sub/b.jpeg"), Path("photos"))
BARE = Item(Path("scan.2"), Path("scan.2"))


@pytest.mark.parametrize(
    ("item", "output", "format", "place"),
    [
        (FILE, None, None, "in/a-denoised.png"),
        (FILE, "out", None, "out/a.png"),
        (FILE, "out.v2/", None, "out.v2/a.png"),
        (FILE, "b.TIF", None, "b.TIF"),
        (FILE, "out", "jpeg", "out/a.jpg"),
        (FILE, None, "png", "in/a-denoised.png"),
        (DEEP, "out", None, "out/sub/b.jpeg"),
        (DEEP, "out", "jpeg", "out/sub/b.jpeg"),
        (BARE, None, None, "scan-denoised.2.png"),
        (BARE, "out", "webp", "out/scan.2.webp"),
        (Item(None, Path("stdin.png")), "out", None, "out/stdin.png"),
    ],
)
def test_one_place(item: Item, output: str | None, format: str | None, place: str) -> None:
    assert targets([item], output, format, [""]) == [[Path(place)]]


def test_a_folder_beside_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert targets([DEEP], None, None, [""]) == [[tmp_path / "photos-denoised/sub/b.jpeg"]]


def test_marks() -> None:
    assert targets([FILE], "x.png", None, ["iters1", "iters2"]) == [[Path("x-iters1.png"), Path("x-iters2.png")]]


def test_what_cannot_be() -> None:
    with pytest.raises(UsageError, match="2 images do not fit into the one file"):
        targets([FILE, DEEP], "x.png", None, [""])
    with pytest.raises(UsageError, match="contradict"):
        targets([FILE], "x.png", "tiff", [""])
    with pytest.raises(UsageError, match=r"write 'x\.heic/'"):
        targets([FILE], "x.heic", None, [""])
    with pytest.raises(OutputError, match=r"'in/a.png' and 'other/a.png' would both become 'out/a.png'"):
        targets([FILE, Item(Path("other/a.png"), Path("a.png"))], "out", None, [""])
    with pytest.raises(OutputError, match=r"The input 'in/a.png' would be overwritten"):
        targets([FILE], "in/../in", None, [""])


def test_what_exists(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).touch()
    with pytest.raises(OutputError, match="a' and 1 more exists already"):
        refuse_existing([[tmp_path / "a"], [tmp_path / "c", tmp_path / "b"]])
    refuse_existing([[tmp_path / "c"]])
