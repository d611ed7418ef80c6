"""A large invented store, and how long its queries and the page's views take on it.

    python -m tests.benchmarks.large_store make --database large/large.db --tracks 200000 --observations 5000000
    python -m tests.benchmarks.large_store measure --database large/large.db

The same seed makes the same store, but for the ids and times of edits. Nothing here passes or fails; times are of this
process, without browser or network.
"""

from __future__ import annotations

import json
import time
from itertools import chain
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from pipeline.store.database import open_database
from tests.benchmarks.chance import Chance
from tests.benchmarks.large_plan import plan_sources, plan_tracks
from tests.benchmarks.large_review import invent_edits
from tests.benchmarks.large_rows import LargeRows, draw_crops
from tests.benchmarks.page_times import api_cases, page_cases
from tests.benchmarks.store_times import store_cases
from tests.benchmarks.timing import Timing, time_case

BUDGET = 300.0  # ms: what the 95th percentile of every view should stay under

app = typer.Typer(pretty_exceptions_enable=False)
_console = Console(width=120)

DatabasePath = Annotated[Path, typer.Option(metavar="FILE", help="SQLite file; crops lie in media/ beside it.")]


@app.command()
def make(
    database: DatabasePath,
    tracks: Annotated[int, typer.Option(min=100)] = 200_000,
    observations: Annotated[int, typer.Option(help="Of all tracks together.")] = 5_000_000,
    runs: Annotated[int, typer.Option(min=1)] = 20,
    sources: Annotated[int, typer.Option(min=1)] = 40,
    pictures: Annotated[int, typer.Option(min=1, help="Different crops; tracks share them.")] = 400,
    edits: Annotated[int, typer.Option(min=0, help="Of reviewers.")] = 4_000,
    seed: int = 0,
) -> None:
    """Write a store that does not exist yet."""
    if database.exists():
        raise typer.BadParameter(f"{database} exists; delete it, or give another path")
    if observations < 10 * tracks:
        raise typer.BadParameter("a track has ten observations or more on average")
    started = time.perf_counter()
    rng = np.random.default_rng(seed)
    seen = plan_sources(runs, sources, rng)
    rows = LargeRows(seen, plan_tracks(tracks, observations, seen, rng), seed=seed)
    crops = draw_crops(pictures)
    with open_database(database) as store:
        rows.write_runs(store)
        for written in rows.write_tracks(store, crops, database.parent / "media"):
            _console.print(f"{written:,} of {tracks:,} tracks after {time.perf_counter() - started:.0f} s", end="\r")
        for done in invent_edits(store, edits, seed=seed):
            _console.print(f"{done:,} of {edits:,} edits after {time.perf_counter() - started:.0f} s   ", end="\r")
    took = time.perf_counter() - started
    _console.print(f"{database}: {tracks:,} tracks, {database.stat().st_size / 2**20:,.0f} MiB in {took:.0f} s")


@app.command()
def measure(
    database: DatabasePath,
    times: Annotated[int, typer.Option(min=2, help="How often each is done.")] = 30,
    only: Annotated[str, typer.Option(help="Only what has this in its name.")] = "",
    json_out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the figures as JSON, too.")] = None,
    seed: int = 0,
) -> None:
    """Print how many milliseconds each query, edit, view and address takes, with arguments drawn at random."""
    found = []
    with open_database(database) as store:
        chance, media = Chance(store, np.random.default_rng(seed)), database.parent / "media"
        cases = chain(store_cases(store, chance), page_cases(store, media, chance), api_cases(store, media, chance))
        for case in (case for case in cases if only in case.name):
            timing = time_case(case, times)
            found.append(timing)
            _console.print(f"{timing.name:60s} {timing.p50:8.1f} {timing.p95:8.1f} {timing.most:8.1f}")
    _console.print(_table(found))
    if json_out is not None:
        figures = {one.name: {"p50": one.p50, "p95": one.p95, "max": one.most} for one in found}
        json_out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _table(timings: list[Timing]) -> Table:
    table = Table(title=f"Milliseconds; over {BUDGET:.0f} at the 95th percentile in red")
    for heading in ("what", "median", "p95", "most", "slowest with"):
        table.add_column(heading, justify="left" if heading in ("what", "slowest with") else "right")
    for one in timings:
        style = "red" if one.p95 > BUDGET else None
        table.add_row(one.name, f"{one.p50:.1f}", f"{one.p95:.1f}", f"{one.most:.1f}", one.worst, style=style)
    return table


if __name__ == "__main__":
    app()
