"""How long commands take to begin."""

import pytest

from denoise_cli.bench import process
from denoise_cli.bench.process import Ran, denoise
from denoise_cli.bench.startup import Start, table
from denoise_cli.cli.app import main


def test_the_first_run_does_not_count_and_the_fastest_does(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    turns: dict[str, int] = {}

    def run(words: list[str], environment: dict[str, str]) -> Ran:
        assert "PYTHONDONTWRITEBYTECODE" not in environment and "PATH" in environment
        turn = turns[" ".join(words)] = turns.get(" ".join(words), 0) + 1
        return Ran("", 0, {1: 0.1, 2: 3.0, 3: 2.0}[turn] * (2 if "denoise_cli" in words else 1), 0.0)

    monkeypatch.setattr(process, "run", run)
    assert main(["bench", "startup", "--repeats", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "| `denoise --help` | 4.00 | typer's own --help | 2.00 | 2.00 |" in lines
    assert "| `denoise run tiny.png` | 4.00 | import torch | 2.00 | 2.00 |" in lines
    assert set(turns.values()) == {3}


def test_the_table() -> None:
    assert table([Start("denoise x", "import torch", 1.5, 1.2)]).splitlines()[2:] == [
        "| `denoise x` | 1.50 | import torch | 1.20 | 1.25 |"
    ]


def test_the_commands_that_are_timed_work() -> None:
    from denoise_cli.bench import startup

    ran = process.run(["-c", startup._TYPER])
    assert "Usage" in ran.stdout and "one" in ran.stdout
    assert denoise("--version").stdout.startswith("denoise ")
