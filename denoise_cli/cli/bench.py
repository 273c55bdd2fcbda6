"""``denoise bench``: the tables, measured again."""

from pathlib import Path
from typing import Annotated

import typer

from denoise_cli.cli import flags, screen

bench = typer.Typer(
    help="Measure the tables again: scores of the weights that are here.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@bench.callback()
def _commands() -> None:
    """Keeps the command's name in the command line while there is only one."""


@bench.command("weights")
def weights(
    names: Annotated[list[str] | None, typer.Argument(help="Weights such as dt.sp; all if none is named.")] = None,
    data: Annotated[
        Path,
        typer.Option("--data", envvar="DENOISE_DATA", help="Folder with cifar10-subset, cbsd68, bsd68-gray, set12."),
    ] = Path("data"),
    write: Annotated[bool, typer.Option("--write", help="Put what is measured into the index.")] = False,
    markdown: Annotated[bool, typer.Option("--table", help="Only print what the index quotes, as Markdown.")] = False,
    device: flags.Device = "auto",
    precision: Annotated[str, typer.Option(help="auto, float32 or bfloat16.")] = "auto",
    quiet: flags.Quiet = False,
) -> None:
    """Score the shipped weights; fails where the index quotes another figure.

    Examples:

    `denoise bench weights --data data/`

    `denoise bench weights dt.sp --write`
    """
    from denoise_cli import device as devices
    from denoise_cli import shelf
    from denoise_cli.bench.table import table
    from denoise_cli.bench.weights import measure, record
    from denoise_cli.errors import GateError

    if markdown:
        screen.emit(table([shelf.find(name) for name in names] if names else shelf.entries()))
        return
    where = devices.pick(device)
    devices.keep_memory()
    entries = [shelf.find(name) for name in names] if names else shelf.entries()
    wrong = []
    for entry in entries:
        found = []
        for item in measure(entry, data, where, devices.precision(precision, where)):
            quoted = "  nothing" if item.quoted is None else f"{item.quoted:9.3f}"
            screen.emit(f"{item.name:20}  {item.score:9.3f} dB  quoted {quoted}  {item.what}")
            found.append(item)
            if not item.holds:
                wrong.append(item)
        if write:
            record(entry, found)
    if write:
        screen.say("the index now quotes what was measured")
    elif wrong:
        raise GateError(
            f"{len(wrong)} figures are not what the index quotes.", "Look into it, or record them with --write."
        )
