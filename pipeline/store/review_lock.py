"""Who may edit what, one after the other: the objects of an edit, found in the scope and locked.

SQLite has one writer at a time. On PostgreSQL locks are taken in one order, each kind by rising id: the project, so
that its edits and undos come one after the other; the sources of the tracks, as a run that still goes on locks its
source for each chunk and so stretches no object that is being edited; the objects, as two runs may have tracks in the
same ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from pipeline.errors import StoreError
from pipeline.store.batches import batches
from pipeline.store.filters import Scope, within
from pipeline.store.tables import Object, ObjectMember, Project, RunSource, Track


@dataclass(frozen=True, slots=True)
class Chosen:
    """The objects of one edit, each once, the earliest first; locked."""

    project_id: int
    keys: dict[UUID, int]  # public id -> row id
    protected: tuple[UUID, ...]  # those of them that may not be deleted


def choose(scope: Scope, connection: Connection, objects: Sequence[UUID]) -> Chosen:
    """Find and lock visible objects. Waits for other edits of the project and for chunks of runs being written.

    Raises StoreError if there is none, if one is not in the scope, deleted or merged away, or if they are of
    different projects.
    """
    wanted = list(dict.fromkeys(objects))
    if not wanted:
        raise StoreError("no track is chosen; choose at least one")
    projects = {row.project_id for row in _rows(scope, connection, wanted)}
    if len(projects) > 1:
        raise StoreError("tracks of different projects cannot be edited together; choose those of one project")
    lock_projects(connection, projects)
    rows = lock_objects(scope, connection, wanted)
    there = {row.public_id for row in rows if not row.hidden}
    missing = [public_id for public_id in wanted if public_id not in there]
    if missing:
        raise StoreError(f"there is no track {missing[0]}; it was deleted or merged into another one, or never existed")
    protected = tuple(row.public_id for row in rows if row.protected)
    return Chosen(projects.pop(), {row.public_id: row.id for row in rows}, protected)


def lock_projects(connection: Connection, project_ids: Iterable[int]) -> None:
    """Let the projects' edits come one after the other. Runs that write are not held up."""
    query = select(Project.id).where(Project.id.in_(sorted(project_ids))).order_by(Project.id)
    connection.execute(query.with_for_update(key_share=True)).all()


def lock_objects(scope: Scope, connection: Connection, public_ids: Sequence[UUID]) -> list[Any]:
    """Rows (id, public_id, hidden, protected) of the objects there are in the scope, the earliest first.

    No chunk of their tracks is written until the transaction ends.
    """
    ids = sorted(row.id for row in _rows(scope, connection, public_ids))
    lock_sources(connection, ids)
    columns = (Object.id, Object.public_id, Object.hidden, Object.protected, Object.first_at)
    rows: list[Any] = []
    for batch in batches(ids):
        query = select(*columns).where(Object.id.in_(batch)).order_by(Object.id)
        rows += connection.execute(query.with_for_update(key_share=True)).all()
    return sorted(rows, key=lambda row: (row.first_at, row.id))


def lock_sources(connection: Connection, object_ids: Sequence[int], *, and_also: Sequence[int] = ()) -> None:
    """Let no chunk of the objects' tracks be written until the transaction ends. `object_ids`: row ids.

    `and_also`: rows of `run_sources` to be locked with theirs.
    """
    query = select(Track.run_source_id).join(ObjectMember, ObjectMember.track_id == Track.id).distinct()
    sources = set(and_also)
    for batch in batches(object_ids):
        sources.update(connection.scalars(query.where(ObjectMember.object_id.in_(batch))))
    for batch in batches(sorted(sources)):
        rows = select(RunSource.id).where(RunSource.id.in_(batch)).order_by(RunSource.id)
        connection.execute(rows.with_for_update(key_share=True)).all()


def lock_objects_of_tracks(connection: Connection, track_ids: Sequence[int]) -> None:
    """Lock the objects that hold the open ends of tracks, before a chunk stretches them one by one.

    Their source must be locked, so that no edit moves them meanwhile. `track_ids`: row ids.
    """
    objects: set[int] = set()
    for batch in batches(track_ids):
        held = (ObjectMember.track_id.in_(batch), ObjectMember.to_at.is_(None))
        objects.update(connection.scalars(select(ObjectMember.object_id).where(*held)))
    for batch in batches(sorted(objects)):
        rows = select(Object.id).where(Object.id.in_(batch)).order_by(Object.id)
        connection.execute(rows.with_for_update(key_share=True)).all()


def _rows(scope: Scope, connection: Connection, public_ids: Sequence[UUID]) -> list[Any]:
    query = select(Object.id, Object.project_id).where(within(scope))
    return [
        row for batch in batches(public_ids) for row in connection.execute(query.where(Object.public_id.in_(batch)))
    ]
