"""Pictures of results as SVG, drawn by matplotlib; without it there are tables only, and that is said."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .cells import Cell, Results, rate

HOW_TO_GET = "matplotlib is not installed (pip install -r requirements-bench.txt): no pictures are drawn"
AXES: Mapping[str, Callable[[Cell], int]] = {
    "connections": lambda cell: cell.connections,
    "bytes of a value": lambda cell: cell.stand.size,
    "nodes": lambda cell: cell.stand.nodes,
    "keys": lambda cell: cell.stand.keys,
}
"""What a matrix may be drawn over."""

Plot = Callable[[Path], None]


@dataclass(frozen=True, slots=True)
class Line:
    """Points joined by a line; ``low`` and ``high``, if given, are drawn as a band around it."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


def available() -> bool:
    """Whether pictures can be drawn; says so where they cannot."""
    if importlib.util.find_spec("matplotlib") is not None:
        return True
    from .rounds import say

    say(HOW_TO_GET)
    return False


def matrix_plots(results: Results) -> dict[str, Plot]:
    """A picture of the throughput for each kind of work and each axis with more than one value."""
    plots: dict[str, Plot] = {}
    for work in sorted({cell.work for cell in results.cells()}):
        cells = [cell for cell in results.cells() if cell.work == work]
        for axis, position in AXES.items():
            lines = matrix_lines(results, cells, axis)
            if len({position(cell) for cell in cells}) > 1 and lines:
                name = f"matrix-{work}-{axis.split()[0]}"
                plots[name] = drawer(
                    f"{work}: median over the rounds, band from low to high", axis, "requests/s", lines
                )
    return plots


def matrix_lines(results: Results, cells: Sequence[Cell], axis: str) -> list[Line]:
    """A line for each contender under each set of other conditions, over the values of one axis. Pure."""
    position = AXES[axis]
    varied = [
        name for name, other in AXES.items() if name != axis and len({other(cell) for cell in cells}) > 1
    ]
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        details = ", ".join(f"{AXES[name](cell):,} {name}" for name in varied)
        groups.setdefault(f"{cell.stand.contender}{', ' if details else ''}{details}", []).append(cell)
    lines = []
    for name, group in groups.items():
        group.sort(key=position)
        spreads = [values for cell in group if (values := results.spread(cell, rate)) is not None]
        if len(group) > 1 and len(spreads) == len(group):
            lines.append(
                Line(
                    name,
                    [position(cell) for cell in group],
                    [each.middle for each in spreads],
                    [each.low for each in spreads],
                    [each.high for each in spreads],
                )
            )
    return lines


def drawer(title: str, x: str, y: str, lines: Sequence[Line], logarithmic: bool = True) -> Plot:
    """A picture of some lines, to be drawn later. ``logarithmic`` is for the x axis."""

    def draw(path: Path) -> None:
        # Not pyplot: it keeps global state and looks for a screen.
        import matplotlib
        from matplotlib.figure import Figure

        # Element ids from a fixed salt, and no date: the same figures give the same file.
        with matplotlib.rc_context({"svg.hashsalt": "bench", "svg.fonttype": "none", "font.size": 9}):
            figure: Any = Figure(figsize=(8, 4.5), layout="constrained")
            axes = figure.add_subplot()
            for line in lines:
                (drawn,) = axes.plot(line.x, line.y, marker="o" if len(line.x) < 50 else "", label=line.name)
                if line.low:
                    axes.fill_between(
                        line.x, line.low, line.high, alpha=0.15, color=drawn.get_color(), linewidth=0
                    )
            if logarithmic:
                axes.set_xscale("log")
                places = sorted({value for line in lines for value in line.x})
                axes.set_xticks(places, [f"{place:,.0f}" for place in places], minor=False)
                axes.minorticks_off()
            axes.set_ylim(bottom=0)
            axes.set(title=title, xlabel=x, ylabel=y)
            axes.grid(alpha=0.3)
            axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
            figure.savefig(path, format="svg", metadata={"Date": None})

    return draw
