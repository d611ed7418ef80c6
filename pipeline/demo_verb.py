"""`sightline demo`: a rendered scene, tracked and scored."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pipeline.error_console import error_console
from pipeline.stopping import INTERRUPTED, Stoppable, stopping


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where everything is written.")] = Path("demo"),
    seconds: Annotated[float, typer.Option(min=5, max=3600, help="Length of the scene.")] = 60.0,
    seed: Annotated[int, typer.Option(help="Another number, another scene.")] = 7,
) -> None:
    """Render a busy plaza, track its people, and score the result against the exact truth.

    Example: `sightline demo --out demo`
    """
    from pipeline.console import RunDisplay, demo_lines, outcome_tables
    from pipeline.demo import run_demo
    from pipeline.evaluation.report import to_table

    console = Console()
    with RunDisplay(console) as display:
        report = run_demo(
            out, seconds=seconds, seed=seed, observer=display, rendered=display.rendered, stopping=_stopping
        )
    if report is None:
        raise typer.Exit(INTERRUPTED)
    for table in (*outcome_tables(report.outcome), to_table(report.evaluation)):
        console.print(table)
    for line in demo_lines(report):
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def _stopping(work: Stoppable) -> AbstractContextManager[None]:
    return stopping(work, error_console().print)
