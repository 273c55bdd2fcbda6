"""The product is on stdout, all else on stderr."""

import pytest

from denoise_cli.cli import screen

Caught = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _fresh() -> None:
    screen.reset()
    screen.set_volume(quiet=False, verbose=False)


def speak() -> None:
    screen.emit("product [bold] :cat: " + "x" * 300)
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
    assert out == "product [bold] :cat: " + "x" * 300 + "\n"
    assert err.split() == heard
    assert screen.quiet() is quiet


def test_what_a_terminal_would_obey_is_spelt_out() -> None:
    assert screen.printable("a\nb \u00e9 \u65e5") == "a\nb \u00e9 \u65e5"
    assert screen.printable("\x1b[31m \udcff\r") == "\\x1b[31m \\udcff\\r"


def test_a_table_in_a_pipe_is_of_any_width_and_a_line_a_row(capsys: Caught) -> None:
    screen.table([("name", "dB"), ("a\nb" + "x" * 300, "9.5"), ("\u65e5.png", "12.25")], numbers=(1,))
    titles, long, wide = capsys.readouterr().out.splitlines()
    assert long == "a\\nb" + "x" * 300 + "    9.5"
    assert titles == "name".ljust(304) + "     dB" and wide == "\u65e5.png".ljust(303) + "  12.25"
