"""The raw detections that a source of a run stands on, in order, whichever runs stored them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from sqlalchemy import Connection, Select, or_, select

from pipeline.errors import StoreError
from pipeline.store.chunk import FrameDetections
from pipeline.store.packing import unpack_detections
from pipeline.store.tables import DetectionChunk, Run, RunSource
from trackers.structures import BoolArray

RETRACK = "retrack"  # kind of a run that tracks another's detections again


def stored_detections(connection: Connection, run_source_id: int, *, end_frame: int) -> Iterator[FrameDetections]:
    """Chunk by chunk, every processed frame before `end_frame` once.

    Chunks may overlap, where runs cut differently; they then hold the same detections, and the fewest are read.
    Raises StoreError where some are missing.
    """
    reached, run_source_id = 0, _origin(connection, run_source_id)
    while reached < end_frame:
        row = connection.execute(_farthest(run_source_id, reached)).one_or_none()
        if row is None:
            raise StoreError(
                f"the detections from frame {reached} on are not stored (of {end_frame} frames); they were deleted, or "
                "an earlier Sightline did not keep them: run the source again"
            )
        chunk = unpack_detections(row.payload)
        yield _only(chunk, (chunk.frames >= reached) & (chunk.frames < end_frame))
        reached = row.end_frame


def _origin(connection: Connection, run_source_id: int) -> int:
    """Whose the detections of a camera are: a run that tracked them again stores none of its own."""
    while True:
        columns = (RunSource.source_id, Run.kind, Run.parent_run_id)
        mine = connection.execute(select(*columns).join(Run).where(RunSource.id == run_source_id)).one()
        above = (RunSource.run_id == mine.parent_run_id, RunSource.source_id == mine.source_id)
        found = connection.scalar(select(RunSource.id).where(*above)) if mine.kind == RETRACK else None
        if found is None:
            return run_source_id
        run_source_id = found


def _farthest(run_source_id: int, reached: int) -> Select[int, bytes]:
    """The chunk that goes on at a frame and reaches farthest."""
    return (
        select(DetectionChunk.end_frame, DetectionChunk.payload)
        .join(
            RunSource,
            or_(DetectionChunk.source_id == RunSource.source_id, DetectionChunk.run_source_id == RunSource.id),
        )
        .where(
            RunSource.id == run_source_id,
            DetectionChunk.detect_hash == RunSource.detect_hash,
            DetectionChunk.first_frame <= reached,
            DetectionChunk.end_frame > reached,
        )
        .order_by(DetectionChunk.end_frame.desc(), DetectionChunk.id)
        .limit(1)
    )


def _only(chunk: FrameDetections, wanted: BoolArray) -> FrameDetections:
    if wanted.all():
        return chunk
    return FrameDetections(
        frames=chunk.frames[wanted],
        times=chunk.times[wanted],
        sessions=chunk.sessions[wanted],
        pts=chunk.pts[wanted],
        detections=tuple(chunk.detections[row] for row in np.flatnonzero(wanted)),
        looked=None if chunk.looked is None else chunk.looked[wanted],
    )
