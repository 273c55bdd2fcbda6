"""``denoise make-data``: noisy data sets with a manifest."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from denoise_cli.cli import screen
from denoise_cli.cli.flags import Force, Json, Quiet, Verbose
from denoise_cli.cli.load_torch import load_torch
from denoise_cli.cli.ranges import parse_range
from denoise_cli.errors import DenoiseError, InputError, PartialError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from denoise_cli.data.manifest import Entry, Manifest, Settings
    from denoise_cli.data.source import Source


def make_data(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="SOURCE",
            help="A folder of images; a CIFAR-10, STL-10 or Tiny ImageNet archive or folder; cifar10, stl10 or "
            "tiny-imagenet; by default the bundled samples.",
        ),
    ] = None,
    noise: Annotated[
        list[str] | None,
        typer.Option(
            "--noise",
            help="sp, gaussian, poisson, poisson-gaussian, camera, mixed, jpeg, lowres, patch (patch:gaussian ...), or "
            "with its level: sp:0.3. "
            "Repeatable. [default: sp]",
        ),
    ] = None,
    levels: Annotated[
        str | None,
        typer.Option(
            "--levels", metavar="RANGE", help="0.1..0.5, 0.1..0.5:0.2 or 10,20,50; for mixed also 25+0.05,50+0.1."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="[default: ./denoise-data/SOURCE-NOISE]", metavar="DIR")
    ] = None,
    size: Annotated[int | None, typer.Option("--size", min=1, help="Resize the shorter side to this.")] = None,
    crop: Annotated[
        int | None, typer.Option("--crop", min=1, help="Then cut a square of this side, where the seed says.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="This many images, drawn by the seed.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of noise, crops, split and limit. [default: 0]")] = None,
    val: Annotated[
        float | None, typer.Option("--val", help="Share kept for validation; 0: no split. [default: 0.2]")
    ] = None,
    clean: Annotated[
        bool | None, typer.Option("--clean/--no-clean", help="Write the clean images too. [default: clean]")
    ] = None,
    from_manifest: Annotated[
        Path | None, typer.Option("--from-manifest", metavar="FILE", help="Make the set of this manifest again.")
    ] = None,
    force: Force = False,
    json_lines: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Make a noisy data set, with a manifest to make it again from.

    Examples:

        denoise make-data --noise sp --levels 0.1..0.5

        denoise make-data photos/ --noise gaussian:25 --size 256 --crop 256 -o data/

        denoise make-data cifar10 --noise sp --noise gaussian --limit 1000

        denoise make-data --from-manifest data/manifest.jsonl -o again/

    Clean and noisy images have the same names, in DIR/train/clean and DIR/train/sp-0.1 (one folder a level), and in
    DIR/val; with --val 0 right in DIR. Photographs of a camera without their noise are in DIR/train/clean-camera-10+5.
    What a known set keeps for testing goes to DIR/test and is never trained on.
    """
    given = {
        "noise": noise, "levels": levels, "size": size, "crop": crop, "limit": limit, "seed": seed, "val": val,
        "clean": clean,
    }  # fmt: skip
    if from_manifest is not None:
        fixed = [f"--{name}" for name, value in given.items() if value is not None]
        if fixed:
            raise UsageError(
                f"{fixed[0]} was given, but the manifest has all settings.",
                "Leave it out, or leave --from-manifest out.",
            )
        _again(from_manifest, source, output, force=force, json_lines=json_lines)
        return

    load_torch()
    from denoise_cli.data.manifest import Settings
    from denoise_cli.data.synthesize import folder_of, split

    kinds = noise or ["sp"]
    images = _open(source)
    settings = Settings(
        source=images.word,
        noise=_words(kinds, levels),
        seed=0 if seed is None else seed,
        size=size,
        crop=crop,
        val=0.2 if val is None else val,
        limit=limit,
        clean=clean is not False,
    )
    images = images.limited(settings.limit, settings.seed)
    target = output or Path("denoise-data") / f"{_stem(images.word)}-{'-'.join(map(folder_of, kinds))}"
    splits = split(images.names, settings.val, settings.seed, images.tested)
    _make(images, settings, target, splits, force=force, json_lines=json_lines)


def _again(path: Path, source: str | None, output: Path | None, *, force: bool, json_lines: bool) -> None:
    """Make the set of the manifest at ``path`` again, and compare every hash."""
    from denoise_cli import __version__
    from denoise_cli.data import manifest

    if output is None:
        raise UsageError("--from-manifest was given without -o.", "Name the folder for the new set with -o DIR.")
    old = manifest.load(path)
    images = _open(source or old.settings.source)
    lost = sorted(old.splits.keys() - set(images.names))
    if lost:
        raise InputError(
            f"{images.word} lacks {len(lost)} of the {len(old.splits)} images of {path}, such as {lost[0]}.",
            "Name the source that the set was made from: denoise make-data SOURCE --from-manifest ...",
        )
    settings = replace(old.settings, version=__version__)
    _make(images, settings, output, old.splits, force=force, json_lines=json_lines, old=old)


