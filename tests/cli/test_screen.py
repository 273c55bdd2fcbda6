"""The product is on stdout, all else on stderr."""

import pytest

from denoise_cli.cli import screen

Caught = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _fresh() -> None:
    screen.reset()
    screen.set_volume(quiet=False, verbose=False)


def speak() -> None:
    screen.emit("product [bold]" + "x" * 300)
    screen.say("message")
    screen.detail("detail")
    screen.complain("error")
    with screen.progress("working", 2) as bar:
        bar.note("half")
        bar.say("above")
        bar.advance()
        bar.move(2)


@pytest.mark.parametrize(
    ("quiet", "verbose", "heard"),
    [
        (False, False, ["message", "error", "above"]),
        (True, False, ["error"]),
        (False, True, ["message", "detail", "error", "above"]),
    ],
)
def test_the_volume(capsys: Caught, quiet: bool, verbose: bool, heard: list[str]) -> None:
    screen.set_volume(quiet=quiet, verbose=verbose)
    speak()
    out, err = capsys.readouterr()
    assert out == "product [bold]" + "x" * 300 + "\n"
    assert err.split() == heard
    assert screen.quiet() is quiet
