"""``denoise train``: train a method, or go on with a training that was stopped."""

import shlex
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from denoise_cli.cli import flags, knobs, screen
from denoise_cli.cli.durations import parse_duration
from denoise_cli.cli.interrupts import interrupts
from denoise_cli.cli.load_torch import load_torch
from denoise_cli.fields import fill

if TYPE_CHECKING:
    from denoise_cli.training.log import Report
    from denoise_cli.training.run import Run


def train(
    model: Annotated[str, typer.Argument(help="What to train: `denoise models` lists them.")],
    data: Annotated[
        list[str], typer.Option("--data", "-d", help="Folder or set of clean images, or a make-data set. Repeatable.")
    ],
    noise: Annotated[
        str | None,
        typer.Option(
            "--noise",
            help="sp:0.1, gaussian:0..55, camera:0..0.16+0..0.06 ...; a mixture: 0.6\\*gaussian:0..55 + 0.4\\*sp:0.1; "
            "or pairs: those of the make-data set.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the run; by default runs/MODEL-NOISE.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Optimiser steps.")] = None,
    batch: Annotated[int | None, typer.Option(help="Patches a step.")] = None,
    patch: Annotated[int | None, typer.Option(help="Side of the patches, pixels.")] = None,
    rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    loss: Annotated[
        str | None,
        typer.Option(
            help="l1, mse or l2, charbonnier, log-mse, ssim, ssim:5, ms-ssim, mix, tv, perceptual; similarity (dt, "
            "feedforward); a sum: mse + 0.08*tv; or one after the other: l2@0..50%,l1@50%.."
        ),
    ] = None,
    perceptual: Annotated[
        str | None,
        typer.Option(help="What the loss `perceptual` sees with: classifier.TAG, a file or run of one, or vgg16:FILE."),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            help="Weights, or a run, whose estimates are learned instead of clean images, for half the patches."
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, patches and noise.")] = None,
    settings: flags.Settings = None,
    validation: Annotated[
        int, typer.Option("--val", min=1, help="Images kept out of training to measure PSNR on.")
    ] = 32,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Only images of this class, or group of them: cat, animals.")
    ] = None,
    init_from: Annotated[
        str | None, typer.Option("--init-from", help="Start from the tensors of these weights, or run, that fit.")
    ] = None,
    init_without: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PART",
            help="A part of the net, such as estimator, that does not start from --init-from. May be repeated.",
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Use only so many images of each --data.")] = None,
    time_limit: Annotated[
        str | None, typer.Option("--time-limit", help="Stop after 90s, 9m, 1.5h; the same command goes on.")
    ] = None,
    device: flags.Device = "auto",
    precision: flags.Precision = "auto",
    micro_batch: Annotated[
        int | None,
        typer.Option("--micro-batch", min=1, help="Patches that go through the net at once, if all are too many."),
    ] = None,
    compiled: Annotated[bool, typer.Option("--compile", help="torch.compile the net: pays in long runs.")] = False,
    force: Annotated[bool, typer.Option("--force", "-f", help="Throw an earlier run in the folder away.")] = False,
    quiet: flags.Quiet = False,
) -> None:
    """Train a model. The same command again goes on where it stopped, to the same weights.

    Examples:

    `denoise train dncnn --data photos/ --noise gaussian:0..55`

    `denoise train dt --data cifar10 --noise sp:0.1 --time-limit 30m`

    `torchrun --nproc-per-node 4 -m denoise_cli train dncnn --data photos/`

    `denoise train dncnn --data photos/ --set channels=1 --set depth=17 --noise gaussian:25 -o runs/gray-25`
    """
    load_torch()
    from denoise_cli import checkpoint, losses, methods, shelf
    from denoise_cli import device as devices
    from denoise_cli.cli.teachers import load_teacher
    from denoise_cli.data.synthesize import folder_of
    from denoise_cli.data.training_set import class_names
    from denoise_cli.errors import UsageError, WeightsError
    from denoise_cli.inference.perception import features_of, file_of
    from denoise_cli.method import Denoiser
    from denoise_cli.training import distributed, loop
    from denoise_cli.training import folder as files
    from denoise_cli.training.material import gather
    from denoise_cli.training.run import (
        Run,
        check,
        check_given,
        check_norms,
        check_patch,
        check_shape,
        check_start,
        without,
    )
    from denoise_cli.training.state import progress_of

    with distributed.joined() as team:
        if not team.leads:
            screen.set_volume(quiet=True, verbose=False)
        card = methods.find(model)
        if card.recipe is None:
            trainable = [name for name in methods.names() if methods.find(name).recipe is not None]
            raise UsageError(f"{model} has nothing to train.", f"Models that learn: {', '.join(trainable)}.")
        of = f"train {model}"
        shares = knobs.split(knobs.parse_settings(settings or []), card.config, card.recipe, of=of)
        config = fill(card.config, shares[0], of)
        check_shape(config, model)
        given = {"noise": noise, "steps": steps, "batch": batch, "patch": patch, "rate": rate, "loss": loss}
        given |= {"seed": seed, "perceptual": perceptual, "teacher": teacher}
        chosen = {name: value for name, value in given.items() if value is not None}
        recipe = fill(card.recipe, chosen | shares[1], of)
        check(recipe)
        check_given(shares[1], recipe)
        team.share(recipe.batch)
        seconds = parse_duration(time_limit) if time_limit is not None else float("inf")
        where = team.place(device)
        devices.keep_memory()
        dtype = devices.precision(precision, where)
        if card.classifies:
            with team.in_turn():
                config = replace(config, classes=class_names(data, limit, only or ()))
        origin = shelf.located(init_from) if init_from else None
        parts = tuple(init_without or ())
        start = without(checkpoint.load(origin).tensors, parts, str(init_from)) if origin else None
        make = loop.maker(card, config, where, compiled=compiled, start=start)
        fresh = make()  # a config that cannot be is found before the images are read
        if isinstance(fresh, Denoiser):
            check_patch(recipe.patch, fresh.stride)
        if init_from and start is not None:
            taken = checkpoint.adopt(fresh, start)
            own = fresh.state_dict()
            wanted = sum(tensor.is_floating_point() for tensor in own.values())
            if not taken:
                raise WeightsError(
                    f"No tensor of {init_from} fits {model}: all have other names or shapes.",
                    "Start from weights of nets of the same widths: see --set and `denoise models info`.",
                )
            if recipe.frozen_norm:
                check_norms(fresh, taken, init_from)
            more = sum(own[name].ndim == 4 for name in taken) - sum(tensor.ndim == 4 for tensor in start.values())
            deeper = f"; it has {more} convolutions fewer, which start as the identity" if more > 0 else ""
            screen.say(f"{len(taken)} of {wanted} tensors start as in {init_from}{deeper}")
        taught_by = load_teacher(card, recipe, config.channels, where, dtype) if recipe.teacher else None
        features = features_of(recipe.perceptual, where) if recipe.perceptual else None
        folder = output or Path("runs") / f"{model}-{folder_of(recipe.noise)}"
        command = shlex.join(["denoise", *sys.argv[1:]])
        run = Run(
            card.name, config, card.options, recipe, tuple(data), dtype, command, validation, limit,
            only=tuple(only or ()), init_from=init_from or "", init_sha256=shelf.digest(origin) if origin else "",
            init_without=parts,
            teacher_sha256=taught_by.sha256 if taught_by else "",
            perceptual_sha256=shelf.digest(file_of(recipe.perceptual)) if recipe.perceptual else "",
            micro_batch=micro_batch,
        )  # fmt: skip
        check_start(run)

        with files.claimed(folder) if team.leads else nullcontext():
            if team.leads and not force:
                _refuse_other(folder, run)
            screen.say(f"reading {', '.join(data)}")
            with team.in_turn():
                material = gather(run, validation, where)
            _say_converted(material.converted, config.channels)
            if team.leads and force:
                files.discard(folder)
            elif team.leads:
                _refuse_other(folder, replace(run, images=material.patches.fingerprint()))
            if team.leads and (folder / files.LAST).exists():
                screen.say(f"going on from step {progress_of(folder / files.LAST).step}")
            checks = material.validation
            together = f", shared by {team.size} processes" if team.size > 1 else ""
            screen.say(
                f"{model} on {devices.describe(where)} in {str(dtype).removeprefix('torch.')}: "
                f"{material.learned} images, {recipe.steps} steps of {recipe.batch} patches of {recipe.patch} "
                f"pixels{together}"
            )
            screen.say(
                f"{material.kept} images are kept for validation, {checks.beaten} at "
                f"{checks.floor():.2f} {checks.unit}; the run is in {folder}"
            )
            waiting = None
            with (
                interrupts() as interrupted,
                screen.progress("training", recipe.steps) as bar,
                losses.seen_by(features),
            ):

                def stop(spent: float) -> bool:
                    return (team.leads and spent > seconds) or bool(interrupted)

                for report in loop.train(run, make, material.patches, checks, folder, stop, team, taught_by):
                    _show(report, bar, recipe.steps, checks.unit)
                    waiting = report.waiting
            (code,) = team.highest(*(interrupted or [0]))
            if team.leads:
                _draw(folder, f"{checks.measure}, {checks.unit}")
                reached = progress_of(folder / files.LAST)
                if waiting is not None:
                    screen.say(f"{waiting:.1%} of the time went into waiting for data")
                if code:
                    screen.say(f"stopped; the same command goes on from step {reached.step}")
                elif reached.step < recipe.steps:
                    screen.say(f"time is up at step {reached.step}; the same command goes on")
                else:
                    screen.say(f"done: {recipe.steps} steps, validation at {reached.best:.2f} {checks.unit}")
                    if reached.best <= checks.floor():
                        screen.say(f"that is no better than {checks.beaten}: train for more --steps")
    if code:
        raise typer.Exit(code)
    if team.leads:
        screen.emit(str(folder / files.BEST))


