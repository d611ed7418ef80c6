"""Scores of an evaluation for people (a table) and for programs (a dict that goes into JSON)."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from pipeline.evaluation.benchmark import Evaluation
from pipeline.evaluation.scores import ALPHAS, Scores

COMBINED = "COMBINED"
_PERCENT = ("HOTA", "DetA", "AssA", "MOTA", "IDF1")  # columns of the table; it fits into 80 characters
_COUNTS = ("IDSW", "Frag", "FP", "FN", "MT", "ML")


def to_dict(evaluation: Evaluation) -> dict[str, Any]:
    """Everything: {"benchmark": ..., "sequences": {name: scores}, "COMBINED": scores}, scores as `scores_to_dict`."""
    return {
        "benchmark": str(evaluation.benchmark),
        "sequences": {name: scores_to_dict(scores) for name, scores in evaluation.sequences.items()},
        COMBINED: scores_to_dict(evaluation.combined),
    }


def scores_to_dict(scores: Scores) -> dict[str, Any]:
    """Scores by the names that the field uses; ratios as shares of 1, counts as whole numbers."""
    hota, clear, identity = scores.hota, scores.clear, scores.identity
    return {
        "HOTA": hota.hota,
        "DetA": hota.det_a,
        "AssA": hota.ass_a,
        "DetRe": hota.det_re,
        "DetPr": hota.det_pr,
        "AssRe": hota.ass_re,
        "AssPr": hota.ass_pr,
        "LocA": hota.loc_a,
        "MOTA": clear.mota,
        "MOTP": clear.motp,
        "Recall": clear.recall,
        "Precision": clear.precision,
        "TP": clear.tp,
        "FP": clear.fp,
        "FN": clear.fn,
        "IDSW": clear.idsw,
        "Frag": clear.frag,
        "MT": clear.mt,
        "PT": clear.pt,
        "ML": clear.ml,
        "IDF1": identity.idf1,
        "IDP": identity.idp,
        "IDR": identity.idr,
        "IDTP": identity.idtp,
        "IDFP": identity.idfp,
        "IDFN": identity.idfn,
        "alphas": ALPHAS.tolist(),
        "HOTA_curve": hota.hota_curve.tolist(),
    }


def to_table(evaluation: Evaluation) -> Table:
    """The main scores, a row a sequence and one of all pooled; ratios in per cent."""
    table = Table(box=box.SIMPLE_HEAD, padding=0, title=f"Rules: {evaluation.benchmark}; ratios in %")
    table.add_column("Sequence", no_wrap=True)
    for name in _PERCENT + _COUNTS:
        table.add_column(name, justify="right", no_wrap=True)
    for name, scores in evaluation.sequences.items():
        table.add_row(Text(name), *_cells(scores))
    table.add_section()
    table.add_row(COMBINED, *_cells(evaluation.combined), style="bold")
    return table


def _cells(scores: Scores) -> list[str]:
    values = scores_to_dict(scores)
    return [f"{100 * values[name]:.2f}" for name in _PERCENT] + [str(values[name]) for name in _COUNTS]
