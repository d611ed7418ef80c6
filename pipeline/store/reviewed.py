"""ReviewedObjects: which object each box of one source belongs to after merges, splits, deletions and new labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from sqlalchemy import Connection, func, or_, select

from pipeline.store.batches import batches
from pipeline.store.filters import Scope, visible
from pipeline.store.states import Verdict
from pipeline.store.tables import Object, ObjectMember
from pipeline.store.tracked_boxes import TrackedBoxes
from trackers.structures import Evidence, IntArray

NOBODY = -1  # owner of a box that no visible object holds
_OPEN = np.iinfo(np.int64).max  # end of a member without end


@dataclass(frozen=True, slots=True, eq=False)
class ReviewedObjects:
    """Objects that hold a part of a source's tracks. Entry m of the member columns is one part of one track."""

    names: tuple[str, ...]  # of the labels: the detector's classes, then what reviewers and other runs call things
    ids: IntArray  # (o,) int64 from 1, of the objects
    labels: IntArray  # (o,) int64 index into names
    tracks: IntArray  # (m,) int64 position of the track, rising
    from_at: IntArray  # (m,) int64 microseconds UTC, rising within a track
    to_at: IntArray  # (m,) int64 exclusive
    objects: IntArray  # (m,) int64 index into ids and labels

    @classmethod
    def read(
        cls,
        scope: Scope,
        connection: Connection,
        *,
        tracks: IntArray,
        local_ids: IntArray,
        classes: tuple[str, ...],
    ) -> Self:
        """`tracks` (t,): row ids, rising. `local_ids` (t,): the tracker's own. `classes`: of the detector."""
        rows = _members(scope, connection, tracks)
        members = np.array([(row.track_id, row.from_at, row.to_at, row.object_id) for row in rows], np.int64)
        members = members.reshape(-1, 4)
        positions = np.searchsorted(tracks, members[:, 0])
        keys, objects = np.unique(members[:, 3], return_inverse=True)
        called = {row.object_id: row.name for row in rows}
        names = (*classes, *sorted(set(called.values()) - set(classes)))
        label_of = {name: label for label, name in reversed(list(enumerate(names)))}
        return cls(
            names=names,
            ids=_identities(objects, members[:, 1], local_ids[positions], count=len(keys), above=_above(local_ids)),
            labels=np.array([label_of[called[key]] for key in keys.tolist()], np.int64),
            tracks=positions,
            from_at=members[:, 1],
            to_at=members[:, 2],
            objects=objects,
        )

    def owners(self, tracks: IntArray, at: IntArray) -> IntArray:
        """(n,) objects, NOBODY for none, of boxes of `tracks` (n,) (positions) at the times `at` (n,)."""
        mine = np.flatnonzero(np.isin(self.tracks, tracks))  # in order of track and time
        part_of = np.concatenate([mine, np.full(len(tracks), NOBODY)])
        is_box = np.arange(len(part_of)) >= len(mine)
        order = np.lexsort(
            (is_box, np.concatenate([self.from_at[mine], at]), np.concatenate([self.tracks[mine], tracks]))
        )
        last = np.empty(len(part_of), np.int64)
        last[order] = np.maximum.accumulate(part_of[order])  # the part that began last, of this track or an earlier
        last = last[len(mine) :]
        held = last != NOBODY
        held[held] = (self.tracks[last[held]] == tracks[held]) & (at[held] < self.to_at[last[held]])
        return np.where(held, self.objects[last], NOBODY) if len(self.objects) else np.full(len(tracks), NOBODY)

    def applied(self, boxes: TrackedBoxes, owners: IntArray) -> TrackedBoxes:
        """The boxes under their objects' ids and labels, one an object and frame. `owners` (n,): none is NOBODY."""
        named = replace(boxes, ids=self.ids[owners], labels=self.labels[owners])
        guessed = np.isin(named.evidence, (Evidence.SHADOWED, Evidence.PREDICTED))  # a line is better
        keys = (-named.scores, named.evidence, guessed, named.ids, named.at)
        order = np.lexsort(keys)  # the best of a frame and id first
        again = (np.diff(named.at[order], prepend=-1) == 0) & (np.diff(named.ids[order], prepend=-1) == 0)
        return named[order[~again]]


def _members(scope: Scope, connection: Connection, tracks: IntArray) -> list[Any]:
    """Parts of the tracks that visible objects hold, by track and time."""
    query = (
        select(
            ObjectMember.track_id,
            ObjectMember.from_at,
            func.coalesce(ObjectMember.to_at, _OPEN).label("to_at"),
            ObjectMember.object_id,
            func.coalesce(Object.label, Object.class_name).label("name"),
        )
        .join(Object, Object.id == ObjectMember.object_id)
        .where(visible(scope), or_(Object.verdict.is_(None), Object.verdict != Verdict.REJECTED))
        .order_by(ObjectMember.track_id, ObjectMember.from_at)
    )
    found: list[Any] = []
    for batch in batches(tracks.tolist()):
        found += connection.execute(query.where(ObjectMember.track_id.in_(batch))).all()
    return found


def _identities(objects: IntArray, from_at: IntArray, local_ids: IntArray, *, count: int, above: int) -> IntArray:
    """An id for each object: the smallest of its tracks', unless an earlier part of that track has it already.

    `objects`, `from_at`, `local_ids` (m,): of the members. `above`: larger than every local id.
    """
    smallest = np.full(count, above)
    np.minimum.at(smallest, objects, local_ids)
    first = np.full(count, _OPEN)
    np.minimum.at(first, objects, from_at)
    order = np.lexsort((np.arange(count), first, smallest))
    ids = smallest.copy()
    taken = order[1:][np.diff(smallest[order]) == 0]
    ids[taken] = above + np.arange(len(taken))
    return ids


def _above(local_ids: IntArray) -> int:
    return int(local_ids.max(initial=0)) + 1
