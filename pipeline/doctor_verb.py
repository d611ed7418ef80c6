"""`sightline doctor`: what works here."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from pipeline.run_verbs import INCOMPLETE


def doctor(
    database: Annotated[str, typer.Option(metavar="URL", help="The database to look at.")] = "runs/sightline.db",
) -> None:
    """Say what works here, what is missing, and how to get it. Changes nothing.

    Example: `sightline doctor --database postgresql://sightline@db/sightline`
    """
    from pipeline.doctor import examine, to_table

    findings = examine(database)
    Console().print(to_table(findings))
    if any(finding.bad for finding in findings):
        raise typer.Exit(INCOMPLETE)
