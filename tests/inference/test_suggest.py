"""The suggested command."""

import pytest

from denoise_cli.inference.choose import GAUSSIAN, IMPULSES, Look
from denoise_cli.inference.suggest import suggest
from denoise_cli.shelf import Entry


def entry(name: str, suits: str) -> Entry:
    return Entry(name, "", suits, "", 3, 0, "", "", 0, 0.0, "")


SHELF = [entry("a.salt", IMPULSES), entry("b.grain", GAUSSIAN)]


@pytest.mark.parametrize(
    ("seen", "command"),
    [
        (Look(0.0, 0.001), None),
        (Look(0.0, 0.1), "denoise run x.png --model b.grain"),
        (Look(0.1, 0.001), "denoise run x.png --model a.salt"),
        (
            Look(0.1, 0.1),
            "denoise run x.png --model a.salt -o x-without-impulses.png"
            " && denoise run x-without-impulses.png --model b.grain",
        ),
        (Look(0.0, 0.1, white=False), "denoise run x.png --model nlm --sigma 25.5"),
    ],
)
def test_by_what_was_seen(seen: Look, command: str | None) -> None:
    assert suggest(seen, "x.png", 3, SHELF) == command


def test_without_weights_methods_that_need_none() -> None:
    assert suggest(Look(0.2, 0.0), "x.png", 3, []) == "denoise run x.png --model impulse"
    assert suggest(Look(0.0, 0.1), "x.png", 3, []) == "denoise run x.png --model nlm"


def test_names_that_a_shell_would_take_apart() -> None:
    assert suggest(Look(0.0, 0.1), "my photo.png", 3, SHELF) == "denoise run 'my photo.png' --model b.grain"
    assert suggest(Look(0.0, 0.1), "-x.png", 3, SHELF) == "denoise run ./-x.png --model b.grain"


def test_one_run_where_there_are_weights_for_both_and_nets_for_camera_noise() -> None:
    both = [*SHELF, entry("c.mixed", "mixed"), entry("d.camera", "camera")]
    assert suggest(Look(0.1, 0.1), "x.png", 3, both) == "denoise run x.png --model c.mixed"
    assert suggest(Look(0.0, 0.1, white=False), "x.png", 3, both) == "denoise run x.png --model d.camera"
