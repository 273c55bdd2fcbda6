"""Curves in one set of axes, as a PNG."""

from collections.abc import Mapping, Sequence
from io import BytesIO

Curve = Sequence[tuple[float, float]]  # places and values


def draw(curves: Mapping[str, Curve], x: str, y: str, *, logarithmic: bool = False) -> bytes | None:
    """The curves by their labels over ``x``, in words; ``None`` where matplotlib is not installed.

    Those of a paper, whose labels end so, are dashed and as coloured as the one before.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return None
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    colour = None
    for label, curve in curves.items():
        theirs = label.endswith(", the paper")
        (line,) = axes.plot(
            [place for place, _ in curve],
            [value for _, value in curve],
            label=label,
            marker="." if not theirs else "x",
            linestyle="--" if theirs else "-",
            color=colour if theirs else None,
        )
        colour = line.get_color()
    axes.set(xlabel=x, ylabel=y, xscale="log" if logarithmic else "linear")
    if logarithmic:
        ticks = sorted({place for curve in curves.values() for place, _ in curve})
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    data = BytesIO()
    figure.savefig(data, format="png", dpi=120)
    return data.getvalue()
