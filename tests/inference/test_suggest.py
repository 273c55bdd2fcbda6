"""The suggested command."""

import pytest

from denoise_cli.inference.choose import GAUSSIAN, IMPULSES, Look
from denoise_cli.inference.suggest import rivals, suggest
from denoise_cli.shelf import Entry


def entry(name: str, suits: str, channels: int = 3) -> Entry:
    return Entry(name, "", suits, "", channels, 0, "", "", 0, 0.0, "")


SHELF = [entry("a.salt", IMPULSES), entry("b.grain", GAUSSIAN)]


@pytest.mark.parametrize(
    ("seen", "command"),
    [
        (Look(0.0, 0.001), None),
        (Look(0.0, 0.1), "denoise run x.png --model b.grain"),
        (Look(0.1, 0.001), "denoise run x.png --model a.salt"),
        (Look(0.1, 0.1, fine=0.1), "denoise run x.png"),
        (Look(0.1, 0.001, apart=True), "denoise run x.png"),
        (Look(0.0, 0.1, white=False), "denoise run x.png --model nlm --sigma 25.5"),
    ],
)
def test_by_what_was_seen(seen: Look, command: str | None) -> None:
    assert suggest(seen, "x.png", 3, SHELF) == command


def test_without_weights_methods_that_need_none() -> None:
    assert suggest(Look(0.2, 0.0), "x.png", 3, []) == "denoise run x.png --model impulse"
    assert suggest(Look(0.2, 0.0, apart=True), "x.png", 3, []) == "denoise run x.png --model impulse"
    assert suggest(Look(0.0, 0.1), "x.png", 3, []) == "denoise run x.png --model nlm"


def test_names_that_a_shell_would_take_apart() -> None:
    assert suggest(Look(0.0, 0.1), "my photo.png", 3, SHELF) == "denoise run 'my photo.png' --model b.grain"
    assert suggest(Look(0.0, 0.1), "-x.png", 3, SHELF) == "denoise run ./-x.png --model b.grain"


def test_one_run_where_there_are_weights_for_both_and_nets_for_camera_noise() -> None:
    both = [*SHELF, entry("c.mixed", "mixed"), entry("d.camera", "camera")]
    assert suggest(Look(0.1, 0.1, fine=0.1), "x.png", 3, both) == "denoise run x.png --model c.mixed"
    assert suggest(Look(0.0, 0.1, white=False), "x.png", 3, both) == "denoise run x.png --model d.camera"


def test_blocks_of_jpeg_are_to_be_removed_also_where_there_is_no_noise() -> None:
    blocks = Look(0.0, 0.0, jpeg_blocks=True)
    assert suggest(blocks, "x.jpg", 3, [*SHELF, entry("c.jpeg", "jpeg")]) == "denoise run x.jpg --model c.jpeg"
    assert suggest(blocks, "x.jpg", 3, SHELF) is None, "nothing here knows how"
    file = Look(0.0, 0.0, jpeg_quality=60)
    assert suggest(file, "x.jpg", 3, [*SHELF, entry("c.jpeg", "jpeg")]) == "denoise run x.jpg --model c.jpeg"


def test_rivals_are_other_models_for_such_noise_and_filters() -> None:
    shelf = [*SHELF, entry("b.more", "gaussian"), entry("c.grain", "gaussian, jpeg"), entry("d.gray", "gaussian", 1)]
    assert rivals(Look(0.0, 0.1), 3, shelf) == ["c.grain", "bm3d", "nlm"]
    assert rivals(Look(0.0, 0.1), 1, shelf) == ["bm3d", "nlm"], "the one in gray is chosen"
    assert rivals(Look(0.1, 0.001), 3, shelf) == ["impulse", "adaptive-median", "inpaint"]
    assert rivals(Look(0.0, 0.1), 3, []) == ["bm3d", "nlm"]
