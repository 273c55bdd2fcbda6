"""``denoise score``: how near the outputs are to the clean images."""

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from denoise_cli.cli import flags, screen
from denoise_cli.cli.load_torch import load_torch
from denoise_cli.errors import GateError, OutputError, PartialError, UsageError
from denoise_cli.files import write_atomically

if TYPE_CHECKING:
    from denoise_cli.scoring.rows import Row

_DECIMALS = {"psnr": 2}  # of a score in the table; 4 for all others
_PARTS: dict[str, "Callable[[Row], Mapping[str, float]]"] = {  # of a row, by what JSON calls them
    "scores": lambda row: row.scores,
    "noisy": lambda row: row.noisy_scores,
    "gain": lambda row: row.gains,
}


def score(
    outputs: Annotated[Path, typer.Argument(help="A folder of denoised images, or one image.", show_default=False)],
    clean: Annotated[Path, typer.Argument(help="The clean ones under the same names, or one.", show_default=False)],
    metrics: Annotated[str, typer.Option(help="Any of psnr, ssim and ms-ssim, with commas.")] = "psnr,ssim",
    region: Annotated[
        str | None, typer.Option(help="Score a centre crop only: center:16, or center:24x16 (width x height).")
    ] = None,
    noisy: Annotated[
        Path | None, typer.Option(help="The noisy images under the same names: shows what was gained.")
    ] = None,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Write the scores to a file too; - is stdout, without the table.")
    ] = None,
    as_json: flags.Json = False,
    min_psnr: Annotated[
        float | None, typer.Option(help="Exit with 8 where the mean PSNR (in dB) is below; a gate for CI.")
    ] = None,
    max_pixels: flags.MaxPixels = None,
    force: flags.Force = False,
    quiet: flags.Quiet = False,
) -> None:
    """Score denoised images against the clean ones, paired by name.

    `denoise score out/ clean/`

    `denoise score out.png clean.png --metrics psnr,ssim,ms-ssim`

    `denoise score out/ clean/ --noisy noisy/ --csv scores.csv`

    `denoise score out/ clean/ --region center:16 --min-psnr 30 -q`

    Folders are searched with their subfolders. Images pair by path and name; where no suffix agrees, the suffix may
    differ. What has no partner, or another size, is named, and the exit code is then 7; where nothing could be scored,
    that of the first error. The PSNR has a peak of 255 (8 bits), and its mean is that of the images' PSNRs. A metric
    that is not defined for a small image is nan, in JSON null. `--json` ends with an object of the means.
    """
    load_torch()
    from denoise_cli import metrics as known
    from denoise_cli.scoring.pairs import pair_up
    from denoise_cli.scoring.region import Region

    names = known.parse(metrics)
    crop = Region.parse(region) if region else None
    _check(names, csv_file, as_json, min_psnr, force)
    pairs = pair_up(outputs, clean)
    noisy_pairs = pair_up(noisy, clean) if noisy else None

    from denoise_cli.image import MAX_PIXELS
    from denoise_cli.scoring.rows import rows

    found = []
    steps = rows(pairs, names, crop, noisy_pairs, MAX_PIXELS if max_pixels is None else max_pixels)
    for row in steps if as_json else _watched(steps, len(pairs.matched)):
        found.append(row)
        if as_json:
            screen.emit(json.dumps(_as_object(row)))
    means = {part: _means(names, map(of, found)) for part, of in _PARTS.items() if part != "noisy" or noisy}
    if not noisy:
        means.pop("gain")
    problems = [row for row in found if row.problem]
    scored = [row for row in found if row.scores]
    if as_json:
        counts = {"images": len(scored), "problems": len(problems)}
        screen.emit(json.dumps({"summary": counts | {part: _numbers(mean) for part, mean in means.items()}}))
    elif csv_file != Path("-") and scored:
        lines = _table(names, scored, means)
        screen.table(lines, range(1, len(lines[0])))
    _tell(names, scored)
    if csv_file:
        _write_csv(csv_file, names, found, noisy is not None, force)
    _judge(means["scores"], problems, scored, min_psnr)


def _check(names: Sequence[str], csv_file: Path | None, as_json: bool, min_psnr: float | None, force: bool) -> None:
    """Raise before any work for flags that contradict each other."""
    if min_psnr is not None and math.isnan(min_psnr):
        raise UsageError("--min-psnr nan is no gate.", "Give a number of decibels, such as --min-psnr 30.")
    if min_psnr is not None and "psnr" not in names:
        raise UsageError(f"--min-psnr needs the PSNR, --metrics has {','.join(names)}.", "Add psnr to --metrics.")
    if csv_file == Path("-") and as_json:
        raise UsageError("--csv - and --json both want stdout.", "Give --csv the name of a file.")
    if csv_file and csv_file != Path("-") and csv_file.exists() and not force:
        raise OutputError(f"{csv_file} exists already.", "Replace it with --force, or give --csv another name.")


