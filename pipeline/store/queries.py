"""Reading objects. Every function takes the scope first and sees tracks only through objects.

What lies outside the scope does not exist: the id of another project's object gives None or nothing, not an error
that would tell that it is there. All run in the caller's transaction: `with database.read() as connection`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import Connection, Select, and_, func, or_, select
from sqlalchemy.sql.elements import ColumnElement

from pipeline.store.batches import batches
from pipeline.store.filters import EVERYTHING, ObjectFilter, ObjectOrder, Scope, conditions, listed, ordering, visible
from pipeline.store.rows import EmbeddingTable, MediaRow, MemberRow, ObjectRow, ObservationTable
from pipeline.store.states import MediaKind
from pipeline.store.tables import (
    Embedding,
    Media,
    Model,
    Object,
    ObjectMember,
    Observation,
    Run,
    RunSource,
    Source,
    Track,
)

_FAR = 20_000  # objects before a page from which counting them all pays


def count_objects(scope: Scope, connection: Connection, wanted: ObjectFilter = EVERYTHING) -> int:
    """How many objects the filter lets through."""
    query = select(func.count()).select_from(Object).where(*conditions(scope, connection, wanted))
    return connection.execute(query).scalar_one()


def page_objects(
    scope: Scope,
    connection: Connection,
    wanted: ObjectFilter = EVERYTHING,
    *,
    order: ObjectOrder = ObjectOrder.NEWEST,
    limit: int = 50,
    offset: int = 0,
) -> list[ObjectRow]:
    """One page of objects with their best crops."""
    backwards = False
    if offset >= _FAR:  # SQLite keeps all that comes before a page in order, so the nearer end of the list is faster
        total = count_objects(scope, connection, wanted)
        if offset > total // 2:
            end = min(offset + limit, total)
            backwards, limit, offset = True, max(end - offset, 0), total - end
    page = (
        select(Object.id)
        .where(*conditions(scope, connection, wanted, order=order))
        .order_by(*ordering(order, backwards=backwards))
        .limit(limit)
        .offset(offset)
    )
    ids = connection.scalars(page).all()
    return _objects(connection, _object_rows().where(Object.id.in_(ids)).order_by(*ordering(order)))


def count_names(scope: Scope, connection: Connection) -> dict[str, int]:
    """How many objects have each label (or class name where there is no label), by name."""
    names = (Object.label, Object.class_name)  # an index holds them in this order, so that nothing is sorted
    query = select(*names, func.count().label("number")).where(*listed(scope)).group_by(*names)
    numbers: dict[str, int] = {}
    for row in connection.execute(query):
        name = row.class_name if row.label is None else row.label
        numbers[name] = numbers.get(name, 0) + row.number
    return dict(sorted(numbers.items()))


def find_object(scope: Scope, connection: Connection, public_id: UUID) -> ObjectRow | None:
    """One object; None if there is none in the scope."""
    found = _objects(connection, _object_rows().where(visible(scope), Object.public_id == public_id))
    return found[0] if found else None


def visible_among(scope: Scope, connection: Connection, public_ids: Sequence[UUID]) -> set[UUID]:
    """Those of some objects, any number, that are visible."""
    query = select(Object.public_id).where(visible(scope))
    return {
        one for batch in batches(public_ids) for one in connection.scalars(query.where(Object.public_id.in_(batch)))
    }


def object_keys(
    scope: Scope, connection: Connection, wanted: ObjectFilter = EVERYTHING, *, among: Sequence[int] | None = None
) -> list[int]:
    """Row ids of the objects that the filter lets through, for the store's own use.

    `among`: only of these row ids, any number; None: of all.
    """
    query = select(Object.id).where(*conditions(scope, connection, wanted))
    if among is None:
        return list(connection.scalars(query))
    return [key for batch in batches(among) for key in connection.scalars(query.where(Object.id.in_(batch)))]


def objects_by_key(scope: Scope, connection: Connection, keys: Sequence[int]) -> dict[int, ObjectRow]:
    """Visible objects by row id, which must be few; for the store's own use."""
    return _by_key(connection, _object_rows().where(visible(scope), Object.id.in_(keys)))


