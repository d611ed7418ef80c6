"""What the tab Tracks shows now: a sheet of the gallery, and what it can be filtered by."""

from __future__ import annotations

import time
from dataclasses import dataclass
from uuid import UUID

from markupsafe import Markup
from sqlalchemy import Connection

from pipeline.page.edits import next_steps
from pipeline.page.gallery import card, gallery, tools
from pipeline.page.label_names import LabelNames
from pipeline.page.parts import empty_store, hint
from pipeline.page.reading import Sheet, StoreReader, nearest_sheet, place
from pipeline.page.runs_view import RUNS_TO_CHOOSE, Choice, run_name
from pipeline.store.database import Database
from pipeline.store.filters import EVERYTHING, ObjectFilter, ObjectOrder, Scope
from pipeline.store.queries import count_objects, page_objects
from pipeline.store.run_queries import count_runs, list_runs, list_sources, run_detail

TRACKS_A_SHEET = 24


@dataclass(frozen=True, slots=True)
class Choices:
    """What tracks can be filtered by."""

    runs: list[Choice]
    sources: list[Choice]
    names: list[Choice]


class TracksView:
    """The gallery. Every method raises StoreError if the store cannot be read."""

    def __init__(self, database: Database, names: LabelNames) -> None:
        self._reader, self._names = StoreReader(database), names

    def choices(self, run: UUID | None = None) -> Choices:
        """What is there to choose from. `run`: one that must be among the runs, however old it is."""
        now = time.time_ns() // 1000
        with self._reader.reading() as (scope, connection):
            runs = list_runs(scope, connection, limit=RUNS_TO_CHOOSE)
            if run is not None and all(one.public_id != run for one in runs):
                older = run_detail(scope, connection, run)
                runs += [older.run] if older else []
            sources = list_sources(scope, connection)
            names = self._names.read(scope, connection)
        return Choices(
            [(run_name(one, now), str(one.public_id)) for one in runs],
            [(source.name, str(source.public_id)) for source in sources],
            [(f"{name} ({number:,})", name) for name, number in names.items()],
        )

    def sheet(self, wanted: ObjectFilter, order: ObjectOrder, number: int = 0) -> Sheet:
        """A sheet of tracks with their best pictures."""
        with self._reader.reading() as (scope, connection):
            total = count_objects(scope, connection, wanted)
            bar = tools(next_steps(scope, connection), self._names.known(scope))
            if total == 0:
                return Sheet.empty(str(bar + self._no_tracks(scope, connection)), "track")
            number, sheets = nearest_sheet(number, total, TRACKS_A_SHEET)
            rows = page_objects(
                scope, connection, wanted, order=order, limit=TRACKS_A_SHEET, offset=number * TRACKS_A_SHEET
            )
        said = place(number, TRACKS_A_SHEET, len(rows), total=total, noun="track")
        return Sheet(str(bar + gallery(card(row) for row in rows)), number, sheets, said)

    def _no_tracks(self, scope: Scope, connection: Connection) -> Markup:
        if count_runs(scope, connection) == 0:
            return empty_store(self._reader.database.name)
        if count_objects(scope, connection, EVERYTHING) == 0:
            return hint("No tracks yet", "The runs have found nothing so far. Press Refresh to look again.")
        return hint("No track is like that", "Ask for less: a shorter duration, a lower score, all runs.")
