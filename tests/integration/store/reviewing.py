"""A store to review: five tracks of two runs in the project default, one of a run in the project secret."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from pipeline.store import queries
from pipeline.store.database import Database
from pipeline.store.filters import ObjectOrder, Scope, scope_of
from pipeline.store.states import RunStatus, SourceStatus
from pipeline.store.tables import Object, ObjectMember, Project, Run, RunSource, Source, Track
from pipeline.store.writer import RunWriter
from tests.integration.store.examples import DETECTOR, EMBEDDER, RUN, START, STEP, VIDEO, chunk

OTHER = replace(VIDEO, name="b.mp4", uri_redacted="/videos/b.mp4", fingerprint="fingerprint-2")


@dataclass(frozen=True)
class Reviewed:
    """An open store whose second run has not ended."""

    database: Database
    scope: Scope
    foreign: Scope  # of the project secret
    objects: tuple[UUID, ...]  # of a.mp4's tracks 1, 2, 3 (people, 100 frames), then of b.mp4's 7, 8 (cars, 50 frames)
    hidden_project: UUID  # an object of the project secret
    living: RunWriter  # of b.mp4
    living_source: int


def fill(database: Database, media_folder: Path) -> Reviewed:
    """Write the three runs."""
    write_run(database, media_folder, "secret", (1,), end=10, number=0)
    ended, source = write_run(database, media_folder, "default", (1, 2, 3), end=100, number=0)
    ended.finish_source(source, SourceStatus.FINISHED)
    ended.finish_run(RunStatus.FINISHED)
    living, source = write_run(database, media_folder, "default", (7, 8), end=50, number=1)
    with database.read() as connection:
        scope, foreign = scope_of(connection, ["default"]), scope_of(connection, ["secret"])
        mine = queries.page_objects(scope, connection, order=ObjectOrder.OLDEST)
        (theirs,) = queries.page_objects(foreign, connection)
    objects = tuple(row.public_id for row in mine)
    return Reviewed(database, scope, foreign, objects, theirs.public_id, living, source)


def at(frame: int) -> int:
    """When a frame was taken, microseconds UTC."""
    return START + frame * STEP


def table_of(connection: Connection, public_ids: tuple[UUID, ...] | None = None) -> dict[UUID, dict[str, Any]]:
    """Everything the store says of objects (all where none are given), with their members."""
    query = select(*Object.__table__.columns)
    rows = {row["public_id"]: dict(row) for row in connection.execute(query).mappings()}
    members = select(ObjectMember.object_id, Track.public_id, ObjectMember.from_at, ObjectMember.to_at).join(Track)
    by_key = {row["id"]: row for row in rows.values()}
    for row in rows.values():
        row["parts"] = set()
    for key, track, from_at, to_at in connection.execute(members):
        by_key[key]["parts"].add((track, from_at, to_at))
    return rows if public_ids is None else {public_id: rows[public_id] for public_id in public_ids}


def run_of(connection: Connection, name: str) -> int:
    """Row id of the run over the source with that name in the project default."""
    query = select(Run.id).join(RunSource).join(Source).join(Project, Project.id == Run.project_id)
    return connection.execute(query.where(Source.name == name, Project.name == "default")).scalar_one()


def write_run(
    database: Database, media_folder: Path, project: str, local_ids: tuple[int, ...], *, end: int, number: int
) -> tuple[RunWriter, int]:
    """A run over a.mp4 (number 0) or b.mp4 (number 1) that has not ended, and its run_source_id."""
    writer = RunWriter.begin(database, replace(RUN, project=project), media_folder=media_folder)
    writer.register_model(DETECTOR)
    model = writer.register_model(EMBEDDER)
    source = writer.add_source(OTHER if number else VIDEO)
    written = chunk(
        0,
        end,
        local_ids=local_ids,
        model_id=model,
        crop_quality=0.25 + number / 2,
        evidence=number,
        class_id=number,
        score=0.5 + number / 4,
    )
    writer.write_chunk(source, written)
    return writer, source
