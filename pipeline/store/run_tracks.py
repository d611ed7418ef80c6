"""Reading all tracks of one source of a run in order of time, a block of frames at a time: raw, and as reviewed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from sqlalchemy import Connection, func, select

from pipeline.errors import StoreError
from pipeline.store.detection_reader import DetectionReader
from pipeline.store.filters import Scope
from pipeline.store.reviewed import NOBODY, ReviewedObjects
from pipeline.store.tables import Model, Observation, Run, RunModel, RunSource, Session, Track
from pipeline.store.tracked_boxes import TrackedBoxes
from trackers.structures import IntArray

BLOCK = 20_000  # observations read at once

_COLUMNS = (
    Observation.track_id,
    Observation.frame,
    Observation.at,
    Observation.score,
    Observation.evidence,
    Observation.det_row,
    Observation.x1,
    Observation.y1,
    Observation.x2,
    Observation.y2,
    Observation.mask_rle,
)


class RunTracks(Protocol):
    """The tracks of one source of a run; `machine_tracks` or `reviewed_tracks` makes it. Of one transaction."""

    @property
    def names(self) -> tuple[str, ...]:
        """What the labels mean."""

    @property
    def count(self) -> int:
        """Observations there are; the blocks hold no more boxes."""

    def blocks(self, *, end_frame: int | None = None) -> Iterator[TrackedBoxes]:
        """The boxes in order of time and then id, of the frames before `end_frame`; a frame is never cut in two.

        Frames rise with time. Every box of a frame has the same time. No block is empty.
        """


def machine_tracks(scope: Scope, connection: Connection, run_source_id: int, *, block: int = BLOCK) -> RunTracks:
    """What the tracker gave: ids are its own, the names are the detector's classes in label order.

    The label of a box is that of its detection, or of the track's last one before it, as the sinks of a running
    process see it. Raises StoreError if the scope has no such source.
    """
    return _MachineTracks(scope, connection, run_source_id, block=block)


def reviewed_tracks(scope: Scope, connection: Connection, run_source_id: int, *, block: int = BLOCK) -> RunTracks:
    """What is left after review: one id for each visible object that nobody rejected, named by its label or class.

    An object keeps the id of its track, of its first one where several were merged; the later parts of a split track
    get ids above all others. Where merged tracks overlap in time, a detected box goes before one that was carried
    along, and a surer one before another. Raises StoreError if the scope has no such source.
    """
    return _ReviewedTracks(_MachineTracks(scope, connection, run_source_id, block=block), scope, connection)


class _MachineTracks:
    """See `machine_tracks`."""

    def __init__(self, scope: Scope, connection: Connection, run_source_id: int, *, block: int) -> None:
        _require(scope, connection, run_source_id)
        self._connection = connection
        self._run_source_id = run_source_id
        self._block = block
        self.names = _class_names(connection, run_source_id)
        self.count = _count(connection, run_source_id)
        self._start = _start(connection, run_source_id)
        self.tracks, self.local_ids, self._class_ids = _tracks(connection, run_source_id)

    def blocks(self, *, end_frame: int | None = None) -> Iterator[TrackedBoxes]:
        for _, boxes in self.with_tracks(end_frame=end_frame):
            yield boxes

    def with_tracks(self, *, end_frame: int | None = None) -> Iterator[tuple[IntArray, TrackedBoxes]]:
        """The blocks, and for each box the position of its track in `tracks` (n,)."""
        labels = _Labels(self._connection, self._run_source_id, self._class_ids, classes=len(self.names))
        for rows in self._rows(end_frame):
            start = self._start_of_time()
            columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
            at = np.array(columns[2], np.int64)
            positions = np.searchsorted(self.tracks, np.array(columns[0], np.int64))
            frames, det_rows = np.array(columns[1], np.int64), np.array(columns[5], np.int64)
            boxes = TrackedBoxes(
                frames=frames,
                seconds=(at - start) / 1e6,
                at=at,
                ids=self.local_ids[positions],
                labels=labels.of(positions, frames, det_rows),
                scores=np.array(columns[3], np.float32),
                evidence=np.array(columns[4], np.int8),
                boxes=np.array(columns[6:10], np.float32).T,
                det_rows=det_rows,
                masks=tuple(columns[10]),
            )
            order = np.lexsort((boxes.ids, boxes.at))
            yield positions[order], boxes[order]

    def _start_of_time(self) -> int:
        """Microseconds UTC. Raises StoreError where nobody said it."""
        if self._start is None:
            raise StoreError(
                f"the source {self._run_source_id} of a run has tracks but no session, so nobody knows when its time "
                "began; whoever wrote it must call RunWriter.add_session first"
            )
        return self._start

    def _rows(self, end_frame: int | None) -> Iterator[list[Any]]:
        """Rows in order of time, whole frames at a time."""
        query = select(*_COLUMNS).where(Observation.run_source_id == self._run_source_id).order_by(Observation.at)
        if end_frame is not None:
            query = query.where(Observation.frame < end_frame)
        held: list[Any] = []
        with self._connection.execute(query, execution_options={"yield_per": self._block}) as result:
            parts = result.partitions()
            part = next(parts, None)
            while part is not None:
                held += part
                part = next(parts, None)
                whole = len(held)
                while part is not None and whole and held[whole - 1].at == held[-1].at:
                    whole -= 1  # the rest of the last frame may come with the next part
                if whole:
                    yield held[:whole]
                held = held[whole:]


class _ReviewedTracks:
    """See `reviewed_tracks`."""

    def __init__(self, machine: _MachineTracks, scope: Scope, connection: Connection) -> None:
        self._machine = machine
        self._objects = ReviewedObjects.read(
            scope, connection, tracks=machine.tracks, local_ids=machine.local_ids, classes=machine.names
        )
        self.names = self._objects.names
        self.count = machine.count

    def blocks(self, *, end_frame: int | None = None) -> Iterator[TrackedBoxes]:
        for positions, boxes in self._machine.with_tracks(end_frame=end_frame):
            owners = self._objects.owners(positions, boxes.at)
            mine = owners != NOBODY
            reviewed = self._objects.applied(boxes[mine], owners[mine])
            if len(reviewed):
                yield reviewed


class _Labels:
    """The label each box had when it was tracked. Asked in order of time."""

    def __init__(self, connection: Connection, run_source_id: int, class_ids: IntArray, *, classes: int) -> None:
        """`class_ids` (t,): of the tracks, their last. With fewer than two classes nothing can change."""
        self._last = class_ids
        self._now = class_ids.copy()
        self._reader = DetectionReader(connection, run_source_id) if classes > 1 else None

    def of(self, positions: IntArray, frames: IntArray, det_rows: IntArray) -> IntArray:
        """(n,) labels. `positions` (n,): of the tracks. A track without any detection so far has its last label."""
        if self._reader is None:
            return self._last[positions]
        told = self._reader.labels(frames, det_rows)
        order = np.argsort(positions, kind="stable")  # by track, in order of time
        group, label = positions[order], told[order]
        rows = np.arange(len(order))
        filled = np.maximum.accumulate(np.where(label >= 0, rows, -1))
        first = np.searchsorted(group, group)  # where each row's track begins
        labels = np.empty(len(order), np.int64)
        labels[order] = np.where(filled >= first, label[np.maximum(filled, 0)], self._now[group])
        ends = np.flatnonzero(np.diff(group, append=-1))
        self._now[group[ends]] = labels[order[ends]]
        return labels


def _require(scope: Scope, connection: Connection, run_source_id: int) -> None:
    query = (
        select(RunSource.id)
        .join(Run, Run.id == RunSource.run_id)
        .where(RunSource.id == run_source_id, Run.project_id.in_(scope.project_ids))
    )
    if connection.scalar(query) is None:
        raise StoreError(f"no run has a source {run_source_id} here; was the run deleted?")


def _class_names(connection: Connection, run_source_id: int) -> tuple[str, ...]:
    classes = connection.scalar(
        select(Model.classes)
        .join(RunModel, RunModel.model_id == Model.id)
        .join(RunSource, RunSource.run_id == RunModel.run_id)
        .where(RunSource.id == run_source_id, RunModel.task == "detect")
    )
    return tuple(classes or ())


def _count(connection: Connection, run_source_id: int) -> int:
    """By the tracks' own sums, which cost less than counting."""
    query = select(func.coalesce(func.sum(Track.count), 0)).where(Track.run_source_id == run_source_id)
    return int(connection.execute(query).scalar_one())


def _start(connection: Connection, run_source_id: int) -> int | None:
    """Microseconds UTC of the source's time 0. Later connections of a camera count on from the first one's."""
    query = select(Session.started_at).where(Session.run_source_id == run_source_id).order_by(Session.n).limit(1)
    return connection.scalar(query)


def _tracks(connection: Connection, run_source_id: int) -> tuple[IntArray, IntArray, IntArray]:
    """Row ids, rising, with local ids and last labels: (t,) each."""
    query = select(Track.id, Track.local_id, Track.class_id).where(Track.run_source_id == run_source_id)
    rows = [tuple(row) for row in connection.execute(query.order_by(Track.id))]
    table = np.array(rows, np.int64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]
