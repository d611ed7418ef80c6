"""A picture of a benchmark of trackers: speed over the number of objects, and accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, StrMethodFormatter

from pipeline.errors import OutputError
from pipeline.tracker_benchmark.accuracy import Group, Result
from pipeline.tracker_benchmark.contest import Contestant
from pipeline.tracker_benchmark.speed import Timing
from pipeline.tracker_benchmark.summary import Summary

_OWN = "#0b7a3b"
_COLOURS = {  # of the packages of others
    "trackers": "#7a4fbf",
    "ultralytics": "#2f74c0",
    "boxmot": "#c9741a",
    "norfair": "#8a8a8a",
    "deep-sort-realtime": "#b03a48",
}
_TEXT = "#222222"
_GRID = "#dddddd"
_ROW = 0.29  # inches a tracker
_LEAST_HEIGHT = 5.0  # inches


def write_plot(path: Path, summary: Summary) -> None:
    """Write a PNG with a panel of speeds, where they were measured, and one of HOTA a group. OutputError.

    ValueError where there is nothing to show.
    """
    timed = [each for each in summary.timings if each.rounds]
    widths = ([7.5] if timed else []) + [5.2] * len(summary.groups)
    if not widths:
        raise ValueError("a plot needs speeds or scores")
    rows = max(len(timed), len(summary.results))
    figure = Figure(figsize=(sum(widths), max(_LEAST_HEIGHT, 1.4 + _ROW * rows)), layout="constrained", dpi=130)
    panels = figure.subplots(1, len(widths), width_ratios=widths, squeeze=False)[0].tolist()
    if timed:
        _draw_speed(panels.pop(0), timed, summary.trial.objects)
    for axes, group in zip(panels, summary.groups, strict=True):
        _draw_accuracy(axes, group, summary.results)
    canvas = FigureCanvasAgg(figure)
    try:
        canvas.print_png(path)  # type: ignore[no-untyped-call]
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}; check the folder and the disk") from error


def _draw_speed(axes: Axes, timed: Sequence[Timing], objects: Sequence[int]) -> None:
    """Lines of milliseconds over objects, each with its name at its end."""
    axes.set(xscale="log", yscale="log")
    ends: list[tuple[float, float, Contestant]] = []
    for timing in timed:
        found = [(count, value) for count in objects if (value := timing.milliseconds(count)) is not None]
        contestant = timing.contestant
        own = contestant.own
        axes.plot(
            [count for count, _ in found],
            [value for _, value in found],
            color=_colour(contestant),
            linestyle="--" if contestant.entry.features else "-",
            linewidth=2.6 if own else 1.1,
            marker="o",
            markersize=5 if own else 2.5,
            zorder=3 if own else 2,
        )
        ends.append((*found[-1], contestant))
    ends.sort(key=lambda end: end[1])
    low, high = axes.get_ylim()
    heights = spread(np.log([value for _, value, _ in ends]), (np.log(low), np.log(high)))
    for (count, value, contestant), height in zip(ends, np.exp(heights), strict=True):
        axes.annotate(
            contestant.name,
            (count, value),
            xytext=(1.03, height),
            textcoords=("axes fraction", "data"),
            va="center",
            fontsize=8.5,
            color=_colour(contestant),
            fontweight="bold" if contestant.own else "normal",
            arrowprops={
                "arrowstyle": "-",
                "color": _GRID,
                "linewidth": 0.7,
                "shrinkA": 0,
                "shrinkB": 3,
                "relpos": (0, 0.5),
            },
            annotation_clip=False,
        )
    axes.set_ylim(low, high)
    axes.set_xticks(list(objects), [str(count) for count in objects])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.set_title("Milliseconds a frame (processor time)", color=_TEXT, loc="left", fontsize=11)
    axes.set_xlabel("objects in a frame")
    _tidy(axes)
    axes.grid(color=_GRID, linewidth=0.7)


def _draw_accuracy(axes: Axes, group: Group, results: Sequence[Result]) -> None:
    """A bar a tracker, the best on top, and the score at its end."""
    scored = [(result, 100 * result.groups[group.name].combined.hota.hota) for result in results if _has(result, group)]
    scored.sort(key=lambda pair: pair[1])
    places = np.arange(len(scored))
    bars = axes.barh(places, [score for _, score in scored], height=0.72)
    for bar, (result, score) in zip(bars, scored, strict=True):
        own = result.contestant.own
        bar.set(color=_colour(result.contestant), alpha=1.0 if own else 0.55)
        weight = "bold" if own else "normal"
        middle = bar.get_y() + bar.get_height() / 2
        axes.text(score + 0.4, middle, f"{score:.1f}", va="center", fontsize=8.5, fontweight=weight, color=_TEXT)
    axes.set_yticks(places, [result.label + (" + gmc" if result.moved else "") for result, _ in scored], fontsize=8.5)
    _tidy(axes)
    axes.tick_params(axis="y", length=0)
    for label, (result, _) in zip(axes.get_yticklabels(), scored, strict=True):
        label.set(color=_colour(result.contestant), fontweight="bold" if result.contestant.own else "normal")
    axes.set_xlim(0, max([score for _, score in scored], default=100.0) * 1.12)
    axes.set_ylim(-0.6, max(len(scored), 1) - 0.4)
    axes.set_title(f"HOTA in %, {group.name}", color=_TEXT, loc="left", fontsize=11)


def spread(wanted: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Places for labels as near as may be to where they belong, which rises, and nowhere over one another.

    They are moved by isotonic regression: labels that would collide stand side by side around their own mean.
    """
    gap = min(0.034, 1 / max(1, len(wanted))) * (limits[1] - limits[0])
    offsets = gap * np.arange(len(wanted))
    blocks: list[list[float]] = []  # of wanted places, less the offsets
    for value in wanted - offsets:
        blocks.append([float(value)])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    places = np.concatenate([np.full(len(block), np.mean(block)) for block in blocks])
    return np.asarray(np.clip(places, limits[0], limits[1] - offsets[-1]) + offsets)


def _tidy(axes: Axes) -> None:
    axes.set_axisbelow(True)
    axes.tick_params(colors=_TEXT)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _has(result: Result, group: Group) -> bool:
    return group.name in result.groups


def _colour(contestant: Contestant) -> str:
    return _OWN if contestant.own else _COLOURS[contestant.entry.package]
