"""Which files the user's words stand for."""

from pathlib import Path

import pytest

from denoise_cli.errors import InputError, UsageError
from denoise_cli.inference.inputs import Item, gather, is_result


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("a.png", "photos/b.JPG", "photos/sub/c.tif", "photos/.d/e.png", "photos/.f.png", "photos/g.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_words(here: Path) -> None:
    tree = [Item(Path("photos/b.JPG"), Path("b.JPG"), Path("photos"))]
    tree.append(Item(Path("photos/sub/c.tif"), Path("sub/c.tif"), Path("photos")))
    assert gather(["photos"]).items == tree
    assert gather(["a.png", "-", "a.png"]).items == [Item(Path("a.png"), Path("a.png")), Item(None, Path("stdin.png"))]
    assert gather(["*.png"]).items == [Item(Path("a.png"), Path("a.png"))]
    assert gather(["photos/*"]).items[0] == Item(Path("photos/b.JPG"), Path("b.JPG"))
    (here / "list").write_text("photos\na.png\n")
    assert gather(["@list"]).items == [*tree, Item(Path("a.png"), Path("a.png"))]
    assert gather(["gone.png"]).items == [Item(Path("gone.png"), Path("gone.png"))]


def test_names_that_look_like_patterns_and_lists(here: Path) -> None:
    for name in ("a[1].png", "@b.png"):
        (here / name).touch()
        assert gather([name]).items == [Item(Path(name), Path(name))]


@pytest.mark.usefixtures("here")
def test_stdin_is_one_image() -> None:
    with pytest.raises(UsageError, match="stdin is named twice"):
        gather(["-", "a.png", "-"])


def test_results_of_earlier_runs(here: Path) -> None:
    for name in ("photos/b-denoised.jpg", "photos/b-denoised-iters10.JPG", "photos/x-denoised.png", "photos/out/b.JPG"):
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).touch()
    assert is_result(Path("photos/b-denoised-iters10.JPG")) and not is_result(Path("photos/x-denoised.png"))
    found = gather(["photos"], Path("photos/out"))
    assert [item.name for item in found.items] == ["photos/b.JPG", "photos/sub/c.tif", "photos/x-denoised.png"]
    assert len(found.earlier) == 3
    assert gather(["photos/b-denoised.jpg"]).items[0].name == "photos/b-denoised.jpg"
    assert [item.name for item in gather(["photos/out"], Path("photos/out")).items] == ["photos/out/b.JPG"]
    with pytest.raises(InputError, match=r"All 2 images are results of earlier runs"):
        gather(["photos/b-*"])
