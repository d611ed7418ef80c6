"""What the tab Track shows now: read from the store, written as HTML."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from uuid import UUID

from sqlalchemy import Connection

from pipeline.page.clip_parts import clip_parts, why_gone
from pipeline.page.edits import next_steps
from pipeline.page.label_names import LabelNames
from pipeline.page.parts import hint
from pipeline.page.reading import StoreReader
from pipeline.page.track_page import TrackFacts, track_page
from pipeline.store.cameras import list_cameras
from pipeline.store.database import Database
from pipeline.store.filters import Scope
from pipeline.store.footage_queries import FootageRow, footage_rows
from pipeline.store.queries import (
    embeddings_of_object,
    find_object,
    members_of_object,
    observations_of_object,
)
from pipeline.store.review import history
from pipeline.store.rows import ObjectRow, RunDetail
from pipeline.store.run_queries import run_detail
from pipeline.store.segments import segments

UNFINISHED = 3_600_000_000  # microseconds: how long a file of a recording is written at most
EDITS = 20  # of the track's history


class TrackView:
    """One track. Every method raises StoreError if the store cannot be read."""

    def __init__(self, database: Database, names: LabelNames) -> None:
        self._reader, self._names = StoreReader(database), names

    def page(self, public_id: UUID | None) -> str:
        """One track on a page of its own; None: how to choose one."""
        if public_id is None:
            return str(hint("No track chosen", "Choose a picture under Tracks to see its clip, path, score and facts."))
        with self._reader.reading() as (scope, connection):
            row = find_object(scope, connection, public_id)
            if row is None:
                return str(
                    hint("This track is gone", "It was deleted, or merged into another one. Undo brings it back.")
                )
            return str(track_page(self._facts(scope, connection, row)))

    def _facts(self, scope: Scope, connection: Connection, row: ObjectRow) -> TrackFacts:
        members = members_of_object(scope, connection, row.public_id)
        observations = observations_of_object(scope, connection, row.public_id)
        runs = _runs(scope, connection, {member.run for member in members})
        models = {model.model_id: model for run in runs for model in run.models if model.dimension is not None}
        footage = footage_rows(scope, connection, observations.run_source_ids.tolist())
        seen = set(observations.run_source_ids.tolist())
        return TrackFacts(
            row=row,
            clips=clip_parts(observations, footage),
            gone=why_gone(footage, _recorded(scope, connection, footage, row)),
            members=members,
            observations=observations,
            sources=[source for run in runs for source in run.sources if source.run_source_id in seen],
            embeddings=[
                (model, embeddings_of_object(scope, connection, row.public_id, model_id=model.model_id))
                for model in models.values()
            ],
            history=history(scope, connection, public_id=row.public_id, limit=EDITS),
            steps=next_steps(scope, connection),
            names=self._names.known(scope),
        )


def _recorded(
    scope: Scope, connection: Connection, footage: Mapping[int, FootageRow], row: ObjectRow
) -> Collection[int]:
    """Cameras of which something was recorded while the object was there, or may be in a file that is not complete."""
    cameras = {key: one for key, one in footage.items() if one.is_camera}
    now = time.time_ns() // 1000
    writing = {one.run_source_id for one in list_cameras(scope, connection) if one.status.get("recording") == "on"}
    first, end = row.first_at, row.last_at + 1
    return {
        key
        for key, one in cameras.items()
        if (key in writing and now - row.last_at < UNFINISHED)
        or segments(scope, connection, source=one.source, from_at=first, to_at=end, limit=1)
    }


def _runs(scope: Scope, connection: Connection, ids: set[UUID]) -> list[RunDetail]:
    details = (run_detail(scope, connection, one) for one in sorted(ids))
    return [one for one in details if one is not None]
