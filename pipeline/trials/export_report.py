"""A model before and after its export, side by side: accuracy, size, speed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True, slots=True)
class ExportRow:
    """One way to run the model."""

    name: str  # "before", "after"
    runtime: str  # backend, device and arithmetic
    bytes: int  # of the files
    milliseconds: float  # median a frame; NaN where there was none
    scores: Mapping[str, float]  # 0..1; empty without truth


def export_table(rows: Sequence[ExportRow]) -> Table:
    """A row a way to run; ratios in per cent."""
    table = Table(box=box.SIMPLE_HEAD, padding=0, title="Before and after, measured in turn; ratios in %")
    for name in ("Model", "Runtime"):
        table.add_column(name, no_wrap=True)
    for name in ("MB", "ms", *rows[0].scores):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        speed = "-" if math.isnan(row.milliseconds) else f"{row.milliseconds:.1f}"
        scores = [f"{100 * value:.1f}" for value in row.scores.values()]
        table.add_row(Text(row.name), Text(row.runtime), f"{row.bytes / 1e6:.2f}", speed, *scores)
    return table


def export_to_dict(rows: Sequence[ExportRow]) -> list[dict[str, Any]]:
    """For JSON; None where there is no number."""
    return [
        {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in asdict(row).items()}
        for row in rows
    ]
