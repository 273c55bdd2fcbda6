"""What all commands share: help, exit codes, flags before and behind the command."""

import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import cv2
import numpy as np
import pytest

import denoise_cli
from denoise_cli import errors, shelf
from denoise_cli.cli import screen
from denoise_cli.cli.app import main

Caught = pytest.CaptureFixture[str]
COMMANDS = ["run", "export", "doctor", "train", "make-data", "score", "inspect", "fit-dip", "fit-rnn", "fit-ntk"]
COMMANDS += ["figure sheet", "bench", "bench weights", "bench paper", "bench fit", "bench speed", "models add"]
COMMANDS += ["models", "models list", "models info", "models verify"]


@pytest.fixture(autouse=True)
def _bare_shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(shelf.FOLDER_VARIABLE, str(tmp_path))


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Make `denoise models list` raise ``error``."""

    def fail() -> NoReturn:
        raise error

    monkeypatch.setattr("denoise_cli.methods.names", fail)


def test_help_imports_nothing_heavy() -> None:
    calls = [[*command.split(), flag] for command in ["", *COMMANDS] for flag in ("--help", "-h")]
    code = (
        "import sys\n"
        "from denoise_cli.cli.app import main\n"
        f"codes = [main(call) for call in {calls!r}]\n"
        "heavy = {'torch', 'cv2', 'numpy', 'PIL', 'matplotlib', 'safetensors', 'tifffile'} & set(sys.modules)\n"
        "sys.exit(f'{codes} {heavy}' if any(codes) or heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(word in done.stdout for word in ("make-data", "--iters", "--force")) and done.stderr == ""


@pytest.mark.parametrize("argv", [["run", "-h"], ["-q", "run", "--help"]])
def test_only_the_command_that_is_asked_for_is_imported(argv: list[str]) -> None:
    code = (
        "import sys\n"
        "from denoise_cli.cli.app import main\n"
        f"main({argv!r})\n"
        "others = {'train', 'bench', 'models', 'score', 'compare'}\n"
        "sys.exit(str(sorted(others & {name.rpartition('.')[2] for name in sys.modules if '.cli.' in name})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "Usage: denoise run" in done.stdout and done.stderr == "[]\n"


def test_a_small_image_needs_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(shelf.FOLDER_VARIABLE)
    assert cv2.imwrite(str(tmp_path / "a.png"), np.full((24, 24, 3), 90, np.uint8))
    code = (
        "import sys\n"
        "from denoise_cli.cli.app import main\n"
        f"code = main(['run', {str(tmp_path / 'a.png')!r}, '-o', {str(tmp_path / 'b.png')!r}, '-q'])\n"
        "sys.exit(f'{code} ' + ' '.join(sorted({'torch._dynamo', 'sympy'} & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr == "0 \n" and (tmp_path / "b.png").exists()


def test_as_a_module_and_the_version() -> None:
    done = subprocess.run([sys.executable, "-m", "denoise_cli", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"denoise {denoise_cli.__version__}\n", "")


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.DenoiseError, 1),
        (errors.UsageError, 2),
        (errors.InputError, 3),
        (errors.OutputError, 4),
        (errors.WeightsError, 5),
        (errors.DeviceError, 6),
        (errors.PartialError, 7),
        (errors.GateError, 8),
    ],
)
def test_every_error_has_its_code(
    monkeypatch: pytest.MonkeyPatch, capsys: Caught, kind: type[errors.DenoiseError], code: int
) -> None:
    raising(monkeypatch, kind("It is [red]broken[/].", "Mend it."))
    assert main(["models", "list"]) == code
    out, err = capsys.readouterr()
    assert (out, err) == ("", "Error: It is [red]broken[/].\nMend it.\n")
    assert main(["models", "list", "--quiet"]) == code
    assert capsys.readouterr().err == err
    assert main(["models", "list", "--debug"]) == code
    assert "Traceback" in capsys.readouterr().err
    assert main(["models", "list"]) == code
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "Stopped."),
        (SystemExit(143), 143, ""),
        (MemoryError(), 6, "out of memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes"), 6, "out of memory"),
        (OSError(28, "No space left on device"), 4, "the output cannot be written: No space left"),
        (ZeroDivisionError("by zero"), 1, "This is a bug in denoise"),
    ],
)
def test_what_else_can_end_it(
    monkeypatch: pytest.MonkeyPatch, capsys: Caught, error: BaseException, code: int, said: str
) -> None:
    raising(monkeypatch, error)
    assert main(["models", "list"]) == code
    err = capsys.readouterr().err
    assert said in err and ("Traceback" in err) == (code == 1)


@pytest.mark.parametrize("argv", [["rnu"], ["run", "--nosuch", "a"], ["train"], ["run", "a", "--tile", "x"]])
def test_wrong_usage(capsys: Caught, argv: list[str]) -> None:
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == "" and "Usage" in err


def test_no_command_shows_the_help(capsys: Caught) -> None:
    assert main([]) == 2
    assert "make-data" in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    "argv", [["-q", "models", "verify"], ["models", "verify", "-q"], ["models", "verify", "--quiet"]]
)
@pytest.mark.usefixtures("shelved")
def test_quiet_anywhere(capsys: Caught, argv: list[str]) -> None:
    assert main(argv) == 0
    out, err = capsys.readouterr()
    assert "dt.sp: good" in out and err == ""


def test_behind_two_dashes_flags_are_names(capsys: Caught, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", "-m", "median", "--", "-q"]) == 3
    assert "-q does not exist" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_no_colours_where_they_are_not_wanted(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    for variable, normal in (("TERM", "xterm-256color"), ("COLORTERM", "truecolor")):
        monkeypatch.setenv(variable, normal)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in shown()
    monkeypatch.setenv(name, value)
    assert "\x1b[3" not in shown()


def test_the_flag_for_no_colours(monkeypatch: pytest.MonkeyPatch, capsys: Caught) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert main(["models", "info", "nosuch"]) == 2
    assert "\x1b[31m" in capsys.readouterr().err
    assert main(["models", "info", "nosuch", "--no-color"]) == 2
    assert "\x1b[31m" not in capsys.readouterr().err
    assert main(["models", "info", "nosuch"]) == 2
    assert "\x1b[31m" in capsys.readouterr().err


def shown() -> str:
    """How an error looks on a fresh console."""
    screen.reset()
    console = screen.err()
    with console.capture() as capture:
        console.print("wrong", style="red")
    return capture.get()


@pytest.mark.parametrize(("asked", "told"), [(None, "1"), ("0", "0")])
def test_large_pages_are_asked_for_unless_the_user_says_otherwise(
    asked: str | None, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "THP_MEM_ALLOC_ENABLE"
    monkeypatch.delenv(name, raising=False)
    if asked is not None:
        monkeypatch.setenv(name, asked)
    words = "import atexit, os, sys; sys.argv = ['denoise', '--version']; from denoise_cli.__main__ import entry;"
    words += f" atexit.register(lambda: print(os.environ['{name}'])); entry()"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == told
