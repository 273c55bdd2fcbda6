"""A study as a page of Markdown, and the curves of its figures."""

from collections.abc import Iterator

from denoise_cli.bench.study import ITERATIONS, LEVELS, Scored, Study, Table


def curves(table: Table, rows: list[Scored]) -> dict[str, list[tuple[float, float]]]:
    """The lines of a table's figure by their labels, each a list of places and scores; what is missing is left out."""
    found: dict[str, list[tuple[float, float | None]]] = {}
    places = [(trial, count) for trial in table.trials for _ in table.metrics for count in table.counts or (0,)]
    for scored in rows:
        label = scored.row.label.replace("`", "")
        if table.figure == LEVELS:
            levels = [float(trial.noise.rpartition(":")[2]) for trial, _ in places]
            found[label] = list(zip(levels, scored.figures, strict=True))
            told = list(zip(levels, scored.row.paper, strict=False))
            if sum(figure is not None for _, figure in told) > 1:
                found[f"{label}, the paper"] = told
            continue
        for (trial, count), figure in zip(places, scored.figures, strict=True):
            line = f"{label}, {trial.noise}" if table.figure == ITERATIONS else trial.noise
            found.setdefault(line, []).append((count if table.figure == ITERATIONS else scored.row.at, figure))
    return {label: [(x, y) for x, y in line if y is not None] for label, line in found.items()}


def page(name: str, study: Study, results: list[list[Scored]], drawn: dict[int, str]) -> str:
    """The study as a page of Markdown; ``drawn`` has the files of the tables' figures, by the number of the table."""
    lines = [f"# {study.title}", "", study.text.strip(), ""]
    for number, (table, rows) in enumerate(zip(study.tables, results, strict=True)):
        lines += [table.caption, "", *_lines(table, rows), ""]
        if table.spread:
            first = [scored.figures[0] for scored in rows if scored.figures[0] is not None]
            lines += [
                f"{len(first)} rows: {sum(first) / len(first):.2f} on average, {min(first):.2f} to {max(first):.2f}.",
                "",
            ]
        if number in drawn:
            lines += [f"![{study.title}]({drawn[number]})", ""]
    if study.remarks:
        lines += [study.remarks.strip(), ""]
    commands = dict.fromkeys(scored.command for rows in results for scored in rows if scored.command)
    lines += ["## Commands", "", f"This page is written by `denoise bench paper {name}`"]
    if not commands:
        return "\n".join(lines) + ", from the weights that ship.\n"
    lines[-1] += ", which runs:"
    lines += ["", "```sh"]
    return "\n".join([*lines, *commands, "```", ""])


def columns(table: Table) -> list[str]:
    """The headings, in order: what all have in common is left to the caption."""
    trials = _short([str(trial) for trial in table.trials])
    return [
        ", ".join(
            part
            for part in (
                trial,
                metric if len(table.metrics) > 1 else "",
                f"{count} iterations" if count and len(table.counts) > 1 else "",
            )
            if part
        )
        for trial in trials
        for metric in table.metrics
        for count in table.counts or (None,)
    ]


def _short(words: list[str]) -> list[str]:
    """Names of trials without the words that all have in common, at either end."""
    split = [word.split() for word in words]
    if len(words) < 2:
        return words
    places = range(len(split[0]))
    first = next((i for i in places if len({tuple(parts[: i + 1]) for parts in split}) > 1), 0)
    last = next((i for i in places if len({tuple(parts[len(parts) - i - 1 :]) for parts in split}) > 1), 0)
    return [" ".join(parts[first : len(parts) - last]) for parts in split]


def _lines(table: Table, rows: list[Scored]) -> Iterator[str]:
    titles = columns(table)
    yield "| | " + " | ".join(titles) + " |"
    yield "| --- |" + " ---: |" * len(titles)
    for scored in rows:
        told = scored.row.paper + (None,) * (len(titles) - len(scored.row.paper))
        cells = [
            ("" if ours is None else f"{ours:.4f}" if "ssim" in column else f"{ours:.2f}")
            + ("" if theirs is None else f" ({theirs:g})")
            for column, ours, theirs in zip(titles, scored.figures, told, strict=True)
        ]
        yield f"| {scored.row.label} | " + " | ".join(cells) + " |"
