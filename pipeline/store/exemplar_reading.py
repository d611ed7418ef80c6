"""Reading exemplars from the store, and only what has changed since they were last read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import Connection, Integer, LargeBinary, Select, bindparam, func, select, type_coerce
from sqlalchemy.sql.elements import ColumnElement

from pipeline.errors import StoreError
from pipeline.store.batches import batches
from pipeline.store.exemplars import Exemplars, Members, unit
from pipeline.store.states import EmbeddingKind
from pipeline.store.tables import Checkpoint, Edit, EditObject, Embedding, ObjectMember, Run
from pipeline.store.vector import Float32Array
from trackers.structures import BoolArray, IntArray

_OPEN = np.iinfo(np.int64).max  # end of a member without end
UNKNOWN = -2  # owner of an exemplar that was just read
_MIX = 1 << 32  # keeps sums of times within 64 bits


_MINE = Embedding.model_id == bindparam("model")
_ASKED = select(  # made once: every search asks it, and to make it takes as long as the answer
    *(
        one.scalar_subquery()
        for one in (
            select(func.count()).select_from(Embedding).where(_MINE),
            select(func.max(Embedding.id)).where(_MINE),
            select(func.sum(Checkpoint.next_frame)),
            select(func.count()).select_from(Run),
            select(func.sum(Run.created_at % _MIX)),
            select(func.max(Edit.id)),
        )
    )
)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What differs when a model's exemplars, or whose they are, may have changed; as _ASKED gives it."""

    rows: int  # of the model
    newest: int  # row id
    frames: int  # that runs have written
    runs: int
    begun: int  # sum of when the runs began: ids of deleted runs come again in SQLite, times do not
    edit: int  # the newest


@dataclass(slots=True, eq=False)
class Room:
    """Unit vectors with space behind them: most changes add a few rows, and to copy all others takes long.

    Rows that are filled do not change: every reading may look at the beginning that was filled when it was made.
    """

    buffer: Float32Array  # (capacity, d)
    filled: int = 0

    def continued(self, kept: IntArray, size: int) -> Room:
        """Room for `size` rows that begins with the rows `kept` of this one: itself, if nothing must move."""
        if len(kept) == self.filled and size <= len(self.buffer) and np.array_equal(kept, np.arange(self.filled)):
            return self
        buffer = np.empty((size + size // 8, self.buffer.shape[1]), np.float32)
        np.take(self.buffer, kept, axis=0, out=buffer[: len(kept)], mode="clip")
        return Room(buffer, len(kept))


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A model's exemplars at one state of the store."""

    stamp: Stamp
    runs: frozenset[UUID]
    exemplars: Exemplars
    room: Room


def read_exemplars(connection: Connection, model_id: int, *, dimension: int, before: Reading | None = None) -> Reading:
    """All exemplars of a model, of all projects. `before`: an earlier reading, whose vectors are not read again.

    Vectors of rows that stay do not change. Raises StoreError for vectors that do not have the model's length.
    """
    stamp = _stamp(connection, model_id)
    if before is not None and before.stamp == stamp:
        return before
    if before is not None and replace(before.stamp, edit=stamp.edit) == stamp:
        moved = _reassigned(connection, before.exemplars, since=before.stamp.edit)
        return replace(before, stamp=stamp, exemplars=moved)
    runs = frozenset(connection.scalars(select(Run.public_id)))
    old, room, edit = Exemplars.none(dimension), Room(np.zeros((0, dimension), np.float32)), stamp.edit
    if before is not None and before.runs <= runs:  # row ids of a deleted run's tracks may mean others now
        old, room, edit = before.exemplars, before.room, before.stamp.edit
    ids, tracks, at = _keys(connection, model_id)
    kept = old.same_as(ids, tracks, at)
    kept = kept[: np.argmax(np.append(kept, -1) < 0)]  # new rows come behind the others
    room = _filled(connection, model_id, ids, room.continued(kept, len(ids)))
    objects = np.concatenate([old.objects[kept], np.full(len(ids) - len(kept), UNKNOWN)])
    now = Exemplars(ids, tracks, at, room.buffer[: len(ids)], objects)
    return Reading(stamp, runs, _reassigned(connection, now, since=edit), room)


def _reassigned(connection: Connection, exemplars: Exemplars, *, since: int) -> Exemplars:
    """The same with the owners of now, where they are unknown or reviewers have moved tracks after the edit `since`."""
    moved = np.isin(exemplars.tracks, _edited_tracks(connection, since=since)) | (exemplars.objects == UNKNOWN)
    objects = exemplars.objects.copy()
    members = _members(connection, exemplars.tracks, moved)
    objects[moved] = members.owners(exemplars.tracks[moved], exemplars.at[moved])
    return replace(exemplars, objects=objects)


def _stamp(connection: Connection, model_id: int) -> Stamp:
    row = connection.execute(_ASKED, {"model": model_id}).one()
    return Stamp(*(int(number or 0) for number in row))


def _exemplars(model_id: int, *columns: Any) -> Select[*tuple[Any, ...]]:
    return select(*columns).where(Embedding.model_id == model_id, Embedding.kind == EmbeddingKind.EXEMPLAR)


def _keys(connection: Connection, model_id: int) -> tuple[IntArray, IntArray, IntArray]:
    """Row ids (n,), rising, tracks (n,) and times (n,)."""
    query = select(Embedding.id, Embedding.track_id, Embedding.at).where(Embedding.kind == EmbeddingKind.EXEMPLAR)
    if connection.dialect.name == "sqlite":
        # It would walk the index of the model and fetch each row with its vector. A sum makes it read the index of
        # (track, model, kind, time), which holds all that is asked for, from end to end in a third of the time.
        query = query.where(type_coerce(Embedding.model_id, Integer) + 0 == model_id)
    else:
        query = query.where(Embedding.model_id == model_id)
    ids, tracks, at = _columns(connection.execute(query).all(), 3)
    order = np.argsort(ids)
    return ids[order], tracks[order], at[order]


def _columns(rows: Iterable[Iterable[int]], number: int) -> IntArray:
    """(number, n) int64. NumPy asks each row for a dozen attributes when it is given them as they are."""
    return np.fromiter(chain.from_iterable(rows), np.int64).reshape(-1, number).T


def _filled(connection: Connection, model_id: int, ids: IntArray, room: Room) -> Room:
    """The room with the vectors of all rows `ids` (n,), which has those of the first of them."""
    raw = _raw(connection)
    for rows in batches(range(room.filled, len(ids))):
        between = Embedding.id.between(int(ids[rows[0]]), int(ids[rows[-1]]))
        found = connection.scalars(_exemplars(model_id, raw).where(between).order_by(Embedding.id)).all()
        vectors = unit(_unpacked(connection, found, dimension=room.buffer.shape[1]))
        room.buffer[rows[0] : rows[-1] + 1] = vectors
    room.filled = len(ids)
    return room


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
        return Members(*_columns(connection.execute(query).all(), 4))
    parts = batches(np.unique(tracks[moved]).tolist())
    rows = (row for part in parts for row in connection.execute(query.where(ObjectMember.track_id.in_(part))).all())
    return Members(*_columns(rows, 4))
