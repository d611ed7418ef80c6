"""A picture of a training's log: a panel a column over the epochs."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

_ACROSS = 4  # panels in a line
_COLOUR = "#0b7a3b"
_GRID = "#dddddd"


def draw_log(rows: Sequence[Mapping[str, float]], *, along: str) -> bytes:
    """A PNG of every column but `along`, which is the horizontal axis. ValueError where there is nothing to show."""
    columns = [name for name in rows[0] if name != along] if rows else []
    if not columns:
        raise ValueError("a plot needs at least one row and one column")
    lines, across = math.ceil(len(columns) / _ACROSS), min(_ACROSS, len(columns))
    figure = Figure(figsize=(3.4 * across, 2.6 * lines), layout="constrained", dpi=100)
    panels = figure.subplots(lines, across, squeeze=False).ravel().tolist()
    for axes, name in zip(panels, columns, strict=False):
        axes.plot([row[along] for row in rows], [row[name] for row in rows], color=_COLOUR, marker=".", linewidth=1.4)
        axes.set_title(name, fontsize=10)
        axes.set_xlabel(along, fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(color=_GRID, linewidth=0.6)
    for axes in panels[len(columns) :]:
        axes.set_axis_off()
    picture = io.BytesIO()
    FigureCanvasAgg(figure).print_png(picture)  # type: ignore[no-untyped-call]
    return picture.getvalue()
