"""Runs that tests write: a few tracks that are seen in every frame, 25 frames a second."""

from __future__ import annotations

import numpy as np

from pipeline.events import EventKind, Events
from pipeline.models.base import ModelCard
from pipeline.store.chunk import (
    NO_PTS,
    ChunkData,
    CropColumns,
    EmbeddingColumns,
    FrameCounts,
    FrameDetections,
    ObservationColumns,
    TrackColumns,
)
from pipeline.store.mask_rle import encode
from pipeline.store.records import RunRecord, SourceRecord
from pipeline.store.states import EmbeddingKind
from trackers.structures import Detections, IntArray

START = 1_700_000_000_000_000  # microseconds UTC of frame 0
STEP = 40_000
DETECTOR = ModelCard("yolo", "detect", "onnx 1", "ab" * 32, "onnx CPU f32", (640, 640), ("person", "car"))
EMBEDDER = ModelCard("reid", "embed", "onnx 1", "cd" * 32, "onnx CPU f32", (256, 128), (), 4)
RUN = RunRecord("files", {"tracker": {"name": "deepsort"}}, "settings-1", "0.1.0")
VIDEO = SourceRecord("video", "a.mp4", "/videos/a.mp4", "fingerprint-1", width=640, height=480, fps=25.0, frames=300)
MASK = encode((0, 10), np.ones((20, 20), bool))  # of the first observation of a chunk


def at_of(frames: IntArray) -> IntArray:
    """Microseconds UTC."""
    return START + frames * STEP


def detections(first: int, end: int, *, objects: int) -> FrameDetections:
    """The same objects in every frame, moved by one pixel a frame."""
    numbers = np.arange(first, end)
    found = []
    for number in numbers.tolist():
        corner = np.arange(objects, dtype=np.float32)[:, None] * 50 + np.array([[number, 10]], np.float32)
        boxes = np.hstack([corner, corner + 20]).astype(np.float32)
        found.append(Detections(boxes, np.full(objects, 0.5, np.float32), np.zeros(objects, np.int64)))
    return FrameDetections(numbers, numbers / 25.0, numbers * 0, np.full(len(numbers), NO_PTS), tuple(found))


def chunk(
    first: int,
    end: int,
    *,
    local_ids: tuple[int, ...] = (1, 2),
    model_id: int | None = None,
    crop_quality: float | None = None,
    evidence: int = 0,
    class_id: int = 0,
    score: float = 0.5,
    detect_hash: str = "detect-1",
) -> ChunkData:
    """Frames [first, end) of tracks that were born in frame 0 or, if later, in the first frame of the chunk."""
    seen = detections(first, end, objects=len(local_ids))
    ids = np.array(local_ids, np.int64)
    n, f = len(ids), end - first
    born = np.full(n, START)
    last = np.full(n, START + (end - 1) * STEP)
    tracks = TrackColumns(
        local_ids=ids,
        class_ids=np.full(n, class_id),
        score_max=np.full(n, score, np.float32),
        first_at=born,
        last_at=last,
        counts=np.full(n, end),
        ended=np.zeros(n, np.int8),
    )
    observations = ObservationColumns(
        local_ids=np.tile(ids, f),
        frames=np.repeat(seen.frames, n),
        at=np.repeat(at_of(seen.frames), n),
        boxes=np.concatenate([frame.boxes for frame in seen.detections]),
        scores=np.full(n * f, score, np.float32),
        evidence=np.full(n * f, evidence, np.int8),
        det_rows=np.tile(np.arange(n), f),
        mask_rle=(MASK, *(None,) * (n * f - 1)) if n else None,
    )
    return ChunkData(
        first_frame=first,
        end_frame=end,
        detect_hash=detect_hash,
        detections=seen,
        tracks=tracks,
        observations=observations,
        counts=FrameCounts(read=f + 1, processed=f, dropped=1, repaired=2, damaged=3),
        state={"mean": np.full((n, 8), float(end)), "next_id": np.array(n + 1)},
        embeddings=() if model_id is None else (_vectors(model_id, ids, last),),
        crops=None if crop_quality is None else _crops(ids, last, crop_quality),
    )


def _vectors(model_id: int, ids: IntArray, at: IntArray) -> EmbeddingColumns:
    """An exemplar and the mean of each track."""
    n = len(ids)
    kinds = (EmbeddingKind.EXEMPLAR,) * n + (EmbeddingKind.MEAN,) * n
    vectors = np.random.default_rng(int(at[0])).normal(size=(2 * n, 4)).astype(np.float32)
    return EmbeddingColumns(model_id, np.tile(ids, 2), np.tile(at, 2), kinds, np.full(2 * n, 0.75, np.float32), vectors)


def _crops(ids: IntArray, at: IntArray, quality: float) -> CropColumns:
    n = len(ids)
    jpegs = tuple(f"jpeg of {track} at quality {quality}".encode() for track in ids)
    size = np.full(n, 20)
    return CropColumns(ids, at, jpegs, size, size, np.full(n, quality, np.float32))


def some_events(ids: list[int], rules: tuple[str, ...], kinds: tuple[EventKind, ...]) -> Events:
    """Of these tracks, at the first frame."""
    count = len(ids)
    return Events(
        at=np.full(count, START),
        ids=np.array(ids, np.int64),
        labels=np.zeros(count, np.int64),
        rules=rules,
        kinds=kinds,
        values=np.full(count, np.nan),
        directions=("",) * count,
        points=np.full((count, 2), np.nan, np.float32),
    )
