"""The README's commands exist as they stand there."""

import re
import shlex
from pathlib import Path

import pytest

from denoise_cli.cli.app import main
from denoise_cli.errors import DenoiseError

_README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def _commands() -> list[list[str]]:
    found = []
    for block in re.findall(r"```sh\n(.*?)```", _README, re.DOTALL):
        for part in re.split(r"&&|\||\n|;", block):
            words = shlex.split(part, comments=True)
            if words and words[0].endswith("denoise"):
                found.append(words[1:])
    return found


def test_there_are_commands_to_check() -> None:
    assert {words[0] for words in _commands()} >= {"run", "make-data", "train", "score"}


@pytest.mark.parametrize("words", _commands(), ids=" ".join)
def test_a_commands_flags_exist(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    name = [words[0]]
    if words[0] in ("models", "bench", "figure") and len(words) > 1 and words[1].isalpha():
        name.append(words[1])
    assert main([*name, "--help"]) == 0
    text = capsys.readouterr().out
    for flag in (word for word in words if re.fullmatch(r"--?[a-z][a-z-]*", word)):
        assert re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", text), f"{' '.join(name)} has no flag {flag}"


def test_every_exit_code_is_listed() -> None:
    for error in DenoiseError.__subclasses__():
        assert re.search(rf"^\| {error.exit_code} \|", _README, re.MULTILINE), error
