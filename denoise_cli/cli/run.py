"""``denoise run``: denoise files, folders and streams."""

import json
from dataclasses import replace
from os.path import abspath
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from denoise_cli.cli import distributed, flags, knobs, outcomes, screen, streams
from denoise_cli.cli.dry_run import show_plans
from denoise_cli.cli.load_torch import load_torch
from denoise_cli.cli.sizes import parse_size
from denoise_cli.errors import OutputError, UsageError, did_you_mean
from denoise_cli.fields import fill

if TYPE_CHECKING:
    from collections.abc import Sequence

    from denoise_cli.image import Image
    from denoise_cli.inference.inputs import Item
    from denoise_cli.inference.outputs import Layout

# flags that change nothing in a result: where it comes from and goes to, and by which way it is computed
_HARMLESS = frozenset(
    (
        "inputs",
        "files_from",
        "output",
        "in_place",
        "compare",
        "shard",
        "cluster",
        "workers",
        "tile",
        "max_mem",
        "dry_run",
        "max_pixels",
        "device",
        "force",
        "as_json",
        "quiet",
        "verbose",
    )
)


def run(
    ctx: typer.Context,
    inputs: Annotated[
        list[str] | None, typer.Argument(help="Images, folders, globs, @list.txt, or - for stdin.", show_default=False)
    ] = None,
    files_from: Annotated[
        str | None, typer.Option(help="A list of inputs, a path a line or with zero bytes between; - for stdin.")
    ] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="File, folder, or - for stdout. By default NAME-denoised.")
    ] = None,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Replace the images themselves; never the same one twice.")
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help="Model (dt) or weights (dt.sp); by default the best for each image's noise."
        ),
    ] = None,
    iters: Annotated[
        str | None,
        typer.Option(
            "--iters",
            "-n",
            help="Iterations of a recurrent model; 10,20,50 saves each, auto stops when nothing changes.",
        ),
    ] = None,
    sigma: Annotated[
        float | None, typer.Option(help="Noise level, 0..255 (up to 1: of 0..1), for models that take one.", min=0)
    ] = None,
    sigma_map: Annotated[
        Path | None, typer.Option(help="An image whose gray values are the noise level at each pixel (ffdnet).")
    ] = None,
    shown: Annotated[
        str | None, typer.Option("--class", help="What the images show, for class-aware; else a classifier tells.")
    ] = None,
    classifier: Annotated[
        str | None, typer.Option(help="The classifier that picks the class: classifier.TAG, or a file or run of one.")
    ] = None,
    strength: Annotated[
        str | None, typer.Option(help="How much of the noise to take away, 0..1; 0.4,0.7,1 saves each.")
    ] = None,
    crop: Annotated[str | None, typer.Option(metavar="X,Y,W,H", help="Only this part, at the cost of it.")] = None,
    tta: Annotated[
        bool, typer.Option("--tta", help="Average over all turns and mirrorings: eight times the work.")
    ] = False,
    save_residual: Annotated[
        bool, typer.Option("--save-residual", help="Also save what was taken away, raised; middle gray is nothing.")
    ] = False,
    compare: Annotated[
        str | None, typer.Option(help="Also save before and after side by side: a file, or a folder for many.")
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="A weights file of your own, from `denoise train`.")] = None,
    settings: flags.Settings = None,
    format: Annotated[
        str | None, typer.Option(help="png, jpeg, tiff, webp, gif, bmp, ppm or exr; by default the input's.")
    ] = None,
    strip_metadata: Annotated[
        bool, typer.Option("--strip-metadata", help="Leave EXIF, XMP, comments and texts out of the results.")
    ] = False,
    shard: Annotated[
        str | None, typer.Option(metavar="i/N", help="Do the i-th of N parts of the job; all share the journal.")
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Do it on a Ray cluster, or `local`; inputs and -o may be URLs (s3://...)."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Of the cluster; by default one for each GPU, or core.", min=1)
    ] = None,
    tile: Annotated[int | None, typer.Option(help="Side of the tiles of large images, pixels.", min=16)] = None,
    max_mem: Annotated[
        str | None, typer.Option(metavar="2G", help="Memory that may be taken; what is walked is cut to fit.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell tiles, margin, memory, time and outputs, and stop.")
    ] = False,
    max_pixels: flags.MaxPixels = None,
    device: flags.Device = "auto",
    precision: flags.Precision = "auto",
    force: flags.Force = False,
    as_json: flags.Json = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = False,
) -> None:
    """Denoise images. Without a model, each image's noise is looked at and the best weights here are taken.

    A folder of results keeps a journal, `.denoise.jsonl`: the same command again does what is missing.

    Examples:

    `denoise run photo.png`

    `denoise run photos/ -o clean/`

    `denoise run noisy.png --model dt --iters 10,20,50`

    `denoise run photos/ --in-place --compare before-and-after/`

    `denoise run photo.png --strength 0.7 --compare before-after.png`

    `cat noisy.png | denoise run - -o - > clean.png`
    """
    until_converged = iters == "auto"
    counts = None if iters is None or until_converged else knobs.parse_counts(iters)
    box = None if crop is None else knobs.parse_box(crop)
    most_memory = None if max_mem is None else parse_size(max_mem)
    given = knobs.parse_settings(settings or []) | ({} if sigma is None else {"sigma": sigma})
    from denoise_cli.image import FORMATS, MAX_PIXELS, read
    from denoise_cli.inference.inputs import STREAM, Shard, gather, is_url
    from denoise_cli.inference.journal import Journals
    from denoise_cli.inference.looks import Looks
    from denoise_cli.inference.outputs import Layout, check, check_in_place

    if in_place:
        others = {"-o": output, "--save-residual": save_residual, "--format": format, "--crop": crop}
        for name, value in (others | {"--cluster": cluster}).items():
            if value not in (None, False):
                raise UsageError(f"--in-place and {name} do not go together.", "Leave one of them out.")
    if format is not None and format not in FORMATS:
        raise UsageError(f"There is no format {format!r}.", did_you_mean(format, FORMATS))
    if sigma is not None and sigma_map is not None:
        raise UsageError("--sigma and --sigma-map both name the noise level.", "Leave one of them out.")
    part = Shard.parse(shard) if shard is not None else None
    piped, named = files_from == STREAM, inputs or []
    listed = [] if files_from is None or (piped and STREAM in named) else streams.read_names(files_from)
    if piped and STREAM in (*named, *listed):
        raise UsageError("stdin is named twice.", "It holds an image or a list of images, not both.")
    if not inputs and not listed:
        raise UsageError("No image is named.", "Name files or folders, or a list of them with --files-from.")
    if cluster is not None:
        distributed.check_flags(output, {"--compare": compare, "--shard": shard}, inputs or ())
    elif workers is not None or is_url(output or ""):
        raise UsageError("URLs and --workers are for jobs on a cluster.", "Add --cluster ADDRESS, or --cluster local.")
    result_folder = None if output is None or output == STREAM or is_url(output) else Path(output)
    pair_folder = None if compare is None else Path(compare)
    found = gather(inputs or (), result_folder, listed, None if cluster is None else distributed.listed, pair_folder)
    items = found.items if part is None else list(filter(part.holds, found.items))
    if in_place and any(item.path is None for item in found.items):
        raise UsageError("--in-place replaces files, and stdin is none.", "Leave one of them out.")
    looks = Looks((1.0,) if strength is None else knobs.parse_strengths(strength), save_residual)
    marks = looks.marks(counts)
    if box is not None and output is None:
        marks = ["-".join(filter(None, ("crop", mark))) for mark in marks]
    to_stdout = streams.goes_to_stdout(found.items, output, len(marks), as_json)
    if to_stdout and part is not None:
        raise UsageError("--shard parts a job of many images, stdout takes one.", "Give a folder with -o.")
    place = None if to_stdout else output if cluster is None else "."
    if in_place and len(marks) > 1:
        raise UsageError(f"--in-place has room for one result, not {len(marks)}.", "Ask for one, or write with -o.")
    layout = Layout(None, in_place=True) if in_place else Layout.of(found.items, place, format, marks)
    journals = Journals(layout)
    if in_place:
        check_in_place(found.items, layout)
    existing = [] if to_stdout or in_place or cluster is not None else check(found.items, layout)
    comparisons = None if compare is None else replace(Layout.of(found.items, compare, None), sheets=True)
    if comparisons is not None:
        _check_comparisons(found.items, None if to_stdout else layout, comparisons)
    if part is not None:
        existing = [(item, path) for item, path in existing if part.holds(item)]
    if not force:
        journals.refuse(existing)
    if found.earlier:
        screen.say(f"{len(found.earlier)} results of earlier runs are left out, such as {found.earlier[0]}")
    limit = MAX_PIXELS if max_pixels is None else max_pixels
    example = f"denoise {ctx.info_name} - -o - > clean.png"
    stdin = streams.read_stdin(example) if any(item.path is None for item in items) else b""

    load_torch()
    from denoise_cli import device as devices
    from denoise_cli.inference.batch import Batch, count_done, digest_of, jobs, record
    from denoise_cli.inference.pipeline import Job
    from denoise_cli.inference.run import Asked
    from denoise_cli.inference.sigma_map import sigma_map_of
    from denoise_cli.inference.workbench import Wish, Workbench

    where = devices.pick(device)
    devices.keep_memory()
    levels = None if sigma_map is None else sigma_map_of(read(sigma_map, limit))
    asked = Asked(until_converged, box, tta, levels)
    dtype = devices.precision(precision, where)
    wish = Wish(
        model, weights, counts, where, dtype, tile, asked, shown, classifier, most_memory, as_json, screen.say
    )  # fmt: skip
    bench = Workbench(wish, lambda card: fill(card.options, given, card.name))
    if cluster is None:
        screen.say(devices.line(where, dtype))
    chosen = {name: value for name, value in ctx.params.items() if name not in _HARMLESS and value is not None}
    key = digest_of(chosen | {"weights": bench.identity})
    if cluster is not None:
        rules = Batch(key, force, limit, strip=strip_metadata, looks=looks)
        plan = distributed.plan_of(wish, given, (device, precision), rules, str(output))
        if dry_run:
            show_plans(distributed.jobs(items, layout, plan), len(items), bench, plan.batch.read, as_json=as_json)
        else:
            distributed.run(distributed.jobs(items, layout, plan), plan, cluster, workers, as_json=as_json)
        return
    if not force:
        journals.refuse(existing, key)
    batch = Batch(
        key, force, limit, stdin, strip_metadata, lambda frames: streams.write_stdout(frames, format), looks,
        lambda noisy, pictures: _side_by_side(noisy, pictures, marks), in_place=in_place,
    )  # fmt: skip
    if to_stdout:
        work = iter([Job(items[0], comparison=None if comparisons is None else comparisons.paths(items[0])[0])])
    else:
        work = jobs(items, layout, journals, comparisons)
    if dry_run:
        show_plans(work, len(items), bench, batch.read, as_json=as_json)
        return
    tally = outcomes.Tally(len(items))
    with screen.progress("denoising", len(items)) as bar:
        for result in batch.run(work, bench):
            tally.add(result, bar)
            if as_json:
                screen.emit(json.dumps(record(result)))
            bar.advance()
    if part is not None:
        done = count_done(jobs(found.items, layout, journals), key)
        screen.say(f"all shards: {done} of {len(found.items)} images have results")
    tally.conclude()


def _side_by_side(noisy: "Image", pictures: "Sequence[Image]", marks: "Sequence[str]") -> "Image":
    """Before and after, with captions."""
    from denoise_cli.figures.sheet import contact_sheet

    captions = ["noisy", *(mark or "denoised" for mark in marks)]
    return contact_sheet([noisy, *pictures], captions, len(captions))


def _check_comparisons(items: "Sequence[Item]", layout: "Layout | None", comparisons: "Layout") -> None:
    """Raise ``OutputError`` where a comparison would be an input, a result of any input, or another comparison."""
    from denoise_cli.inference.outputs import check

    check(items, comparisons)
    paths = () if layout is None else (path for item in items for path in layout.paths(item))
    results = {abspath(path) for path in paths}  # noqa: PTH100  (a Path for each item takes long)
    for item in items:
        path = comparisons.paths(item)[0]
        if abspath(path) in results:  # noqa: PTH100
            raise OutputError(f"{str(path)!r} would be a result and a comparison.", "Give --compare another name.")
