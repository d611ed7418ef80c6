"""What an edit changes of objects: read before it, written by it, compared and written back by undo.

Everything is kept by public ids. SQLite gives the row ids of deleted rows to new ones, and an undo must not take the
tracks of another run for those it once moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from pipeline.errors import StoreError
from pipeline.store.batches import BATCH, batches
from pipeline.store.review_sums import sum_up
from pipeline.store.tables import Object, ObjectMember, Track

COLUMNS = ("label", "verdict", "protected", "hidden")
MEMBERS = "members"  # list of [track's public id, from_at, to_at or None], by track and time
EVERYTHING = (*COLUMNS, MEMBERS)

Values: TypeAlias = dict[str, Any]  # some of EVERYTHING
States: TypeAlias = dict[UUID, Values]  # by the object's public id; what JSON can hold


def read_states(connection: Connection, keys: Mapping[UUID, int], names: Sequence[str]) -> States:
    """What objects are now. `keys`: public id -> row id. `names`: which of EVERYTHING."""
    states: States = {public_id: {} for public_id in keys}
    named = [name for name in names if name != MEMBERS]
    for batch in batches(list(keys.values())):
        columns = [getattr(Object, name) for name in named]
        for row in connection.execute(select(Object.public_id, *columns).where(Object.id.in_(batch))).mappings():
            states[row["public_id"]] = {name: row[name] for name in named}
    if MEMBERS in names:
        for values in states.values():
            values[MEMBERS] = []
        for public_id, member in _members(connection, list(keys.values())):
            states[public_id][MEMBERS].append(member)
        for values in states.values():
            values[MEMBERS].sort()  # no two share track and from_at, so to_at is never compared
    return states


def write_states(connection: Connection, keys: Mapping[UUID, int], states: States) -> None:
    """Make objects what `states` says. Raises StoreError if a track of theirs is gone."""
    by_names: dict[tuple[str, ...], list[Values]] = {}
    for public_id, values in states.items():
        columns = {f"new_{name}": value for name, value in values.items() if name != MEMBERS}
        by_names.setdefault(tuple(columns), []).append(columns | {"key": keys[public_id]})
    for names, rows in by_names.items():
        if names:
            new: Values = {name.removeprefix("new_"): bindparam(name) for name in names}
            key = bindparam("key", type_=Object.id.type)
            connection.execute(update(Object).where(Object.id == key).values(new), rows)
    moved = {keys[public_id]: values[MEMBERS] for public_id, values in states.items() if MEMBERS in values}
    if moved:
        _write_members(connection, moved)
        sum_up(connection, list(moved))


def to_json(states: States) -> Values:
    """For the columns `before` and `after` of an edit."""
    return {str(public_id): values for public_id, values in states.items()}


def from_json(document: Mapping[str, Values]) -> States:
    """The inverse of `to_json`."""
    return {UUID(public_id): values for public_id, values in document.items()}


def joined(members: Iterable[Sequence[Any]]) -> list[list[Any]]:
    """The same parts of tracks, in order; where one ends as the next begins, they are one."""
    whole: list[list[Any]] = []
    for track, from_at, to_at in sorted(members, key=lambda member: (member[0], member[1])):
        if whole and whole[-1][0] == track and whole[-1][2] == from_at:
            whole[-1][2] = to_at
        else:
            whole.append([track, from_at, to_at])
    return whole


def missing_tracks(connection: Connection, states: States) -> int:
    """How many of the tracks that `states` names are not there any more."""
    named = sorted({UUID(track) for values in states.values() for track, _, _ in values.get(MEMBERS, [])})
    return len(named) - len(_track_keys(connection, named))


def _members(connection: Connection, object_ids: Sequence[int]) -> Iterable[tuple[UUID, list[Any]]]:
    query = (
        select(Object.public_id, Track.public_id.label("track"), ObjectMember.from_at, ObjectMember.to_at)
        .join(ObjectMember, ObjectMember.object_id == Object.id)
        .join(Track, Track.id == ObjectMember.track_id)
    )
    for batch in batches(object_ids):
        for row in connection.execute(query.where(Object.id.in_(batch))):
            yield row.public_id, [str(row.track), row.from_at, row.to_at]


def _write_members(connection: Connection, moved: Mapping[int, Sequence[Sequence[Any]]]) -> None:
    """All parts leave before any arrives: a part belongs to one object at a time."""
    for batch in batches(list(moved)):
        connection.execute(delete(ObjectMember).where(ObjectMember.object_id.in_(batch)))
    tracks = _track_keys(connection, sorted({UUID(track) for parts in moved.values() for track, _, _ in parts}))
    rows = []
    for object_id, parts in moved.items():
        for track, from_at, to_at in parts:
            if UUID(track) not in tracks:
                raise StoreError(f"track {track} was deleted; reload and try again")
            rows.append({"object_id": object_id, "track_id": tracks[UUID(track)], "from_at": from_at, "to_at": to_at})
    for start in range(0, len(rows), BATCH):
        connection.execute(insert(ObjectMember), rows[start : start + BATCH])


def _track_keys(connection: Connection, public_ids: Sequence[UUID]) -> dict[UUID, int]:
    found: dict[UUID, int] = {}
    for start in range(0, len(public_ids), BATCH):
        query = select(Track.public_id, Track.id).where(Track.public_id.in_(public_ids[start : start + BATCH]))
        found.update((row.public_id, row.id) for row in connection.execute(query))
    return found
