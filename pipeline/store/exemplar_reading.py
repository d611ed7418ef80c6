"""Reading exemplars from the store, and only what has changed since they were last read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import Connection, LargeBinary, Select, func, select, type_coerce
from sqlalchemy.sql.elements import ColumnElement

from pipeline.errors import StoreError
from pipeline.store.batches import BATCH, batches
from pipeline.store.exemplars import Exemplars, Members, unit
from pipeline.store.states import EmbeddingKind
from pipeline.store.tables import Checkpoint, Edit, EditObject, Embedding, ObjectMember, Run
from pipeline.store.vector import Float32Array
from trackers.structures import BoolArray, IntArray

_OPEN = np.iinfo(np.int64).max  # end of a member without end
_MIX = 1 << 32  # keeps sums of times within 64 bits


@dataclass(frozen=True, slots=True)
class Stamp:
    """What differs when a model's exemplars, or whose they are, may have changed."""

    rows: int  # of the model
    newest: int  # row id
    frames: int  # that runs have written
    runs: int
    begun: int  # sum of when the runs began: ids of deleted runs come again in SQLite, times do not
    edit: int  # the newest


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A model's exemplars at one state of the store."""

    stamp: Stamp
    runs: frozenset[UUID]
    exemplars: Exemplars


def read_exemplars(connection: Connection, model_id: int, *, dimension: int, before: Reading | None = None) -> Reading:
    """All exemplars of a model, of all projects. `before`: an earlier reading, whose vectors are not read again.

    Vectors of rows that stay do not change. Raises StoreError for vectors that do not have the model's length.
    """
    stamp = _stamp(connection, model_id)
    if before is not None and before.stamp == stamp:
        return before
    runs = frozenset(connection.scalars(select(Run.public_id)))
    if before is None or not before.runs <= runs:  # row ids of a deleted run's tracks may mean others now
        old, edit = Exemplars.none(dimension), stamp.edit
    else:
        old, edit = before.exemplars, before.stamp.edit
    ids, tracks, at = _keys(connection, model_id)
    kept = old.same_as(ids, tracks, at)
    vectors = _vectors(connection, model_id, ids, kept, old=old.vectors)
    objects = np.where(kept >= 0, old.objects[kept], 0) if len(old) else np.zeros(len(ids), np.int64)
    moved = (kept < 0) | np.isin(tracks, _edited_tracks(connection, since=edit))
    objects[moved] = _members(connection, tracks, moved).owners(tracks[moved], at[moved])
    return Reading(stamp, runs, Exemplars(ids, tracks, at, vectors, objects))


def _stamp(connection: Connection, model_id: int) -> Stamp:
    mine = Embedding.model_id == model_id
    asked = (
        select(func.count()).select_from(Embedding).where(mine),
        select(func.max(Embedding.id)).where(mine),
        select(func.sum(Checkpoint.next_frame)),
        select(func.count()).select_from(Run),
        select(func.sum(Run.created_at % _MIX)),
        select(func.max(Edit.id)),
    )
    return Stamp(
        *(int(number or 0) for number in connection.execute(select(*(one.scalar_subquery() for one in asked))).one())
    )


def _exemplars(model_id: int, *columns: Any) -> Select[*tuple[Any, ...]]:
    return select(*columns).where(Embedding.model_id == model_id, Embedding.kind == EmbeddingKind.EXEMPLAR)


def _keys(connection: Connection, model_id: int) -> tuple[IntArray, IntArray, IntArray]:
    """Row ids (n,), rising, tracks (n,) and times (n,)."""
    query = _exemplars(model_id, Embedding.id, Embedding.track_id, Embedding.at)
    table = np.array([tuple(row) for row in connection.execute(query)], np.int64).reshape(-1, 3)
    table = table[np.argsort(table[:, 0])]
    return table[:, 0].copy(), table[:, 1].copy(), table[:, 2].copy()


def _vectors(
    connection: Connection, model_id: int, ids: IntArray, kept: IntArray, *, old: Float32Array
) -> Float32Array:
    """(n, d) of the rows `ids`. `kept` (n,): where `old` has them, -1 for those to read."""
    if len(kept) == len(old) and np.array_equal(kept, np.arange(len(old))):
        return old
    vectors = np.empty((len(ids), old.shape[1]), np.float32)
    vectors[kept >= 0] = old[kept[kept >= 0]]
    new = np.flatnonzero(kept < 0)
    raw = _raw(connection)
    for start in range(0, len(new), BATCH):
        rows = new[start : start + BATCH]
        between = Embedding.id.between(int(ids[rows[0]]), int(ids[rows[-1]]))
        query = _exemplars(model_id, Embedding.id, raw).where(between).order_by(Embedding.id)
        found = connection.execute(query).all()
        wanted = np.isin(np.array([row[0] for row in found]), ids[rows])  # some between may be kept ones
        payloads = [row[1] for row, is_wanted in zip(found, wanted.tolist(), strict=True) if is_wanted]
        vectors[rows] = unit(_unpacked(connection, payloads, dimension=old.shape[1]))
    return vectors


def _raw(connection: Connection) -> ColumnElement[Any]:
    """The column of vectors as bytes: reading pgvector's text takes twenty times as long."""
    if connection.dialect.name == "postgresql":
        return func.vector_send(Embedding.vector, type_=LargeBinary)
    return type_coerce(Embedding.vector, LargeBinary)


def _unpacked(connection: Connection, payloads: Sequence[bytes], *, dimension: int) -> Float32Array:
    """(n, d). PostgreSQL sends two 16-bit words (length, nothing) and big-endian numbers; SQLite has numbers only."""
    header, kind = (1, ">f4") if connection.dialect.name == "postgresql" else (0, "<f4")
    words = header + dimension
    if wrong := next((len(one) for one in payloads if len(one) != 4 * words), None):
        raise StoreError(f"a stored feature vector has {wrong // 4 - header} numbers, its model gives {dimension}")
    return np.frombuffer(b"".join(payloads), kind).reshape(-1, words)[:, header:].astype(np.float32)


def _edited_tracks(connection: Connection, *, since: int) -> IntArray:
    """Tracks of the objects that were edited after the edit `since`: what moved belongs to one of them now."""
    objects = select(EditObject.object_id).where(EditObject.edit_id > since)
    query = select(ObjectMember.track_id).where(ObjectMember.object_id.in_(objects)).distinct()
    return np.array(connection.scalars(query).all(), np.int64)


def _members(connection: Connection, tracks: IntArray, moved: BoolArray) -> Members:
    """Members of the tracks of the rows that `moved`; of all tracks where all did."""
    query = select(
        ObjectMember.track_id,
        ObjectMember.from_at,
        func.coalesce(ObjectMember.to_at, _OPEN),
        ObjectMember.object_id,
    )
    if moved.all() and len(moved):
        rows = [tuple(row) for row in connection.execute(query)]
    else:
        rows = [
            tuple(row)
            for batch in batches(np.unique(tracks[moved]).tolist())
            for row in connection.execute(query.where(ObjectMember.track_id.in_(batch)))
        ]
    table = np.array(rows, np.int64).reshape(-1, 4)
    return Members(table[:, 0], table[:, 1], table[:, 2], table[:, 3])
