"""A chunk whose one track changes its class and has masks, as columns of its detections."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.store.chunk import NO_PTS, ChunkData, FrameCounts, FrameDetections, ObservationColumns, TrackColumns
from tests.integration.store.examples import START, STEP
from trackers.structures import Detections, Masks


def changing(first: int, labels: Sequence[int], rows: Sequence[int]) -> ChunkData:
    """One track; in frame first + i its detection has label labels[i] and a mask, unless rows[i] is -1."""
    count = len(labels)
    frames = np.arange(first, first + count)
    at = START + frames * STEP
    box = np.array([[0, 0, 20, 40]], np.float32)
    mask = Masks(np.array([[3, 4]]), (np.ones((2, 2), bool),))
    found = [
        Detections(box, np.full(1, 0.5, np.float32), np.array([label]), masks=mask) if row >= 0 else Detections.empty()
        for label, row in zip(labels, rows, strict=True)
    ]
    return ChunkData(
        first_frame=first,
        end_frame=first + count,
        detect_hash="changing",
        detections=FrameDetections(frames, frames / 25, frames * 0, np.full(count, NO_PTS), tuple(found)),
        tracks=TrackColumns(
            np.array([1]),
            np.array([labels[-1]]),
            np.full(1, 0.5, np.float32),
            np.array([START]),
            at[-1:],
            np.array([first + count]),
            np.array([False]),
        ),
        observations=ObservationColumns(
            np.ones(count, np.int64),
            frames,
            at,
            np.repeat(box, count, axis=0),
            np.full(count, 0.5, np.float32),
            np.zeros(count, np.int8),
            np.array(rows),
        ),
        counts=FrameCounts(),
    )
