"""``denoise run --dry-run``: what would be done, and what it would take."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from denoise_cli.cli import outcomes, screen
from denoise_cli.errors import DenoiseError

if TYPE_CHECKING:
    from denoise_cli.inference.pipeline import Job, Read
    from denoise_cli.inference.planning import Plan
    from denoise_cli.inference.workbench import Workbench


def show_plans(jobs: "Iterable[Job]", count: int, bench: "Workbench", read: "Read", *, as_json: bool) -> None:
    """A line for each of ``count`` inputs: size, weights, tiles, memory, time and outputs; nothing is written.

    Raises what the inputs that cannot be read amount to.
    """
    failures = outcomes.Failures(count, "read")
    for job in jobs:
        try:
            record, words = _planned(job, bench, read)
            for warning in record.get("warnings", ()):
                screen.say(warning)
        except DenoiseError as error:
            failures.add(error)
            record, words = {"error": str(error)}, error.what
        if as_json:
            common = {"input": job.item.name, "output": [str(path) for path in job.paths], "error": None}
            screen.emit(json.dumps(common | record))
        else:
            screen.emit(screen.one_line(f"{job.item.name}: {words}"))
    failures.conclude()


def _planned(job: "Job", bench: "Workbench", read: "Read") -> tuple[dict[str, Any], str]:
    """What would become of one input, for JSON and in words."""
    from denoise_cli.inference.planning import plan_of

    loaded = read(job)
    if loaded is None:
        return {"skipped": True}, "done already"
    choice = bench.choose(loaded.frames[0])
    plan, frames = plan_of(choice.told().engine, loaded.frames[0]), len(loaded.frames)
    record = {
        "model": choice.name, "width": plan.width, "height": plan.height, "frames": frames, "tiles": plan.count,
        "tile": plan.tiling.side, "strip": plan.tiling.strip, "margin": plan.tiling.margin, "rows": plan.rows,
        "memory": plan.memory, "seconds": None if plan.seconds is None else round(plan.seconds, 3),
        "warnings": [choice.warning] if choice.warning else [],
    }  # fmt: skip
    pages = f", {frames} frames, each" if frames > 1 else ""
    where = ", ".join(map(str, job.paths)) or "stdout"
    return record, f"{plan.width}x{plan.height}{pages}, {choice.name}: {_words(plan)} -> {where}"


def _words(plan: "Plan") -> str:
    tiling = plan.tiling
    kind = f"strips, {tiling.strip} pixels wide" if tiling.strip else f"tiles of {tiling.side} pixels"
    told = ["one piece, no margin" if plan.count == 1 else f"{plan.count} {kind} and {tiling.margin} of margin"]
    told += [] if plan.rows is None else [f"{plan.rows} rows at a time"]
    told += [] if plan.memory is None else [f"about {plan.memory / 1e9:.2f} GB"]
    return ", ".join([*told, "a fit" if plan.seconds is None else f"about {plan.seconds:.1f} s"])
