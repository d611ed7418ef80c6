"""A chunk's tracks and the objects that show them, within the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

import numpy as np
from sqlalchemy import BigInteger, Connection, SmallInteger, bindparam, case, insert, select, update
from sqlalchemy.sql.elements import BindParameter, ColumnElement

from pipeline.errors import ContentError, StoreError
from pipeline.store.batches import batches
from pipeline.store.chunk import ChunkData, ObservationColumns
from pipeline.store.public_id import PublicIds
from pipeline.store.review_lock import lock_objects_of_tracks
from pipeline.store.tables import Object, ObjectMember, Track

Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the rows of a chunk belong."""

    run: UUID  # public id
    run_source_id: int
    source_id: int
    source_name: str
    project_id: int
    content_repeats: bool  # a file's detections serve every run; a camera's only their own
    classes: tuple[str, ...]  # the detector's, in label order
    media_folder: Path

    def class_name(self, class_id: int) -> str:
        """Raises StoreError for a label that the registered detector cannot give."""
        if not self.classes:  # none registered
            return f"class {class_id}"
        if not 0 <= class_id < len(self.classes):
            raise StoreError(
                f"the detector has {len(self.classes)} classes, but a track has the label {class_id}; "
                "register the detector that gave it"
            )
        return self.classes[class_id]


def write_tracks(connection: Connection, place: Place, chunk: ChunkData, public_ids: PublicIds) -> dict[int, int]:
    """Insert the tracks that are new, each with an object, and bring the others up to date.

    Returns local id -> row id for every track that any column of the chunk mentions. Raises StoreError if one has
    observations without a summary, or is mentioned and was never summarised.
    """
    seen = _sum_up(chunk.observations)
    summaries = _summaries(chunk, seen)
    _refuse(seen.keys() - summaries.keys(), "observations but no summary in the same chunk")
    mentioned = _mentioned(chunk) | summaries.keys()
    stored = stored_tracks(connection, place, mentioned)
    _refuse(mentioned - stored.keys() - summaries.keys(), "rows but was never summarised")

    born = [row for local_id, row in summaries.items() if local_id not in stored]
    known = [row | {"key": stored[local_id]} for local_id, row in summaries.items() if local_id in stored]
    lock_objects_of_tracks(connection, list(stored.values()))
    ids = stored | _insert_with_objects(connection, place, born, public_ids)
    _update(connection, known)
    names = {local_id: place.class_name(row["class_id"]) for local_id, row in summaries.items()}
    _widen_objects(connection, [row | {"name": names[row["local_id"]]} for row in known])
    return ids


def widen_quality(connection: Connection, qualities: Sequence[Row]) -> None:
    """Tell tracks and their objects of better crops. `qualities`: rows of `key` (track id) and `quality`."""
    if not qualities:
        return
    better = bindparam("quality", type_=Track.best_quality.type)
    connection.execute(update(Track).where(Track.id == _key()).values(best_quality=better), list(qualities))
    grown = case((Object.best_quality > better, Object.best_quality), else_=better)
    connection.execute(update(Object).where(Object.id == _object_now()).values(best_quality=grown), list(qualities))


def _mentioned(chunk: ChunkData) -> set[int]:
    columns = [chunk.observations.local_ids, *(part.local_ids for part in chunk.embeddings)]
    if chunk.crops is not None:
        columns.append(chunk.crops.local_ids)
    if chunk.events is not None:
        columns.append(chunk.events.ids[chunk.events.ids > 0])
    return set(np.concatenate(columns).tolist())


def _sum_up(observations: ObservationColumns) -> dict[int, Row]:
    """What the observations of each track add up to."""
    ids, groups = np.unique(observations.local_ids, return_inverse=True)
    first = np.full(len(ids), np.iinfo(np.int64).max)
    last = np.full(len(ids), np.iinfo(np.int64).min)
    score = np.zeros(len(ids))
    bits = np.zeros(len(ids), np.int64)
    np.minimum.at(first, groups, observations.at)
    np.maximum.at(last, groups, observations.at)
    np.maximum.at(score, groups, observations.scores)
    np.bitwise_or.at(bits, groups, 1 << observations.evidence.astype(np.int64))
    columns = (first, last, score, bits, np.bincount(groups, minlength=len(ids)))
    names = ("seen_first", "seen_last", "seen_score", "seen_bits", "seen_count")
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return {local_id: dict(zip(names, row, strict=True)) for local_id, row in zip(ids.tolist(), rows, strict=True)}