def objects_of_track(scope: Scope, connection: Connection, track: UUID) -> list[ObjectRow]:
    """The objects that show a track, in order of time: one, or several after a split. `track`: its public id."""
    query = (
        _object_rows()
        .join(ObjectMember, ObjectMember.object_id == Object.id)
        .join(Track, Track.id == ObjectMember.track_id)
        .where(visible(scope), Track.public_id == track)
        .order_by(ObjectMember.from_at)
    )
    return _objects(connection, query)


def members_of_object(scope: Scope, connection: Connection, public_id: UUID) -> list[MemberRow]:
    """The tracks, or parts of tracks, that an object is made of, in order of time."""
    query = (
        _members(
            scope,
            public_id,
            Track.public_id.label("track"),
            Track.local_id,
            Track.class_id,
            Run.public_id.label("run"),
            Source.public_id.label("source"),
            Source.name.label("source_name"),
            ObjectMember.from_at,
            ObjectMember.to_at,
        )
        .join(Track, Track.id == ObjectMember.track_id)
        .join(RunSource, RunSource.id == Track.run_source_id)
        .join(Run, Run.id == RunSource.run_id)
        .join(Source, Source.id == RunSource.source_id)
        .order_by(ObjectMember.from_at, Track.id)
    )
    return [MemberRow(**row) for row in connection.execute(query).mappings()]


def count_observations(scope: Scope, connection: Connection, public_id: UUID) -> int:
    """How many rows `observations_of_object` has."""
    total: int = connection.execute(_seen(_members(scope, public_id, func.count()))).scalar_one()
    return total


def observations_of_object(
    scope: Scope, connection: Connection, public_id: UUID, *, limit: int | None = None, offset: int = 0
) -> ObservationTable:
    """Where an object was, in order of time; no row if there is none in the scope. Masks: `masks_of_object`.

    `limit`, `offset`: only this page of them.
    """
    query = _observations(
        scope,
        public_id,
        Observation.at,
        Observation.frame,
        Observation.x1,
        Observation.y1,
        Observation.x2,
        Observation.y2,
        Observation.score,
        Observation.evidence,
        Observation.det_row,
        Observation.run_source_id,
        Observation.track_id,
    )
    rows = connection.execute(query.limit(limit).offset(offset)).all()
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True)) or [()] * 11
    return ObservationTable(
        at=np.array(columns[0], np.int64),
        frames=np.array(columns[1], np.int64),
        boxes=np.array(columns[2:6], np.float32).T,
        scores=np.array(columns[6], np.float32),
        evidence=np.array(columns[7], np.int8),
        det_rows=np.array(columns[8], np.int64),
        run_source_ids=np.array(columns[9], np.int64),
        track_ids=np.array(columns[10], np.int64),
    )


def masks_of_object(scope: Scope, connection: Connection, public_id: UUID) -> tuple[bytes | None, ...]:
    """What `mask_rle.decode` takes, or None, for each row of `observations_of_object` read in the same transaction.

    Apart from it, as masks are larger than all else together and few pages draw them.
    """
    return tuple(connection.scalars(_observations(scope, public_id, Observation.mask_rle)))


def embeddings_of_object(scope: Scope, connection: Connection, public_id: UUID, *, model_id: int) -> EmbeddingTable:
    """What an object looked like to a model, in order of time; no row if there is none in the scope."""
    query = (
        _members(scope, public_id, Embedding.at, Embedding.kind, Embedding.quality, Embedding.vector)
        .join(Embedding, and_(Embedding.track_id == ObjectMember.track_id, _within_member(Embedding.at)))
        .where(Embedding.model_id + 0 == model_id)  # else SQLite would walk all vectors of the model
        .order_by(Embedding.at, Embedding.id)
    )
    rows = connection.execute(query).all()
    if not rows:
        return EmbeddingTable.empty(connection.scalar(select(Model.dim).where(Model.id == model_id)) or 0)
    return EmbeddingTable(
        at=np.array([row.at for row in rows], np.int64),
        kinds=tuple(row.kind for row in rows),
        qualities=np.array([row.quality for row in rows], np.float32),
        vectors=np.stack([row.vector for row in rows]),
    )


