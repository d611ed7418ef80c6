"""What the tabs Runs and Process show of runs now: read from the store, written as HTML."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from markupsafe import Markup
from sqlalchemy import Connection

from pipeline.compare import compare_runs
from pipeline.page import words
from pipeline.page.parts import empty_store, hint, trouble
from pipeline.page.reading import Sheet, StoreReader, nearest_sheet, place
from pipeline.page.run_cards import (
    ALIVE,
    control_buttons,
    numbers,
    open_button,
    progress_bar,
    progress_of,
    run_list,
    status_pill,
)
from pipeline.page.run_comparison import comparison_table
from pipeline.run_record import preview_file
from pipeline.store.cameras import LIVE, CameraRow, list_cameras
from pipeline.store.database import Database
from pipeline.store.filters import ObjectFilter, Scope
from pipeline.store.liveness import is_alive, shown_status
from pipeline.store.queries import page_objects
from pipeline.store.rows import RunDetail, RunRow
from pipeline.store.run_queries import count_runs, list_runs, run_detail

RUNS_A_SHEET = 10
CAMERAS_SHOWN = 4  # beside the form; all are in the tab Cameras
RUNS_TO_CHOOSE = 300  # the newest; an older one is chosen on its card

Choice = tuple[str, str]  # what people read, what the filter is given


@dataclass(frozen=True, slots=True)
class RunsSheet:
    """A sheet of runs, and whether any on it may change by itself."""

    sheet: Sheet
    going_on: bool


class RunsView:
    """Runs. Every method raises StoreError if the store cannot be read."""

    def __init__(self, database: Database, media_folder: Path) -> None:
        self._reader = StoreReader(database)
        self._media_folder = media_folder

    def sheet(self, number: int = 0) -> RunsSheet:
        """A sheet of runs, the newest first."""
        now = time.time_ns() // 1000
        with self._reader.reading() as (scope, connection):
            total = count_runs(scope, connection)
            if total == 0:
                return RunsSheet(Sheet.empty(str(empty_store(self._reader.database.name)), "run"), going_on=False)
            number, sheets = nearest_sheet(number, total, RUNS_A_SHEET)
            rows = list_runs(scope, connection, limit=RUNS_A_SHEET, offset=number * RUNS_A_SHEET)
            details = _details(scope, connection, rows)
        said = place(number, RUNS_A_SHEET, len(rows), total=total, noun="run")
        going_on = any(shown_status(row, now) in ALIVE for row in rows)
        return RunsSheet(Sheet(str(run_list(details, now)), number, sheets, said), going_on)

    def comparison(self, first: Sequence[UUID], second: Sequence[UUID]) -> str:
        """What the second run found beside the first one. Empty: none was chosen."""
        if not first or not second or first == second:
            return str(trouble("Choose two different runs."))
        compared = compare_runs(self._reader.database, self._reader.scope(), second[0], first[0])
        return str(comparison_table(compared))

    def newest_alive(self, kind: str | None = None) -> UUID | None:
        """The newest run, of a kind or of any, that a process is at work on."""
        now = time.time_ns() // 1000
        with self._reader.reading() as (scope, connection):
            runs = list_runs(scope, connection, kind=kind, limit=RUNS_A_SHEET)
        return next((run.public_id for run in runs if is_alive(run, now)), None)

    def live(self, run: UUID | None) -> tuple[str, bool]:
        """One run while it goes on, and whether it does: progress, buttons and its newest picture with boxes."""
        detail, cameras = None, []
        if run is not None:
            with self._reader.reading() as (scope, connection):
                detail = run_detail(scope, connection, run)
                cameras = list_cameras(scope, connection, run=run)
        if detail is None:
            return str(
                hint("No run is going on", "Choose a video and press Start: what it finds is shown here.")
            ), False
        now = time.time_ns() // 1000
        return str(self._live(detail, cameras, now)), shown_status(detail.run, now) in ALIVE

    def followed(self, run: UUID | None) -> tuple[str, bool]:
        """Likewise a run that follows a target; once it has ended, with the way to its track."""
        with self._reader.reading() as (scope, connection):
            detail = None if run is None else run_detail(scope, connection, run)
            rows = [] if run is None else page_objects(scope, connection, ObjectFilter(runs=(run,)), limit=1)
        if run is None or detail is None:
            said = "Choose a video, draw a box around somebody or something, and press Follow: its track opens here."
            return str(hint("Nothing is being followed", said)), False
        now = time.time_ns() // 1000
        going_on = shown_status(detail.run, now) in ALIVE
        track = rows[0].public_id if rows and not going_on else ""
        way = Markup('<button type="button" class="sl-button primary" data-track="{}">Open its track</button>')
        return str(
            Markup('<div data-followed="{}" data-track="{}" data-goes-on="{}">{}</div>').format(
                run,
                track,
                "1" if going_on else "",
                self._live(detail, (), now, way=way.format(track) if track else Markup()),
            )
        ), going_on

    def _live(self, detail: RunDetail, cameras: Sequence[CameraRow], now: int, *, way: Markup | None = None) -> Markup:
        """`way`: to what it found; by default to its tracks."""
        status, progress = shown_status(detail.run, now), progress_of(detail, now)
        return Markup(
            '<article class="sl-live-run"><header>{pill}<span class="sl-sub">{numbers}</span>'
            '<span class="sl-push">{buttons}</span></header>{bar}{preview}{trouble}'
            "<p>{open}</p></article>"
        ).format(
            pill=status_pill(status, live=detail.run.kind == LIVE),
            numbers=numbers(progress, status),
            buttons=control_buttons(detail, now),
            bar=progress_bar(progress, status),
            preview=self._preview(detail.run, cameras) if status in ALIVE else Markup(),
            trouble=trouble(detail.run.error) + Markup().join(trouble(source.error) for source in detail.sources),
            open=open_button(detail, progress) if way is None else way,
        )

    def _preview(self, run: RunRow, cameras: Sequence[CameraRow]) -> Markup:
        """The newest picture, of each of its cameras where it has some."""
        pictures = [(f"/api/cameras/{one.public_id}/picture", one.public_id) for one in cameras[:CAMERAS_SHOWN]]
        return Markup().join(
            self._picture(*one) for one in pictures or [(f"/runs/{run.public_id}/preview.jpg", run.public_id)]
        )

    def _picture(self, address: str, public_id: UUID) -> Markup:
        """It is replaced twice a second; the time of the file tells browsers that it is another one."""
        try:
            changed = preview_file(self._media_folder, public_id).stat().st_mtime_ns
        except FileNotFoundError:
            return Markup('<div class="sl-live missing"><span class="sl-none">no picture yet</span></div>')
        return Markup(
            '<div class="sl-live"><img src="{}?v={}" alt="The newest frame with its boxes">'
            '<span class="sl-none">no picture yet</span></div>'
        ).format(address, changed)


def run_name(run: RunRow, now: int) -> str:
    """How a run is called in a list. `now`: microseconds UTC."""
    return f"{words.clock(run.created_at)} ({shown_status(run, now)})"


def _details(scope: Scope, connection: Connection, rows: Sequence[RunRow]) -> list[RunDetail]:
    details = (run_detail(scope, connection, row.public_id) for row in rows)
    return [one for one in details if one is not None]
