"""How well targets were followed, for people (a table, a plot) and for programs (a dict that goes into JSON)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich import box
from rich.table import Table
from rich.text import Text

from pipeline.evaluation.sidecars import FollowInfo
from pipeline.evaluation.sot import NEAR, OVERLAPS, PIXELS, SIZES, mean_scores
from pipeline.evaluation.sot_files import TargetResult

MEAN = "MEAN"
_NAMED = 20  # lines of a plot; a longer legend would hide them
_COLUMNS = {  # of the table: heading and key; it fits into 80 characters
    "AUC": "auc",
    f"{NEAR} px": "precision",
    "norm.": "normalised_precision",
    "robust": "robustness",
    "score": "score_auc",
}


def to_dict(results: Sequence[TargetResult]) -> dict[str, Any]:
    """{"thresholds": ..., "targets": {name: scores}, "MEAN": scores}; shares of 1. ValueError without a target.

    Of a target: "frames", "present", "auc", "precision" (at 20 pixels), "normalised_precision" (its area),
    "robustness", "score_auc", "frames_per_second", "tracker", and the curves. What is not known is None.
    """
    return {
        "thresholds": {"success": OVERLAPS.tolist(), "precision": PIXELS.tolist(), "normalised": SIZES.tolist()},
        "targets": {one.name: _to_dict(one) for one in results},
        MEAN: _to_dict(mean_result(results)),
    }


def to_table(results: Sequence[TargetResult]) -> Table:
    """A row a target and, of several, one of their mean; ratios in per cent. ValueError without a target."""
    mean = mean_result(results)
    trackers = sorted({one.told.tracker for one in results if one.told.tracker is not None})
    title = f"Followed by {', '.join(trackers)}; ratios in %" if trackers else "Ratios in %"
    table = Table(box=box.SIMPLE_HEAD, padding=0, title=Text(title))
    table.add_column("Target", no_wrap=True)
    headings = [*_COLUMNS, "frames", *([] if mean.told.frames_per_second is None else ["frames/s"])]
    for name in headings:
        table.add_column(name, justify="right", no_wrap=True)
    for one in results:
        table.add_row(Text(one.name), *_cells(one)[: len(headings)])
    if len(results) > 1:
        table.add_section()
        table.add_row(mean.name, *_cells(mean)[: len(headings)], style="bold")
    return table


def curves_plot(results: Sequence[TargetResult]) -> bytes:
    """A PNG: success over overlap and precision over pixels, a thin line a target, a thick one their mean.

    Of more than 20 targets the mean alone is named.
    """
    figure = Figure(figsize=(11, 4.6), layout="constrained", dpi=100)
    left, right = figure.subplots(1, 2)
    thin: dict[str, Any] = {"linewidth": 1.1}
    thick: dict[str, Any] = {"linewidth": 2.6, "color": "#222222", "zorder": 3}
    lines = [(one, thin, len(results) <= _NAMED) for one in results]
    for one, look, named in lines + ([(mean_result(results), thick, True)] if len(results) > 1 else []):
        scores, name = one.scores, one.name.replace("$", r"\$")  # two dollars would enclose a formula
        left.plot(OVERLAPS, scores.success, label=f"{scores.auc:.3f} {name}" if named else None, **look)
        right.plot(PIXELS, scores.precision, label=f"{scores.precision_near:.3f} {name}" if named else None, **look)
    left.set(title="Success (AUC)", xlabel="overlap above", ylabel="share of frames", xlim=(0, 1), ylim=(0, 1.02))
    right.set(title=f"Precision (at {NEAR} px)", xlabel="centre within, pixels", xlim=(0, PIXELS[-1]), ylim=(0, 1.02))
    right.axvline(NEAR, color="#999999", linewidth=0.8, linestyle=":")
    for axes in (left, right):
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.legend(fontsize=7, loc="lower left" if axes is left else "lower right")
    picture = io.BytesIO()
    FigureCanvasAgg(figure).print_png(picture)  # type: ignore[no-untyped-call]
    return picture.getvalue()


def mean_result(results: Sequence[TargetResult]) -> TargetResult:
    """Mean over the targets, each counting alike; of the speeds that are known. ValueError without a target."""
    speeds = [one.told.frames_per_second for one in results if one.told.frames_per_second is not None]
    trackers = {one.told.tracker for one in results}
    return TargetResult(
        MEAN,
        mean_scores([one.scores for one in results]),
        FollowInfo(float(np.mean(speeds)) if speeds else None, trackers.pop() if len(trackers) == 1 else None),
    )


def _to_dict(one: TargetResult) -> dict[str, Any]:
    scores = one.scores
    return {
        "frames": scores.frames,
        "present": scores.present,
        "auc": scores.auc,
        "precision": scores.precision_near,
        "normalised_precision": scores.normalised_auc,
        "robustness": scores.robustness,
        "score_auc": scores.score_auc,
        "frames_per_second": one.told.frames_per_second,
        "tracker": one.told.tracker,
        "success_curve": scores.success.tolist(),
        "precision_curve": scores.precision.tolist(),
        "normalised_precision_curve": scores.normalised_precision.tolist(),
    }


def _cells(one: TargetResult) -> list[str]:
    """Texts of the table's columns after the name, the speed last."""
    values, speed = _to_dict(one), one.told.frames_per_second
    shares = ["-" if values[key] is None else f"{100 * values[key]:.1f}" for key in _COLUMNS.values()]
    return [*shares, str(one.scores.frames), "-" if speed is None else f"{speed:.1f}"]