def best_crop(scope: Scope, connection: Connection, public_id: UUID) -> MediaRow | None:
    """The best picture of an object; None if it has none or is not in the scope."""
    found = find_object(scope, connection, public_id)
    return None if found is None else found.crop


def _object_rows() -> Select[*tuple[Any, ...]]:
    return (
        select(
            Object.id.label("key"),
            Object.public_id,
            func.coalesce(Object.label, Object.class_name).label("name"),
            Object.class_name,
            Object.verdict,
            Object.protected,
            Object.members,
            Run.public_id.label("run"),
            Source.public_id.label("source"),
            Source.name.label("source_name"),
            Object.score_max,
            Object.first_at,
            Object.last_at,
            Object.count,
            Object.evidence_bits,
        )
        .outerjoin(RunSource, RunSource.id == Object.run_source_id)
        .outerjoin(Run, Run.id == RunSource.run_id)
        .outerjoin(Source, Source.id == RunSource.source_id)
    )


def _objects(connection: Connection, query: Select[*tuple[Any, ...]]) -> list[ObjectRow]:
    return list(_by_key(connection, query).values())


def _by_key(connection: Connection, query: Select[*tuple[Any, ...]]) -> dict[int, ObjectRow]:
    """Each object once, by row id, in the order of the query."""
    rows = {row["key"]: dict(row) for row in connection.execute(query).mappings()}
    crops = _best_crops(connection, list(rows))
    for row in rows.values():
        del row["key"]
    return {key: ObjectRow(crop=crops.get(key), **row) for key, row in rows.items()}


def _best_crops(connection: Connection, object_ids: Sequence[int]) -> dict[int, MediaRow]:
    """Object row -> its best crop. The scope was checked when the objects were found."""
    query = (
        select(
            ObjectMember.object_id.label("key"),
            Media.public_id,
            Media.kind,
            Media.path,
            Media.sha256,
            Media.bytes,
            Media.from_at,
            Media.to_at,
            Media.width,
            Media.height,
            Media.quality,
        )
        .join(Media, and_(Media.track_id == ObjectMember.track_id, _within_member(Media.from_at)))
        .where(ObjectMember.object_id.in_(object_ids), Media.kind == MediaKind.BEST)
        .order_by(func.coalesce(Media.quality, -1.0), Media.id)  # the best comes last and stays
    )
    crops: dict[int, MediaRow] = {}
    for row in connection.execute(query).mappings():
        values = dict(row)
        key = values.pop("key")
        crops[key] = MediaRow(**values)
    return crops


def _members(scope: Scope, public_id: UUID, *columns: Any) -> Select[*tuple[Any, ...]]:
    """Columns of what is joined to the members of a visible object."""
    return (
        select(*columns)
        .select_from(Object)
        .join(ObjectMember, ObjectMember.object_id == Object.id)
        .where(visible(scope), Object.public_id == public_id)
    )


def _observations(scope: Scope, public_id: UUID, *columns: Any) -> Select[*tuple[Any, ...]]:
    """Columns of an object's observations, in order of time."""
    return _seen(_members(scope, public_id, *columns)).order_by(Observation.at, Observation.track_id)


def _seen(members: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """Members with their observations."""
    within = and_(Observation.track_id == ObjectMember.track_id, _within_member(Observation.at))
    return members.join(Observation, within)


def _within_member(at: Any) -> ColumnElement[bool]:
    return and_(at >= ObjectMember.from_at, or_(ObjectMember.to_at.is_(None), at < ObjectMember.to_at))