def _say_converted(converted: int, channels: int) -> None:
    if converted and channels == 1:
        screen.say(f"colour images, taken as their luma: {converted}")
    elif converted:
        screen.say(f"gray images, repeated in all {channels} channels: {converted}")


def _refuse_other(folder: Path, run: "Run") -> None:
    """Make sure that what ``folder`` holds is an earlier part of ``run``, or nothing."""
    from denoise_cli.errors import OutputError
    from denoise_cli.training import folder as files
    from denoise_cli.training.state import settings_of

    last = folder / files.LAST
    if last.exists():
        differing = run.differences(settings_of(last))
        if differing:
            raise OutputError(
                f"{folder} holds another run: it differs in {'; '.join(differing)}.",
                "Choose another folder with -o, or start over with --force.",
            )
    elif (folder / files.BEST).exists():
        raise OutputError(
            f"{folder} holds {files.BEST}, but no {files.LAST} that could be continued.",
            "Choose another folder with -o, or start over with --force.",
        )


def _show(report: "Report", bar: screen.Bar, steps: int, unit: str) -> None:
    words = "" if report.loss is None else f"loss {report.loss:.5f}"
    if report.message:
        bar.say(report.message)
    if report.score is not None:
        bar.say(f"step {report.step}/{steps}  {words}  validation {report.score:.2f} {unit}")
    bar.note(words)
    bar.move(report.step)


def _draw(folder: Path, measure: str) -> None:
    from denoise_cli.training.curve import draw

    if not draw(folder, measure):
        screen.say("no curve.png: that takes matplotlib (pip install 'denoise-cli[report]')")
