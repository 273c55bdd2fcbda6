"""Which files the user's words stand for."""

import errno
import os
from pathlib import Path

import pytest

from denoise_cli.errors import InputError, UsageError
from denoise_cli.inference.inputs import Item, Shard, gather, is_result, parse_list, read_list


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("a.png", "photos/b.JPG", "photos/sub/c.tif", "photos/.d/e.png", "photos/.f.png", "photos/g.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_words(here: Path) -> None:
    tree = [Item("photos/b.JPG", "b.JPG", "photos")]
    tree.append(Item("photos/sub/c.tif", "sub/c.tif", "photos"))
    assert gather(["photos"]).items == tree
    assert gather(["a.png", "-", "a.png"]).items == [Item("a.png", "a.png"), Item("-", "stdin.png")]
    assert gather(["*.png"]).items == [Item("a.png", "a.png")]
    assert gather(["photos/*"]).items[0] == Item("photos/b.JPG", "b.JPG")
    (here / "list").write_text("photos\na.png\n")
    assert gather(["@list"]).items == [*tree, Item("a.png", "a.png")]
    assert gather(["gone.png"]).items == [Item("gone.png", "gone.png")]


def test_names_that_look_like_patterns_and_lists(here: Path) -> None:
    for name in ("a[1].png", "@b.png"):
        (here / name).touch()
        assert gather([name]).items == [Item(name, name)]


@pytest.mark.usefixtures("here")
def test_stdin_is_one_image() -> None:
    with pytest.raises(UsageError, match="stdin is named twice"):
        gather(["-", "a.png", "-"])


def test_results_of_earlier_runs(here: Path) -> None:
    for name in ("photos/b-denoised.jpg", "photos/b-denoised-iters10.JPG", "photos/x-denoised.png", "photos/out/b.JPG"):
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).touch()
    assert is_result("photos/b-denoised-iters10.JPG") and not is_result("photos/x-denoised.png")
    found = gather(["photos"], Path("photos/out"))
    assert [item.name for item in found.items] == ["photos/b.JPG", "photos/sub/c.tif", "photos/x-denoised.png"]
    assert len(found.earlier) == 3
    assert gather(["photos/b-denoised.jpg"]).items[0].name == "photos/b-denoised.jpg"
    assert [item.name for item in gather(["photos/out"], Path("photos/out")).items] == ["photos/out/b.JPG"]
    assert [item.name for item in gather(["photos/*/*.JPG", "a.png"], Path("photos/out")).items] == ["a.png"]
    assert gather(["photos/out/b.JPG"], Path("photos/out")).items[0].name == "photos/out/b.JPG"
    with pytest.raises(InputError, match=r"All 2 images are results of earlier runs"):
        gather(["photos/b-*"])


def test_what_is_named_itself_is_never_left_out(here: Path) -> None:
    for name in ("photos/b-denoised.jpg", "photos/pairs/b.JPG"):
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).touch()
    (here / "list").write_text("photos/b-denoised.jpg\n")
    for found in (
        gather(["./photos/b-denoised.jpg"]),
        gather(["@list"]),
        gather([], listed=["photos/b-denoised.jpg"]),
        gather(["photos", "./photos/b-denoised.jpg"]),
    ):
        assert "photos/b-denoised.jpg" in [item.name for item in found.items]
    for word in ("photos/sub", "photos/sub/*.tif"):
        assert [item.name for item in gather([word], Path("photos")).items] == ["photos/sub/c.tif"]
    listed = gather([], listed=["photos"], comparisons=Path("photos/pairs"))
    assert [item.name for item in listed.items] == ["photos/b.JPG", "photos/sub/c.tif"]
    assert sorted(listed.earlier) == ["photos/b-denoised.jpg", "photos/pairs/b.JPG"]


def test_lists_keep_their_folders_and_may_hold_any_name(here: Path) -> None:
    strange = "photos/new\nline.png"
    (here / strange).touch()
    (here / "zero").write_bytes(f"{strange}\0photos/sub/c.tif\0{here}/a.png\0../up.png\0".encode())
    wanted = [Item(strange, strange), Item("photos/sub/c.tif", "photos/sub/c.tif")]
    wanted += [Item(f"{here}/a.png", "a.png"), Item("../up.png", "up.png")]
    assert gather(["@zero"]).items == wanted == gather([], listed=read_list(here / "zero")).items
    assert parse_list(b"a.png\r\n\nb c.png\n", "list") == ["a.png", "b c.png"]
    (here / "@odd.png").touch()
    assert gather([], listed=["@odd.png", "[1].png", "-x.png"]).items[1].name == "[1].png"
    with pytest.raises(InputError, match="The list 'list' is empty"):
        parse_list(b"\n", "list")


def test_what_is_called_like_an_image_and_cannot_be_one_is_listed(here: Path) -> None:
    (here / "photos/dead.png").symlink_to(here / "nowhere")
    (here / "photos/folder.png").mkdir()
    (here / "photos/folder.png/d.png").touch()
    os.mkfifo(here / "photos/pipe.png")
    found = [item.relative for item in gather(["photos"]).items]
    assert found == ["b.JPG", "dead.png", "folder.png/d.png", "pipe.png", "sub/c.tif"]
    (here / "-").touch()
    assert gather(["./-"]).items[0].path == Path("./-")


def test_a_folder_that_cannot_be_listed(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(place: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), place)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match="The folder 'photos/' cannot be listed: Permission denied"):
        gather(["photos"])


def test_shards_share_out_the_work() -> None:
    items = [Item(f"photos/{index}.png", f"{index}.png", "photos") for index in range(100)]
    parts = [list(filter(Shard.parse(f"{index}/4").holds, items)) for index in (1, 2, 3, 4)]
    assert sorted(item for part in parts for item in part) == sorted(items) and all(len(part) > 10 for part in parts)
    assert list(filter(Shard.parse("2/4").holds, items[:50])) == [item for item in parts[1] if item in items[:50]]
    for wrong in ("0/4", "5/4", "1/0", "a/b", "1", "-1/4"):
        with pytest.raises(UsageError, match="no part of a job"):
            Shard.parse(wrong)
