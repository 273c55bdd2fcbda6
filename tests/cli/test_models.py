"""``denoise models``: what is here, its card, its checksum."""

import json
import subprocess
import sys

import pytest

from denoise_cli import methods, shelf
from denoise_cli.cli.app import main

Caught = pytest.CaptureFixture[str]


@pytest.mark.usefixtures("shelved")
@pytest.mark.parametrize("argv", [["models"], ["models", "list"]])
def test_the_list(capsys: Caught, argv: list[str]) -> None:
    assert main(argv) == 0
    out, err = capsys.readouterr()
    rows = {line.split()[0]: line for line in out.splitlines()}
    assert rows.keys() >= set(methods.names()) and err == ""
    assert rows["dt"].rstrip().endswith("dt.sp, dt.gaussian") and rows["median"].rstrip().endswith("needs none")


@pytest.mark.usefixtures("shelved")
def test_the_list_as_json(capsys: Caught) -> None:
    assert main(["models", "list", "--json"]) == 0
    listed = capsys.readouterr().out
    assert main(["models", "--json"]) == 0
    out = capsys.readouterr().out
    assert out == listed
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["model"] for row in rows] == list(methods.names())
    assert {row["model"]: row["weights"] for row in rows}["dncnn"] == ["dncnn.color-blind", "dncnn.gray-25"]
    assert main(["models", "--json", "list"]) == 2 and "denoise models list --json" in capsys.readouterr().err


@pytest.mark.usefixtures("shelved")
def test_cards(capsys: Caught) -> None:
    assert main(["models", "info", "dt"]) == 0
    out = capsys.readouterr().out
    for word in ("Raman, Mao, Agarwal, Jaiman", '"width": 20', '"iters": 20', '"noise": "gaussian', "dt.sp: 1 numbers"):
        assert word in out
    assert main(["models", "info", "median"]) == 0
    out = capsys.readouterr().out
    assert "Tukey" in out and "recipe" not in out
    assert main(["models", "info", "dt.sp"]) == 0
    out = capsys.readouterr().out
    for word in (shelf.find("dt.sp").sha256, "denoise train dt.sp", '"recall": "impulses"', "30.25 dB  set at 25"):
        assert word in out
    assert main(["models", "info", "nn3d:dt"]) == 0 and "dt.sp: 1 numbers" in capsys.readouterr().out
    assert main(["models", "info", "nn3d:dt.sp"]) == 0 and shelf.find("dt.sp").sha256 in capsys.readouterr().out


@pytest.mark.usefixtures("shelved")
@pytest.mark.parametrize(("name", "code", "guess"), [("dncn", 2, "dncnn"), ("dt.spp", 5, "dt.sp")])
def test_a_card_that_is_not_here(capsys: Caught, name: str, code: int, guess: str) -> None:
    assert main(["models", "info", name]) == code
    out, err = capsys.readouterr()
    assert f"Did you mean {guess!r}?" in err and out == ""


@pytest.mark.usefixtures("shelved")
def test_checksums(capsys: Caught) -> None:
    assert main(["models", "verify"]) == 0
    out, err = capsys.readouterr()
    assert out.count(": good\n") == 5 and "5 weights files, all good" in err
    path = shelf.folder() / "dt.sp.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    (shelf.folder() / "dncnn.gray-25.safetensors").unlink()
    assert main(["models", "verify"]) == 5
    out, err = capsys.readouterr()
    assert "dt.sp: BAD" in out and out.count(": good\n") == 3
    assert (
        "2 of 5 weights files are bad" in err and "'dt.sp' are damaged" in err and "'dncnn.gray-25' are missing" in err
    )
    assert main(["models", "verify", "dt.gaussian"]) == 0
    assert main(["models", "verify", "dt.nosuch"]) == 5


@pytest.mark.usefixtures("shelved")
def test_a_closed_pipe_ends_quietly() -> None:
    code = "import sys; from denoise_cli.cli.app import entry; sys.stdin.read(1); sys.argv[1:] = ['models']; entry()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        process.stdout.close()
        process.stdin.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0
