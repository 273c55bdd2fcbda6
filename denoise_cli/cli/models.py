"""``denoise models``: what is here, a model's card, checksums."""

import json
from typing import Annotated

import typer

from denoise_cli.cli import flags, screen
from denoise_cli.cli.ship import add
from denoise_cli.errors import UsageError

models = typer.Typer(
    help="The models and the weights that are here.",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@models.callback()
def _default(context: typer.Context, as_json: flags.Json = False) -> None:
    if context.invoked_subcommand is None:
        list_models(as_json)
    elif as_json:
        command = context.invoked_subcommand
        raise UsageError(
            f"--json stands before {command}.", f"Write denoise models {command} --json, if it takes that."
        )


@models.command("list")
def list_models(as_json: flags.Json = False) -> None:
    """List all models and their weights.

    Example: `denoise models list`
    """
    from denoise_cli import methods, shelf

    shipped = shelf.entries()
    if as_json:
        for name in methods.names():
            card = methods.find(name)
            names = [entry.name for entry in shipped if entry.model == name]
            screen.emit(json.dumps({"model": name, "summary": card.summary, "weights": names}))
        return
    lines = [("model", "what it does", "weights")]
    for name in methods.names():
        card = methods.find(name)
        names = [entry.name for entry in shipped if entry.model == name]
        lines.append((name, card.summary, ", ".join(names) or ("none yet" if card.recipe else "needs none")))
    screen.table(lines)


@models.command()
def info(name: Annotated[str, typer.Argument(help="A model, such as dt, or weights, such as dt.sp.")]) -> None:
    """Show the card of a model or of a weights file.

    Examples: `denoise models info dt`, `denoise models info dt.sp`
    """
    from dataclasses import asdict

    from denoise_cli import checkpoint, methods, shelf

    model, dot, _ = name.partition(".")
    card = methods.find(model)
    name = name.rpartition(":")[2]  # of nn3d:dt.sp the weights are those of dt.sp
    entry = shelf.find(name) if dot else None
    screen.emit(f"{card.name}: {card.summary}\n{card.paper}")
    if entry is None:
        screen.emit(f"config   {json.dumps(asdict(card.config))}\noptions  {json.dumps(asdict(card.options))}")
        if card.recipe is not None:
            screen.emit(f"recipe   {json.dumps(asdict(card.recipe))}")
        for entry in shelf.entries():
            if entry.model == name:
                screen.emit(f"weights  {entry.name}: {entry.weights:,} numbers, for {entry.suits or 'special use'}")
        return
    loaded = checkpoint.load(shelf.path_of(entry))
    for key, value in asdict(entry).items():
        if key != "scores":
            screen.emit(f"{key:9}{value}")
    screen.emit(f"config   {json.dumps(loaded.config)}\nrecipe   {json.dumps(loaded.recipe)}")
    for what, score in entry.scores.items():
        screen.emit(f"{score:8.2f} {'% ' if what.endswith('%') else 'dB'}  {what}")


@models.command()
def verify(
    names: Annotated[list[str] | None, typer.Argument(help="Weights to check; all if none is named.")] = None,
) -> None:
    """Check the shipped weights against their checksums, and that each loads into its net.

    Example: `denoise models verify`
    """
    from denoise_cli import methods, shelf
    from denoise_cli.errors import WeightsError
    from denoise_cli.inference.load import load_module

    chosen = [shelf.find(name) for name in names] if names else shelf.entries()
    bad = []
    for entry in chosen:
        try:
            load_module(shelf.path_of(entry), methods.find(entry.model))
            screen.emit(f"{entry.name}: good")
        except WeightsError as error:
            screen.emit(f"{entry.name}: BAD")
            bad.append(str(error))
    if bad:
        raise WeightsError(f"{len(bad)} of {len(chosen)} weights files are bad.\n" + "\n".join(bad))
    screen.say(f"{len(chosen)} weights files, all good.")


models.command("add")(add)
