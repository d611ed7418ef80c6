"""`sightline retrack`: track a run's stored detections again."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from pipeline.error_console import error_console
from pipeline.run_verbs import DatabaseOption, RunArgument, SetOption
from pipeline.stopping import INTERRUPTED, stopping
from pipeline.tracker_names import TrackerName


def retrack(
    run: RunArgument,
    tracker: Annotated[TrackerName | None, typer.Option(help="Another tracker, with its own defaults.")] = None,
    settings: SetOption = None,
    refine: Annotated[
        bool, typer.Option("--refine", help="Link, smooth and complete the tracks with hindsight (settings: refine).")
    ] = False,
    database: DatabaseOption = None,
) -> None:
    """Track a run's stored detections again, into a run of its own: no video is read, no network runs.

    `sightline compare` shows what changed.

    Example: `sightline retrack last --set tracker.lost_seconds=2 --refine`
    """
    from pipeline.config import StoreSettings
    from pipeline.console import RetrackDisplay, retrack_table
    from pipeline.retrack import Retrack, changed_sections, retrack_settings
    from pipeline.store.database import open_database
    from pipeline.stored_runs import find_stored_run
    from pipeline.tracker_settings import needs_pictures

    address = database or StoreSettings().database
    parent = find_stored_run(address, run)
    overrides = list(settings or [])
    if tracker is not None:
        overrides.insert(0, f"tracker.name={tracker}")
    chosen = retrack_settings(parent, address, overrides)
    console = Console()
    with open_database(address) as store, RetrackDisplay(console) as display:
        changed = changed_sections(overrides)
        work = Retrack(store, parent, chosen, refined=refine, changed=changed, advanced=display.advanced)
        with stopping(work, error_console().print):
            outcome = work.execute()
    console.print(retrack_table(outcome))
    if needs_pictures(chosen.tracker):
        console.print("held      nothing: stored detections have no pictures", highlight=False)
    console.print(f"compare   sightline compare {outcome.parent} {outcome.public_id}", soft_wrap=True, highlight=False)
    if outcome.stopped:
        raise typer.Exit(INTERRUPTED)
