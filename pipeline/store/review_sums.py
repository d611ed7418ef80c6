"""The sums that objects repeat of their tracks, brought up to date after members moved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, func, literal, not_, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from pipeline.store.batches import batches
from pipeline.store.states import MediaKind
from pipeline.store.tables import Media, Model, Object, ObjectMember, Observation, RunModel, RunSource, Track

_SUMS = (
    "run_source_id",
    "class_name",
    "members",
    "score_max",
    "first_at",
    "last_at",
    "count",
    "evidence_bits",
    "best_quality",
)


def sum_up(connection: Connection, object_ids: Sequence[int]) -> None:
    """Set first_at, last_at, count, score_max, evidence_bits, best_quality, members, run_source_id and class_name.

    The source is that of the earliest member, the class that of the member with most observations. An object without
    members keeps what it was, but for the counts. No chunk of its tracks may be written at the same time.
    """
    parts: dict[int, list[Any]] = defaultdict(list)
    for batch in batches(object_ids):
        for query in (_whole_tracks(), _cut_tracks()):
            for row in connection.execute(query.where(ObjectMember.object_id.in_(batch))):
                parts[row.object_id].append(row)
    classes = _classes(connection, {part.run_source_id for rows in parts.values() for part in rows})
    filled = [{"key": key} | _sums(rows, classes) for key, rows in parts.items()]
    bare = [{"key": key, "new_members": 0, "new_count": 0} for key in object_ids if key not in parts]
    for names, rows in ((_SUMS, filled), (("members", "count"), bare)):
        if rows:
            new: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
            mine = Object.id == bindparam("key", type_=Object.id.type)
            connection.execute(update(Object).where(mine).values(new), rows)


def _sums(parts: Sequence[Any], classes: dict[int, Sequence[str]]) -> dict[str, Any]:
    first = min(parts, key=lambda part: (part.first_at, part.track_id))
    main = min(parts, key=lambda part: (-part.count, part.first_at, part.track_id))
    names = classes.get(main.run_source_id, ())
    bits = 0
    for part in parts:
        bits |= part.evidence_bits
    sums = {
        "run_source_id": first.run_source_id,
        "class_name": names[main.class_id] if 0 <= main.class_id < len(names) else f"class {main.class_id}",
        "members": len(parts),
        "score_max": max(part.score_max for part in parts),
        "first_at": first.first_at,
        "last_at": max(part.last_at for part in parts),
        "count": sum(part.count for part in parts),
        "evidence_bits": bits,
        "best_quality": max((part.best_quality for part in parts if part.best_quality is not None), default=None),
    }
    return {f"new_{name}": value for name, value in sums.items()}


def _whole_tracks() -> Select[*tuple[Any, ...]]:
    """Members that are whole tracks: the track's own row has the sums, however long it is."""
    return (
        select(
            ObjectMember.object_id,
            ObjectMember.track_id,
            Track.run_source_id,
            Track.class_id,
            Track.first_at,
            Track.last_at,
            Track.count,
            Track.score_max,
            Track.evidence_bits,
            Track.best_quality,
        )
        .join(Track, Track.id == ObjectMember.track_id)
        .where(_whole())
    )


def _cut_tracks() -> Select[*tuple[Any, ...]]:
    """Members that are parts of tracks: their observations are added up, a picture counts where it was taken."""
    within = and_(Observation.at >= ObjectMember.from_at, _before_end(Observation.at))
    picture = (
        select(func.max(Media.quality))
        .where(Media.track_id == ObjectMember.track_id, Media.kind == MediaKind.BEST)
        .where(Media.from_at >= ObjectMember.from_at, _before_end(Media.from_at))
        .correlate(ObjectMember)
        .scalar_subquery()
    )
    bit = literal(1).bitwise_lshift(Observation.evidence)
    return (
        select(
            ObjectMember.object_id,
            ObjectMember.track_id,
            Track.run_source_id,
            Track.class_id,
            func.min(Observation.at).label("first_at"),
            func.max(Observation.at).label("last_at"),
            func.count().label("count"),
            func.max(Observation.score).label("score_max"),
            func.sum(bit.distinct()).label("evidence_bits"),  # different single bits add up to all of them
            picture.label("best_quality"),
        )
        .join(Track, Track.id == ObjectMember.track_id)
        .join(Observation, and_(Observation.track_id == ObjectMember.track_id, within))
        .where(not_(_whole()))
        .group_by(
            ObjectMember.object_id,
            ObjectMember.track_id,
            ObjectMember.from_at,
            ObjectMember.to_at,
            Track.run_source_id,
            Track.class_id,
        )
    )


def _whole() -> ColumnElement[bool]:
    return and_(ObjectMember.from_at <= Track.first_at, _before_end(Track.last_at))


def _before_end(at: Any) -> ColumnElement[bool]:
    return or_(ObjectMember.to_at.is_(None), at < ObjectMember.to_at)


def _classes(connection: Connection, run_source_ids: Iterable[int]) -> dict[int, Sequence[str]]:
    """Run source -> names of its detector's classes, in label order."""
    query = (
        select(RunSource.id, Model.classes)
        .join(RunModel, and_(RunModel.run_id == RunSource.run_id, RunModel.task == "detect"))
        .join(Model, Model.id == RunModel.model_id)
    )
    return {
        row.id: row.classes
        for batch in batches(sorted(run_source_ids))
        for row in connection.execute(query.where(RunSource.id.in_(batch)))
    }
