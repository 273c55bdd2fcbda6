"""``denoise run --dry-run``: what would be done, and what it would take."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from denoise_cli.cli import screen
from denoise_cli.errors import DenoiseError

if TYPE_CHECKING:
    from denoise_cli.inference.pipeline import Job, Read
    from denoise_cli.inference.workbench import Workbench


def show_plans(jobs: "Iterable[Job]", bench: "Workbench", read: "Read") -> None:
    """A line for each input: size, weights, tiles, memory, time and outputs; nothing is written."""
    from denoise_cli.inference.planning import Plan, plan_of

    def words(plan: Plan) -> str:
        cut = f"{plan.count} tiles of {plan.tiling.side} pixels and {plan.tiling.margin} of margin"
        told = ["one piece, no margin" if plan.tiling.side is None else cut]
        told += [] if plan.rows is None else [f"{plan.rows} rows at a time"]
        told += [] if plan.memory is None else [f"about {plan.memory / 1e9:.2f} GB"]
        return ", ".join([*told, f"about {plan.seconds:.1f} s"])

    for job in jobs:
        try:
            loaded = read(job)
            if loaded is None:
                screen.emit(f"{job.item.name}: done already")
                continue
            frame = loaded.frames[0]
            choice = bench.choose(frame)
            plan = plan_of(choice.told().engine, frame)
        except DenoiseError as error:
            screen.emit(f"{job.item.name}: {error.what}")
            continue
        pages = f", {len(loaded.frames)} frames, each" if len(loaded.frames) > 1 else ""
        where = ", ".join(map(str, job.paths)) or "stdout"
        screen.emit(f"{job.item.name}: {plan.width}x{plan.height}{pages}, {choice.name}: {words(plan)} -> {where}")
