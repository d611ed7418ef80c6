"""Why segments of a recording are kept: somebody protected them, or what they show was reviewed or is an event."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
from sqlalchemy import Connection, exists, select, text

from pipeline.store.batches import batches
from pipeline.store.filters import Scope, visible
from pipeline.store.segments import SegmentRow
from pipeline.store.tables import REVIEWED, EditObject, Event, Media, Object, ObjectMember, Track
from trackers.structures import BoolArray, IntArray


class Reason(StrEnum):
    """Why a segment stays; the strongest counts."""

    PROTECTED = "protected"
    PROTECTED_TRACK = "shows a protected track"
    REVIEWED = "shows a reviewed track"
    EVENT = "shows an event"


def reasons(
    scope: Scope,
    connection: Connection,
    rows: Sequence[SegmentRow],
    run_source_ids: Sequence[int],
    *,
    before: int,
    after: int,
    lasting_only: bool = False,
) -> dict[int, Reason]:
    """Why segments of one camera are kept, by their row; those that no reason keeps are left out.

    `run_source_ids`: of the camera over all its runs: what another run tracked in it counts, too. `before`, `after`:
    microseconds around a track or an event that belong to it. `lasting_only`: do not look for the weaker reasons.
    """
    if not rows:
        return {}
    found: dict[int, Reason] = {}
    begin = np.array([row.from_at for row in rows], np.int64) - after
    end = np.array([row.to_at for row in rows], np.int64) + before
    span = int(begin.min()), int(end.max())
    if not lasting_only:
        ids = [row.id for row in rows]
        found |= dict.fromkeys(_with_events(connection, ids, run_source_ids, before=before, after=after), Reason.EVENT)
        spans = _spans(scope, connection, run_source_ids, span, protected=False)
        found |= {rows[i].id: Reason.REVIEWED for i in np.flatnonzero(_touched(begin, end, spans)).tolist()}
    spans = _spans(scope, connection, run_source_ids, span, protected=True)
    found |= {rows[i].id: Reason.PROTECTED_TRACK for i in np.flatnonzero(_touched(begin, end, spans)).tolist()}
    return found | {row.id: Reason.PROTECTED for row in rows if row.protected}


def _with_events(
    connection: Connection, ids: Sequence[int], run_source_ids: Sequence[int], *, before: int, after: int
) -> list[int]:
    """Rows of segments that show an event, or a time around one."""
    near = exists().where(
        Event.run_source_id.in_(run_source_ids),
        Event.at >= Media.from_at - after,
        Event.at <= Media.to_at + before,
    )
    return [
        key for batch in batches(ids) for key in connection.scalars(select(Media.id).where(Media.id.in_(batch), near))
    ]


def _spans(
    scope: Scope, connection: Connection, run_source_ids: Sequence[int], span: tuple[int, int], *, protected: bool
) -> IntArray:
    """(n, 2) from when to when reviewed tracks were seen, as far as they touch `span`. `protected`: only such.

    Reviewed is what has a label or a verdict, is protected, or was ever edited.
    """
    seen = (visible(scope), Object.first_at <= span[1], Object.last_at >= span[0])
    reviewed = select(Object.id).where(text(f"({REVIEWED})"), *seen)  # as its index says it
    if protected:
        wanted = [reviewed.where(Object.protected.is_(True))]
    else:
        wanted = [reviewed, select(Object.id).where(Object.id.in_(select(EditObject.object_id)), *seen)]
    # Their ids first: there are few, while a database would rather walk all the tracks before the end of `span`.
    ids = sorted({key for query in wanted for key in connection.scalars(query)})
    query = select(Track.run_source_id, ObjectMember.from_at, ObjectMember.to_at, Track.first_at, Track.last_at).join(
        Track, Track.id == ObjectMember.track_id
    )
    rows = [row for batch in batches(ids) for row in connection.execute(query.where(ObjectMember.object_id.in_(batch)))]
    mine = frozenset(run_source_ids)
    spans = [
        (max(row.from_at, row.first_at), row.last_at if row.to_at is None else min(row.to_at, row.last_at))
        for row in rows
        if row.run_source_id in mine
    ]
    return np.array(sorted(spans), np.int64).reshape(-1, 2)


def _touched(begin: IntArray, end: IntArray, spans: IntArray) -> BoolArray:
    """Which times (begin to end) share something with any of the spans, which are sorted by their beginning."""
    if not len(spans):
        return np.zeros(len(begin), np.bool_)
    latest = np.maximum.accumulate(spans[:, 1])
    before = np.searchsorted(spans[:, 0], end, side="right")
    touched: BoolArray = (before > 0) & (latest[np.maximum(before - 1, 0)] >= begin)
    return touched
