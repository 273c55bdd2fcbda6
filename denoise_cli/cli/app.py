"""The command line: registers the commands, and turns errors into exit codes in one place."""

import errno
import os
import sys
import traceback
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from denoise_cli import __version__
from denoise_cli.cli import screen
from denoise_cli.errors import DenoiseError, DeviceError, OutputError


class _Group(TyperGroup):
    """Turns an interrupt and a closed pipe into exit codes, before Typer makes its own of them."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            screen.say("Stopped.")
            raise SystemExit(130) from None
        except BrokenPipeError:
            _silence_stdout()
            raise SystemExit(0) from None


_COMMANDS = (
    "run", "train", "fit-dip", "fit-rnn", "fit-ntk", "make-data", "score", "inspect", "compare", "export", "doctor",
    "models", "bench", "figure",
)  # fmt: skip
_DEBUG, _NO_COLOR = "DENOISE_DEBUG", "NO_COLOR"
_EVERYWHERE = ("-q", "--quiet", "-v", "--verbose", "--debug", "--no-color")  # may stand behind the command too
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


def _version(wanted: bool) -> None:
    if wanted:
        screen.emit(f"denoise {__version__}")
        raise typer.Exit


def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and stop.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Errors only.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of every error.")] = False,
) -> None:
    screen.set_volume(quiet=quiet, verbose=verbose)
    if verbose:
        from importlib.metadata import version as version_of

        libraries = ", ".join(f"{name} {version_of(name)}" for name in ("torch", "numpy", "pillow"))
        screen.detail(f"denoise {__version__}, Python {sys.version.split()[0]}, {libraries}")
    if no_color:
        os.environ[_NO_COLOR] = "1"
    if debug:
        os.environ[_DEBUG] = "1"


def application(argv: list[str]) -> typer.Typer:
    """The command line ``argv``: with the command that it names first, or with all where it names none.

    A command is a function, or a Typer of its own, that is called like its module.
    """
    app = typer.Typer(
        name="denoise",
        cls=_Group,
        help="Denoise images; make noisy data, train denoisers and score them.",
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
    )
    app.callback()(_main)
    words = [word for word in argv if word not in _EVERYWHERE]
    for name in words[:1] if words and words[0] in _COMMANDS else _COMMANDS:
        word = name.replace("-", "_")
        command = getattr(import_module(f"denoise_cli.cli.{word}"), word)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def main(argv: list[str] | None = None) -> int:
    """Run the command line ``argv`` (``sys.argv`` by default) and return its exit code."""
    screen.reset()
    screen.set_volume(quiet=False, verbose=False)
    before = {name: os.environ.get(name) for name in (_DEBUG, _NO_COLOR)}
    try:
        return _run(_flags_first(sys.argv[1:] if argv is None else argv))
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _run(argv: list[str]) -> int:
    try:
        application(argv)(argv, prog_name="denoise")
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 0
    except DenoiseError as error:
        if os.environ.get(_DEBUG):
            traceback.print_exc()
        screen.complain(f"Error: {error}")
        return error.exit_code
    except Exception as error:
        if type(error).__name__ == "OutOfMemoryError":  # PyTorch's, which is not imported here
            screen.complain("Error: the GPU is out of memory.\nClose other programs, or use --device cpu.")
            return DeviceError.exit_code
        if _is_out_of_memory(error):
            screen.complain("Error: out of memory.\nClose other programs, or take smaller images.")
            return DeviceError.exit_code
        if isinstance(error, OSError) and error.errno in _FULL and error.filename is None:
            screen.complain(f"Error: the output cannot be written: {error.strerror}.")
            return OutputError.exit_code
        traceback.print_exc()
        screen.complain("This is a bug in denoise; the lines above say where.")
        return 1
    return 0


def _is_out_of_memory(error: Exception) -> bool:
    if "torch" not in sys.modules:  # it is not imported for this
        return isinstance(error, MemoryError)
    from denoise_cli.device import is_out_of_memory

    return is_out_of_memory(error)


def _flags_first(argv: list[str]) -> list[str]:
    """``argv`` with the flags that all commands share in front, where ``--`` does not say that they are names."""
    end = argv.index("--") if "--" in argv else len(argv)
    shared = [word for word in argv[:end] if word in _EVERYWHERE]
    return shared + [word for word in argv[:end] if word not in _EVERYWHERE] + argv[end:]


def entry() -> None:
    """Run ``main`` as a process of its own: flush what it wrote, and leave with its exit code."""
    code = main()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _silence_stdout()
    except OSError as error:
        _silence_stdout()
        screen.complain(f"Error: stdout cannot be written to: {error.strerror}.")
        code = code or OutputError.exit_code
    sys.exit(code)


def _silence_stdout() -> None:
    """Let the interpreter flush into nothing at exit: whoever read our output has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
