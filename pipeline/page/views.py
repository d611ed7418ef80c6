"""What each part of the page shows now: read from the store, written as HTML. Knows nothing of the web server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from markupsafe import Markup
from sqlalchemy import Connection

from pipeline.page import cards, pictures, words
from pipeline.store.database import Database
from pipeline.store.filters import ObjectFilter, ObjectOrder, Scope, scope_of
from pipeline.store.queries import (
    count_names,
    count_objects,
    embeddings_of_object,
    find_object,
    members_of_object,
    observations_of_object,
    page_objects,
)
from pipeline.store.rows import ObjectRow, RunDetail, RunRow
from pipeline.store.run_queries import count_runs, list_runs, list_sources, run_detail

PROJECTS = ("default",)
RUNS_A_SHEET = 10
TRACKS_A_SHEET = 24
RUNS_TO_CHOOSE = 300  # the newest; an older one is chosen on its card

Choice = tuple[str, str]  # what people read, what the filter is given


@dataclass(frozen=True, slots=True)
class Sheet:
    """A part of a long list."""

    html: str
    number: int  # of this sheet, from 0
    sheets: int  # in all, at least 1
    place: str  # "25 to 48 of 300 tracks"


@dataclass(frozen=True, slots=True)
class Choices:
    """What tracks can be filtered by."""

    runs: list[Choice]
    sources: list[Choice]
    names: list[Choice]


class Views:
    """Reads a store for the page. Every method raises StoreError if it cannot be read."""

    def __init__(self, database: Database, media_folder: Path) -> None:
        self._database = database
        self._folder = media_folder

    @property
    def database(self) -> str:
        """The store's address without password."""
        return self._database.name

    def choices(self, run: UUID | None = None) -> Choices:
        """What is there to choose from. `run`: one that must be among the runs, however old it is."""
        with self._reading() as (scope, connection):
            runs = list_runs(scope, connection, limit=RUNS_TO_CHOOSE)
            if run is not None and all(one.public_id != run for one in runs):
                older = run_detail(scope, connection, run)
                runs += [older.run] if older else []
            sources = list_sources(scope, connection)
            names = count_names(scope, connection)
        return Choices(
            [(_run_name(one), str(one.public_id)) for one in runs],
            [(source.name, str(source.public_id)) for source in sources],
            [(f"{name} ({number:,})", name) for name, number in names.items()],
        )

    def runs(self, number: int = 0) -> Sheet:
        """A sheet of runs, the newest first."""
        with self._reading() as (scope, connection):
            total = count_runs(scope, connection)
            if total == 0:
                return Sheet(str(cards.empty_store(self.database)), 0, 1, "no runs")
            number, sheets = _within(number, total, RUNS_A_SHEET)
            rows = list_runs(scope, connection, limit=RUNS_A_SHEET, offset=number * RUNS_A_SHEET)
            details = [run_detail(scope, connection, row.public_id) for row in rows]
        html = cards.run_list([one for one in details if one is not None], now=time.time_ns() // 1000)
        return Sheet(str(html), number, sheets, _place(number, RUNS_A_SHEET, len(rows), total, "run"))

    def tracks(self, wanted: ObjectFilter, order: ObjectOrder, number: int = 0) -> Sheet:
        """A sheet of tracks with their best pictures."""
        with self._reading() as (scope, connection):
            total = count_objects(scope, connection, wanted)
            if total == 0:
                return Sheet(str(self._no_tracks(scope, connection)), 0, 1, "no tracks")
            number, sheets = _within(number, total, TRACKS_A_SHEET)
            rows = page_objects(
                scope, connection, wanted, order=order, limit=TRACKS_A_SHEET, offset=number * TRACKS_A_SHEET
            )
        html = cards.gallery((row, pictures.data_uri(self._folder, row.crop)) for row in rows)
        return Sheet(str(html), number, sheets, _place(number, TRACKS_A_SHEET, len(rows), total, "track"))

    def track(self, public_id: UUID | None) -> str:
        """One track on a page of its own; None: how to choose one."""
        if public_id is None:
            return str(cards.hint("No track chosen", "Choose a picture under Tracks to see its path, score and facts."))
        with self._reading() as (scope, connection):
            row = find_object(scope, connection, public_id)
            if row is None:
                return str(cards.hint("This track is gone", "It was deleted, or merged into another one."))
            view = self._track_view(scope, connection, row)
        return str(cards.track(view))

    def _track_view(self, scope: Scope, connection: Connection, row: ObjectRow) -> cards.TrackView:
        members = members_of_object(scope, connection, row.public_id)
        observations = observations_of_object(scope, connection, row.public_id)
        runs = _runs(scope, connection, {member.run for member in members})
        models = {model.model_id: model for run in runs for model in run.models if model.dimension is not None}
        seen = set(observations.run_source_ids.tolist())
        return cards.TrackView(
            row,
            pictures.data_uri(self._folder, row.crop),
            members,
            observations,
            [source for run in runs for source in run.sources if source.run_source_id in seen],
            [
                (model, embeddings_of_object(scope, connection, row.public_id, model_id=model.model_id))
                for model in models.values()
            ],
        )

    def _no_tracks(self, scope: Scope, connection: Connection) -> Markup:
        if count_runs(scope, connection) == 0:
            return cards.empty_store(self.database)
        if count_objects(scope, connection) == 0:
            return cards.hint("No tracks yet", "The runs have found nothing so far. Press Refresh to look again.")
        return cards.hint("No track is like that", "Ask for less: a shorter duration, a lower score, all runs.")

    @contextmanager
    def _reading(self) -> Iterator[tuple[Scope, Connection]]:
        with self._database.read("show the page") as connection:
            yield scope_of(connection, PROJECTS), connection


def _runs(scope: Scope, connection: Connection, ids: set[UUID]) -> list[RunDetail]:
    details = (run_detail(scope, connection, one) for one in sorted(ids))
    return [one for one in details if one is not None]


def _run_name(run: RunRow) -> str:
    return f"{words.clock(run.created_at)} ({run.status.value})"


def _within(number: int, total: int, size: int) -> tuple[int, int]:
    """The nearest sheet that exists, and how many there are."""
    sheets = max(-(-total // size), 1)
    return min(max(number, 0), sheets - 1), sheets


def _place(number: int, size: int, length: int, total: int, noun: str) -> str:
    if total <= size:
        return words.count(total, noun)
    first = number * size
    return f"{first + 1:,} to {first + length:,} of {words.count(total, noun)}"