def _make(
    images: Source,
    settings: Settings,
    target: Path,
    splits: Mapping[str, str],
    *,
    force: bool,
    json_lines: bool,
    old: Manifest | None = None,
) -> None:
    from denoise_cli.data.manifest import CleanFile
    from denoise_cli.data.sources import place_of
    from denoise_cli.data.synthesize import synthesize

    place = place_of(images.word).resolve()
    if target.resolve().is_relative_to(place):
        raise UsageError(
            f"The output {target} lies inside the source {images.word}.", "Give a folder elsewhere with -o."
        )
    if force and place.is_relative_to(target.resolve()):
        raise UsageError(
            f"The source {images.word} lies inside the output {target}, and what is there would be overwritten.",
            "Give a folder elsewhere with -o.",
        )
    problems: list[DenoiseError] = []
    parts: Counter[str] = Counter()
    entries: list[Entry] = []
    with screen.progress("make-data", len(splits)) as bar:
        for step in synthesize(images, settings, target, splits=splits, force=force):
            if step.problem:
                problems.append(step.problem)
                screen.complain(f"Left out: {step.problem}")
            else:
                parts[splits[step.image]] += 1
            entries += step.entries
            bar.advance(1)
    differences = _differences(old, entries) if old else []
    done = sum(parts.values())
    files = sum(len(entry.hashes) for entry in entries)
    shares = [f"{parts['train']} to train", f"{parts['val']} for validation"] if settings.val else []
    shares += [f"{parts['test']} to test"] if parts["test"] else []
    told = f" ({', '.join(shares)})" if shares else ""
    screen.say(f"{done} images{told}, {files} files: {', '.join(settings.noise)}.")
    if old and not differences:
        screen.say("Every source and file has the hash in the manifest: the set is the same, byte for byte.")
    for difference in differences[:10]:
        screen.complain(difference)
    if json_lines:
        summary = {
            "output": str(target), "source": images.word, "images": done, "train": parts["train"], "val": parts["val"],
            "test": parts["test"],
            "noise": settings.noise, "files": files, "failed": len(problems), "differences": differences,
        }  # fmt: skip
        screen.emit(json.dumps(summary))
    else:
        screen.emit(str(target))
    if problems:
        raise PartialError(f"{len(problems)} of {len(splits)} images could not be used.", "The others are done.")
    if differences:
        sources = sum(isinstance(entry, CleanFile) for entry in entries)
        raise PartialError(
            f"{len(differences)} files or sources of {files + sources} differ from the manifest.",
            "The source has changed, or the set was made by other versions of the libraries.",
        )


def _differences(old: Manifest, entries: list[Entry]) -> list[str]:
    """What has another hash than in the manifest ``old``, in sentences."""
    from denoise_cli.data.manifest import CleanFile

    known = {file: digest for entry in old.entries for file, digest in entry.hashes.items()}
    sources = {entry.image: entry.source_sha256 for entry in old.entries if isinstance(entry, CleanFile)}
    found = []
    for entry in entries:
        if isinstance(entry, CleanFile) and entry.source_sha256 != sources.get(entry.image):
            found.append(f"The source's image {entry.image} is not the one that the manifest was made from.")
        differing = [file for file, digest in entry.hashes.items() if known.get(file) != digest]
        found += [f"{file} differs from the manifest." for file in differing]
    return found


def _open(source: str | None) -> Source:
    """Open the source, with a bar where it is downloaded first."""
    from denoise_cli.data import fetch
    from denoise_cli.data.sources import missing, open_source

    if source is not None and missing(source):
        with screen.progress(f"download {source}", None) as bar:
            for step in fetch.download(source):
                bar.move(step.done)
                bar.note(f"{step.done / 1e6:.0f} MB" + (f" of {step.total / 1e6:.0f}" if step.total else ""))
    return open_source(source, notice=lambda warning: screen.say(screen.one_line(warning)))


def _words(kinds: list[str], levels: str | None) -> tuple[str, ...]:
    """The noises of every ``--noise``, each once; ``--levels`` are for those without a level of their own."""
    from denoise_cli.data.synthesize import is_open, words

    if levels is None:
        given = None
    elif "+" in levels:
        given = [level.strip() for level in levels.split(",")]
    else:
        given = [f"{level:.12g}" for level in parse_range(levels)]
    if given is not None and not any(map(is_open, kinds)):
        raise UsageError(f"--levels was given, but {', '.join(kinds)} has its level already.", "Leave one of them out.")
    return tuple(dict.fromkeys(word for kind in kinds for word in words(kind, given if is_open(kind) else None)))


def _stem(word: str) -> str:
    """A name for the folder of a set made from the source ``word``."""
    name = Path(word).resolve().name if "/" in word or word == "." else Path(word).name
    for suffix in (".gz", ".tar", ".zip", ".tgz"):
        name = name.removesuffix(suffix)
    return name or "data"
