"""Results of trials for people (a table, a plot) and for programs (a dict that goes into JSON)."""

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

from pipeline.evaluation.detection import RECALLS
from pipeline.models.base import ModelCard
from pipeline.trials.detector_trial import DetectorResult, SetResult
from pipeline.trials.embedder_trial import SequenceResult

_ACROSS = 3  # panels in a line
_AT50 = 0  # row of IoU .5 in the scores


def detector_to_dict(card: ModelCard, result: DetectorResult) -> dict[str, Any]:
    """{"model": ..., "sets": {name: {"pictures", "ms", "classes": {class: scores}}}, "ALL": ...}; shares of 1."""
    return {
        "model": model_to_dict(card),
        "sets": {one.name: _set_to_dict(one, result.classes) for one in result.sets},
        result.pooled.name: _set_to_dict(result.pooled, result.classes),
    }


def detector_table(result: DetectorResult) -> Table:
    """A row a set and class; ratios in per cent."""
    table = Table(box=box.SIMPLE_HEAD, padding=0, title="Average precision as COCO defines it, %")
    for name in ("Set", "Class"):
        table.add_column(name, no_wrap=True)
    for name in ("AP50", "AP", "recall .5", "objects", "pictures", "ms"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in (*result.sets, *([result.pooled] if len(result.sets) > 1 else [])):
        for row, scores in _set_to_dict(one, result.classes)["classes"].items():
            cells = [f"{100 * scores[key]:.1f}" for key in ("AP50", "AP", "recall50")]
            table.add_row(
                Text(one.name), Text(row), *cells, str(scores["objects"]), str(one.pictures), f"{one.milliseconds:.1f}"
            )
    return table


def embedder_to_dict(card: ModelCard, results: Sequence[SequenceResult]) -> dict[str, Any]:
    """{"model": ..., "sequences": {name: {"auc", "rank1", "crops", "identities", "ms_a_crop"}}}.

    Where masks were drawn, also "masks": how many crops have one.
    """
    rows = {
        one.name: {
            "auc": one.auc,
            "rank1": one.rank_one,
            "crops": one.crops,
            "identities": one.identities,
            "ms_a_crop": one.milliseconds,
        }
        | ({} if one.masks is None else {"masks": one.masks})
        for one in results
    }
    return {"model": model_to_dict(card), "sequences": rows}


def embedder_table(results: Sequence[SequenceResult], suppressed: Sequence[SequenceResult] = ()) -> Table:
    """A row a sequence; ratios in per cent. `suppressed`: on the same sequences without what is behind the objects."""
    table = Table(box=box.SIMPLE_HEAD, padding=0, title="Same object or another one, %")
    table.add_column("Sequence", no_wrap=True)
    compared = len(suppressed) > 0
    if compared:
        table.add_column("background", no_wrap=True)
    for name in ("AUC", "rank 1", "crops", *(["masks"] if compared else []), "identities", "ms a crop"):
        table.add_column(name, justify="right", no_wrap=True)
    for row, one in enumerate(results):
        table.add_row(*_embedder_cells(one, "kept" if compared else None))
        if compared:
            table.add_row(*_embedder_cells(suppressed[row], "suppressed"))
    return table


def _embedder_cells(one: SequenceResult, background: str | None) -> list[str | Text]:
    """`background`: what became of it, where that is told."""
    ratios = [f"{100 * one.auc:.1f}", f"{100 * one.rank_one:.1f}"]
    masks = [] if background is None else ["" if one.masks is None else str(one.masks)]
    words = [] if background is None else [background]
    return [Text(one.name), *words, *ratios, str(one.crops), *masks, str(one.identities), f"{one.milliseconds:.2f}"]


def precision_recall_plot(result: DetectorResult) -> bytes:
    """A PNG: precision over recall at IoU .5, a panel a set, a line a class."""
    sets = [*result.sets, *([result.pooled] if len(result.sets) > 1 else [])]
    across = min(_ACROSS, len(sets))
    lines = -(-len(sets) // across)
    figure = Figure(figsize=(3.6 * across, 3.2 * lines), layout="constrained", dpi=100)
    panels = figure.subplots(lines, across, squeeze=False).ravel().tolist()
    for axes, one in zip(panels, sets, strict=False):
        for label in np.flatnonzero(one.scores.truths).tolist():
            name = f"{result.classes[label]} {one.scores.ap50[label]:.3f}"
            axes.plot(RECALLS, one.scores.precision[label, _AT50], label=name, linewidth=1.4)
        axes.set(title=one.name, xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
        axes.grid(color="#dddddd", linewidth=0.6)
        if one.scores.truths.any():
            axes.legend(fontsize=8, loc="lower left")
    for axes in panels[len(sets) :]:
        axes.set_axis_off()
    picture = io.BytesIO()
    FigureCanvasAgg(figure).print_png(picture)  # type: ignore[no-untyped-call]
    return picture.getvalue()


def model_to_dict(card: ModelCard) -> dict[str, Any]:
    """Who it is."""
    return {"name": card.name, "sha256": card.sha256, "runtime": card.runtime, "input_size": card.input_size}


def _set_to_dict(one: SetResult, classes: Sequence[str]) -> dict[str, Any]:
    """Classes without a true box are left out."""
    scores = one.scores
    found = np.bincount(one.judged.labels, minlength=len(classes))
    rows = {
        classes[label]: {
            "AP50": float(scores.ap50[label]),
            "AP": float(scores.ap[label]),
            "recall50": float(scores.recall50[label]),
            "objects": int(scores.truths[label]),
            "found": int(found[label]),
        }
        for label in np.flatnonzero(scores.truths).tolist()
    }
    return {"pictures": one.pictures, "ms": one.milliseconds, "classes": rows}
