"""Flags that mean the same in every command."""

from typing import Annotated

import typer

from denoise_cli.cli import screen


def _hush(value: bool) -> None:
    if value:
        screen.set_volume(quiet=True, verbose=False)


def _tell(value: bool) -> None:
    if value:
        screen.set_volume(quiet=False, verbose=True)


Quiet = Annotated[bool, typer.Option("--quiet", "-q", callback=_hush, help="Errors only.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", callback=_tell, help="Say more.")]
Device = Annotated[
    str, typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps. Only auto falls back to the CPU.")
]
Precision = Annotated[str, typer.Option("--precision", help="auto, float32 or bfloat16.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Any other knob of the model, repeatable.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout.")]
Force = Annotated[bool, typer.Option("--force", "-f", help="Overwrite what exists.")]
MaxPixels = Annotated[int | None, typer.Option("--max-pixels", help="Refuse images of more pixels than this.", min=1)]
