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


def test_what_a_terminal_would_obey_is_spelt_out() -> None:
    assert screen.printable("a\nb \u00e9 \u65e5") == "a\nb \u00e9 \u65e5"
    assert screen.printable("\x1b[31m \udcff\r") == "\\x1b[31m \\udcff\\r"