def _summaries(chunk: ChunkData, seen: dict[int, Row]) -> dict[int, Row]:
    tracks = chunk.tracks
    names = ("local_id", "class_id", "score_max", "first_at", "last_at", "count", "ended")
    columns = (
        tracks.local_ids,
        tracks.class_ids,
        tracks.score_max,
        tracks.first_at,
        tracks.last_at,
        tracks.counts,
        tracks.ended,
    )
    unseen = {"seen_first": None, "seen_last": None, "seen_score": 0.0, "seen_bits": 0, "seen_count": 0}
    summaries = {}
    for values in zip(*(column.tolist() for column in columns), strict=True):
        row = dict(zip(names, values, strict=True))
        row |= seen.get(row["local_id"], unseen)
        summaries[row["local_id"]] = row
    return summaries


def stored_tracks(connection: Connection, place: Place, local_ids: Iterable[int]) -> dict[int, int]:
    """Local id -> row id of those that are stored."""
    found: dict[int, int] = {}
    for batch in batches(sorted(local_ids)):
        rows = connection.execute(
            select(Track.local_id, Track.id).where(
                Track.run_source_id == place.run_source_id, Track.local_id.in_(batch)
            )
        )
        found.update((local_id, key) for local_id, key in rows)
    return found


def _insert_with_objects(
    connection: Connection, place: Place, born: Sequence[Row], public_ids: PublicIds
) -> dict[int, int]:
    if not born:
        return {}
    shared = ("score_max", "first_at", "last_at", "count")
    tracks = [
        {name: row[name] for name in (*shared, "local_id", "class_id", "ended")}
        | {"public_id": public_ids.new(), "run_source_id": place.run_source_id, "evidence_bits": row["seen_bits"]}
        for row in born
    ]
    objects = [
        {name: row[name] for name in shared}
        | {"public_id": public_ids.new(), "project_id": place.project_id, "run_source_id": place.run_source_id}
        | {"class_name": place.class_name(row["class_id"]), "evidence_bits": row["seen_bits"]}
        for row in born
    ]
    track_ids = connection.scalars(insert(Track).returning(Track.id, sort_by_parameter_order=True), tracks).all()
    object_ids = connection.scalars(insert(Object).returning(Object.id, sort_by_parameter_order=True), objects).all()
    members = [
        {"object_id": object_id, "track_id": track_id, "from_at": row["first_at"]}
        for object_id, track_id, row in zip(object_ids, track_ids, born, strict=True)
    ]
    connection.execute(insert(ObjectMember), members)
    return {row["local_id"]: track_id for row, track_id in zip(born, track_ids, strict=True)}


def _update(connection: Connection, known: Sequence[Row]) -> None:
    if not known:
        return
    statement = (
        update(Track)
        .where(Track.id == _key())
        .values(
            class_id=bindparam("class_id"),
            score_max=bindparam("score_max"),
            first_at=bindparam("first_at"),
            last_at=bindparam("last_at"),
            count=bindparam("count"),
            ended=bindparam("ended"),
            evidence_bits=Track.evidence_bits.bitwise_or(bindparam("seen_bits", type_=SmallInteger())),
        )
    )
    connection.execute(statement, list(known))


def _widen_objects(connection: Connection, grown: Sequence[Row]) -> None:
    """Stretch the objects over what the chunk saw.

    Stretching, not setting: a reviewer may have merged or split while the run goes on. A track's new observations
    belong to the object that holds the track's open end.
    """
    seen = [row for row in grown if row["seen_count"]]
    if not seen:
        return
    first, last = bindparam("seen_first", type_=BigInteger()), bindparam("seen_last", type_=BigInteger())
    score = bindparam("seen_score", type_=Object.score_max.type)
    name = bindparam("name", type_=Object.class_name.type)
    statement = (
        update(Object)
        .where(Object.id == _object_now())
        .values(
            first_at=case((Object.first_at < first, Object.first_at), else_=first),
            last_at=case((Object.last_at > last, Object.last_at), else_=last),
            score_max=case((Object.score_max > score, Object.score_max), else_=score),
            count=Object.count + bindparam("seen_count", type_=BigInteger()),
            evidence_bits=Object.evidence_bits.bitwise_or(bindparam("seen_bits", type_=SmallInteger())),
            class_name=case((Object.members == 1, name), else_=Object.class_name),
        )
    )
    connection.execute(statement, seen)


def _key() -> BindParameter[int]:
    return bindparam("key", type_=Track.id.type)


def _object_now() -> ColumnElement[int]:
    """The object that holds the open end of the track `key`."""
    held = select(ObjectMember.object_id).where(ObjectMember.track_id == _key(), ObjectMember.to_at.is_(None))
    return held.scalar_subquery()


def _refuse(local_ids: Iterable[int], what: str) -> None:
    wrong = sorted(local_ids)
    if wrong:
        raise ContentError(f"track {wrong[0]} has {what}" + (f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""))
