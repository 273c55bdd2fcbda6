"""Where results go."""

from dataclasses import replace
from pathlib import Path

import pytest

from denoise_cli.errors import OutputError, UsageError
from denoise_cli.inference.inputs import Item
from denoise_cli.inference.outputs import Layout, check

FILE = Item("in/a.png", "a.png")
DEEP = Item("photos/sub/b.jpeg", "sub/b.jpeg", "photos")
BARE = Item("scan.2", "scan.2")


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
        (Item("-", "stdin.png"), "out", None, "out/stdin.png"),
    ],
)
def test_one_place(item: Item, output: str | None, format: str | None, place: str) -> None:
    assert Layout.of([item], output, format).paths(item) == (Path(place),)


def test_a_folder_beside_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    layout = Layout.of([DEEP], None, None)
    assert layout.paths(DEEP) == (tmp_path / "photos-denoised/sub/b.jpeg",)
    assert layout.folder(DEEP) == tmp_path / "photos-denoised" and layout.folder(FILE) is None


def test_sheets_of_dicom_images_are_png() -> None:
    scan = Item("x/a.dcm", "a.dcm", "x")
    sheets = replace(Layout.of([scan, FILE], "pairs", None), sheets=True)
    assert sheets.paths(scan) == (Path("pairs/a.png"),) and sheets.paths(DEEP) == (Path("pairs/sub/b.jpeg"),)


def test_marks() -> None:
    layout = Layout.of([FILE], "x.png", None, ["iters1", "iters2"])
    assert layout.paths(FILE) == (Path("x-iters1.png"), Path("x-iters2.png"))


def test_what_cannot_be() -> None:
    with pytest.raises(UsageError, match="2 images do not fit into the one file"):
        Layout.of([FILE, DEEP], "x.png", None)
    with pytest.raises(UsageError, match="contradict"):
        Layout.of([FILE], "x.png", "tiff")
    with pytest.raises(UsageError, match=r"write 'x\.heic/'"):
        Layout.of([FILE], "x.heic", None)


def test_clashes_and_what_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    two = [FILE, Item("other/a.png", "a.png")]
    with pytest.raises(OutputError, match=r"'in/a.png' and 'other/a.png' would both become 'out/a.png'"):
        check(two, Layout.of(two, "out", None))
    beside = [Item("photos/a.png", "a.png", "photos"), Item("photos/a.jpg", "a.jpg", "photos")]
    assert check(beside, Layout.of(beside, "out", None)) == []
    with pytest.raises(OutputError, match=r"would both become 'out/a.png'"):
        check(beside, Layout.of(beside, "out", "png"))
    for folder in ("in", "out"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.png").touch()
    with pytest.raises(OutputError, match=r"The input 'in/a.png' would be overwritten"):
        check([FILE], Layout.of([FILE], "out/../in", None))
    with pytest.raises(OutputError, match=r"The input 'in/a.png' would be overwritten"):
        check([FILE], Layout.of([FILE], "not/there/../../in", None))
    assert check([FILE], Layout.of([FILE], "out", None)) == [(FILE, Path("out/a.png"))]
    (tmp_path / "out/a.png").unlink()
    (tmp_path / "out/a.png").symlink_to(tmp_path / "in/a.png")
    with pytest.raises(OutputError, match=r"The input 'in/a.png' would be overwritten"):
        check([FILE], Layout.of([FILE], "out", None))
