"""A picture of a benchmark of whole runs: frames/s, and what each stage takes."""

from __future__ import annotations

import statistics
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipeline.errors import OutputError
from pipeline.pipeline_benchmark.benchmark import Rounds
from pipeline.pipeline_benchmark.summary import stage_figures

_OWN, _PEER, _ALONE = "#0b7a3b", "#2f74c0", "#9fcfb4"
_TEXT, _GRID = "#222222", "#dddddd"
_MIB = 1 << 20


def write_plot(path: Path, rounds: Rounds) -> None:
    """Write a PNG: frames/s, milliseconds by stage, and, where several streams were measured, memory. OutputError."""
    several = len(rounds.own) > 1
    figure = Figure(figsize=(15 if several else 11, 4.4), layout="constrained", dpi=130)
    panels = figure.subplots(1, 3 if several else 2, squeeze=False)[0].tolist()
    _draw_rates(panels[0], rounds)
    _draw_stages(panels[1], rounds)
    if several:
        _draw_memory(panels[2], rounds)
    for axes in panels:
        _tidy(axes)
    try:
        FigureCanvasAgg(figure).print_png(path)  # type: ignore[no-untyped-call]
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}; check the folder and the disk") from error


def _draw_rates(axes: Axes, rounds: Rounds) -> None:
    """A bar each, and a dot for each round."""
    groups = [
        (f"{count} stream{'' if count == 1 else 's'}", [take.rate for take in takes], _OWN)
        for count, takes in rounds.own.items()
    ]
    if rounds.peer:
        groups.append(("ultralytics\ntrack", [take.rate for take in rounds.peer], _PEER))
    for place, (_, rates, colour) in enumerate(groups):
        middle = statistics.median(rates)
        axes.bar(place, middle, color=colour, width=0.66)
        axes.plot([place] * len(rates), rates, "o", color=_TEXT, markersize=3)
        axes.annotate(f"{middle:.1f}", (place, max(rates)), xytext=(0, 4), textcoords="offset points", ha="center")
    axes.set_xticks(range(len(groups)), [name for name, _, _ in groups])
    axes.set_title("Frames/s of all streams together", color=_TEXT, loc="left", fontsize=11)
    axes.margins(y=0.15)


def _draw_stages(axes: Axes, rounds: Rounds) -> None:
    """Two bars a stage: in the run and by itself."""
    figures = stage_figures(rounds)
    places = np.arange(len(figures))[::-1]
    busy = [1000 * row["busy"] for row in figures.values()]
    alone = [1000 * (row["alone"] or 0.0) for row in figures.values()]
    axes.barh(places + 0.19, busy, height=0.36, color=_OWN, label="in the run")
    axes.barh(places - 0.19, alone, height=0.36, color=_ALONE, label="by itself")
    for place, value in zip(places, busy, strict=True):
        axes.annotate(f"{value:.2f}", (value, place + 0.19), xytext=(3, 0), textcoords="offset points", va="center")
    axes.set_yticks(places, list(figures))
    axes.set_title("Milliseconds a frame that a stage was given", color=_TEXT, loc="left", fontsize=11)
    axes.legend(frameon=False)
    axes.margins(x=0.15)


def _draw_memory(axes: Axes, rounds: Rounds) -> None:
    """Peak memory over the number of streams."""
    counts = list(rounds.own)
    peaks = [statistics.median(take.usage.peak_memory for take in takes) / _MIB for takes in rounds.own.values()]
    axes.plot(counts, peaks, "o-", color=_OWN)
    for count, peak in zip(counts, peaks, strict=True):
        axes.annotate(f"{peak:.0f}", (count, peak), xytext=(0, 6), textcoords="offset points", ha="center")
    axes.set_xticks(counts)
    axes.set_ylim(0, max(peaks) * 1.15)
    axes.set_xlabel("streams at once")
    axes.set_title("Peak memory, MiB", color=_TEXT, loc="left", fontsize=11)
    axes.grid(color=_GRID, linewidth=0.7)


def _tidy(axes: Axes) -> None:
    axes.set_axisbelow(True)
    axes.tick_params(colors=_TEXT)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