def _watched(steps: "Iterator[Row]", total: int) -> "Iterator[Row]":
    with screen.progress("score", total) as bar:
        for row in steps:
            yield row
            bar.advance()


def _means(names: Sequence[str], parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    from denoise_cli.scoring.rows import mean

    kept = [part for part in parts if part]
    return {name: mean([part[name] for part in kept]) for name in names}


def _meant(name: str, scored: "Sequence[Row]") -> int:
    """How many images the mean of a metric is of: those whose score is finite."""
    return sum(math.isfinite(row.scores[name]) for row in scored)


def number(value: float) -> float | str | None:
    """JSON has no nan and no inf: null, and a word that ``float`` reads."""
    return None if math.isnan(value) else value if math.isfinite(value) else str(value)


def _numbers(values: Mapping[str, float]) -> dict[str, float | str | None]:
    return {name: number(value) for name, value in values.items()}


def _as_object(row: "Row") -> dict[str, Any]:
    scores: dict[str, Any] = {part: _numbers(of(row)) for part, of in _PARTS.items() if of(row)}
    return {"name": row.name, **scores, "problem": row.problem, "notes": list(row.notes)}


def _cell(name: str, value: float, sign: str = "") -> str:
    return "nan" if math.isnan(value) else f"{value:{sign}.{_DECIMALS.get(name, 4)}f}"


def _table(
    names: Sequence[str], scored: "Sequence[Row]", means: Mapping[str, Mapping[str, float]]
) -> list[tuple[str, ...]]:
    """The header, a line for each image, and the means, as text."""
    titles = [f"{name.upper()} dB" if name == "psnr" else name.upper() for name in names]
    header = ["image", *titles]
    if "gain" in means:
        header += [f"{words} {title}" for title in titles for words in ("noisy", "gain")]
    lines = [tuple(header)]
    parts = [{part: of(row) for part, of in _PARTS.items()} for row in scored]
    counts = {name: _meant(name, scored) for name in names}
    rest = "".join(f", {name.upper()} of {count}" for name, count in counts.items() if 0 < count < len(scored))
    labels = [row.name for row in scored] + [f"mean of {len(scored)}{rest}"]
    for label, line in zip(labels, [*parts, means], strict=True):
        cells = [_cell(name, line["scores"][name]) for name in names]
        for name in names if "gain" in means else ():
            cells.append(_cell(name, line["noisy"].get(name, math.nan)))
            cells.append(_cell(name, line["gain"].get(name, math.nan), "+"))
        lines.append((label, *cells))
    return lines


def _tell(names: Sequence[str], scored: "Sequence[Row]") -> None:
    """What the means leave out, and what reading did."""
    undefined = {name: [row for row in scored if math.isnan(row.scores[name])] for name in names}
    for row in scored:
        for note in row.notes:
            name = note.partition(" is not defined ")[0]
            if name not in undefined:
                screen.say(screen.one_line(note))
            elif row is undefined[name][0]:
                screen.say(f"{note} The mean leaves it out for {len(undefined[name])} of {len(scored)} images.")
    identical = sum(row.scores.get("psnr") == math.inf for row in scored)
    if identical:
        rest = ", and left out of the mean PSNR" if identical < len(scored) else ""
        screen.say(f"{identical} of {len(scored)} images are identical to the clean ones (PSNR inf){rest}.")


def _write_csv(path: Path, names: Sequence[str], found: "Sequence[Row]", with_noisy: bool, force: bool) -> None:
    """A line for each image; what is not defined is empty."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    prefixes = {"scores": "", "noisy": "noisy_", "gain": "gain_"} if with_noisy else {"scores": ""}
    writer.writerow(["name", *(prefix + name for prefix in prefixes.values() for name in names), "problem"])
    for row in found:
        values = [_PARTS[part](row).get(name, math.nan) for part in prefixes for name in names]
        writer.writerow([row.name, *("" if math.isnan(value) else value for value in values), row.problem or ""])
    data = stream.getvalue().encode(errors="surrogateescape")  # a name is the bytes that it is on the disk
    if path == Path("-"):
        screen.emit(data.decode(errors="backslashreplace").removesuffix("\n"))
    else:
        write_atomically(path, data, force=force)


def _judge(
    means: Mapping[str, float], problems: "Sequence[Row]", scored: "Sequence[Row]", min_psnr: float | None
) -> None:
    """Raise for what could not be scored, then for a gate that failed."""
    failed = min_psnr is not None and len(scored) > 0 and not means["psnr"] >= min_psnr
    verdict = f"The mean PSNR is {means['psnr']:.4f} dB, below the gate of {min_psnr:g} dB." if failed else ""
    if problems:
        named = "\n".join(f"  {screen.one_line(row.name)}: {screen.one_line(row.problem or '')}" for row in problems)
        if not scored:
            raise problems[0].failure(f"No image could be scored:\n{named}")
        raise PartialError(f"{len(scored)} images were scored, {len(problems)} problems were found:\n{named}", verdict)
    if failed:
        raise GateError(verdict, f"It is the mean of {_meant('psnr', scored)} images.")
