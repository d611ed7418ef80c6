"""DetectionReader: what the stored detections of one source of a run say of single rows: label and mask."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

import numpy as np
from sqlalchemy import Connection, or_, select

from pipeline.store import mask_rle
from pipeline.store.packing import unpack_detections
from pipeline.store.tables import DetectionChunk, RunSource
from trackers.structures import Detections, IntArray

KEPT = 4  # unpacked chunks; boxes are asked for in order of frames

NO_LABEL = -1


class DetectionReader:
    """Finds detections by frame and row. Works in the caller's transaction; unpacks a chunk when it is first needed."""

    def __init__(self, connection: Connection, run_source_id: int) -> None:
        """Without stored detections (none were kept, or before runs said under which key) everything is unknown."""
        self._connection = connection
        self._ranges = _ranges(connection, run_source_id)
        self._kept: OrderedDict[int, dict[int, Detections]] = OrderedDict()

    def labels(self, frames: IntArray, det_rows: IntArray) -> IntArray:
        """(n,) labels of the detections; NO_LABEL where there is none. `det_rows`: -1 for none."""
        found = np.full(len(frames), NO_LABEL)
        for here, detections in self._by_frame(frames, det_rows):
            found[here] = detections.labels[det_rows[here]]
        return found

    def masks(self, frames: IntArray, det_rows: IntArray) -> list[bytes | None]:
        """n masks of the detections, as observations keep them; None where there is none."""
        found: list[bytes | None] = [None] * len(frames)
        for here, detections in self._by_frame(frames, det_rows):
            if detections.masks is not None:
                for i in here.tolist():
                    found[i] = mask_rle.encode_row(detections.masks, int(det_rows[i]))
        return found

    def _by_frame(self, frames: IntArray, det_rows: IntArray) -> Iterator[tuple[IntArray, Detections]]:
        """Frame by frame the positions of what was detected there, and the frame's detections."""
        if not len(self._ranges[0]):
            return
        seen = np.flatnonzero(det_rows >= 0)
        seen = seen[np.argsort(frames[seen], kind="stable")]
        for here in np.split(seen, np.flatnonzero(np.diff(frames[seen])) + 1):
            detections = self._detections(int(frames[here[0]])) if len(here) else None
            if detections is not None:
                yield here, detections

    def _detections(self, frame: int) -> Detections | None:
        """Of one frame. Ranges may overlap; they then hold the same detections."""
        for chunk in self._kept.values():  # mostly the one of the frame before
            if frame in chunk:
                return chunk[frame]
        keys, firsts, ends = self._ranges
        for at in np.flatnonzero((firsts <= frame) & (frame < ends)).tolist():
            found = self._chunk(int(keys[at])).get(frame)
            if found is not None:
                return found
        return None

    def _chunk(self, key: int) -> dict[int, Detections]:
        if key not in self._kept:
            payload = self._connection.execute(select(DetectionChunk.payload).where(DetectionChunk.id == key))
            chunk = unpack_detections(payload.scalar_one())
            self._kept[key] = dict(zip(chunk.frames.tolist(), chunk.detections, strict=True))
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return self._kept[key]


def _ranges(connection: Connection, run_source_id: int) -> tuple[IntArray, IntArray, IntArray]:
    """Rows of the chunks that a run's source stands on, their first frames and ends, in order."""
    query = (
        select(DetectionChunk.id, DetectionChunk.first_frame, DetectionChunk.end_frame)
        .join(
            RunSource,
            or_(DetectionChunk.source_id == RunSource.source_id, DetectionChunk.run_source_id == RunSource.id),
        )
        .where(RunSource.id == run_source_id, DetectionChunk.detect_hash == RunSource.detect_hash)
        .order_by(DetectionChunk.first_frame, DetectionChunk.id)
    )
    rows = np.array([tuple(row) for row in connection.execute(query)], np.int64).reshape(-1, 3)
    return rows[:, 0], rows[:, 1], rows[:, 2]
