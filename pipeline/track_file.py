"""Tracking detections that lie in a MOTChallenge file, without video and without a network."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import ConfigError, FormatError
from pipeline.evaluation.sequences import SequenceBoxes, read_detections, write_tracks
from pipeline.evaluation.sidecars import SequenceInfo, read_camera_motion, read_seqinfo
from trackers.structures import Detections, FloatArray, MultiObjectTracker, Tracks


@dataclass(frozen=True, slots=True)
class TrackedFile:
    """What came of it."""

    frames: int
    tracks: int
    rows: int  # boxes written
    seconds: float  # in the tracker


def track_file(
    detections: Path, sequence: Path, tracker: MultiObjectTracker, *, out: Path, camera_motion: Path | None = None
) -> TrackedFile:
    """Track a file of detections; write the confirmed tracks to `out`.

    `sequence`: folder with seqinfo.ini, which gives frame rate and length; every frame up to that length is a step,
    with detections or without. `camera_motion`: file of affine maps from the previous frame. Raises FormatError for
    files that are not what they should be, ConfigError or OutputError where `out` cannot be written.
    """
    for taken in (detections, sequence / "seqinfo.ini", camera_motion):
        if taken is not None and out.resolve() == taken.resolve():
            raise ConfigError(f"{out} is read, so it cannot be written; name another file with --out")
    info = read_seqinfo(sequence / "seqinfo.ini")
    boxes = read_detections(detections)
    motion = {} if camera_motion is None else read_camera_motion(camera_motion)
    if len(boxes) and boxes.frames.max() > info.length:
        raise FormatError(
            f"{detections} has frame {boxes.frames.max()}, but {sequence / 'seqinfo.ini'} says {info.length} frames"
        )
    started = time.perf_counter()
    results = _track(boxes, info, motion, tracker)
    seconds = time.perf_counter() - started
    found = _gather(results)
    write_tracks(out, found)
    return TrackedFile(info.length, len(np.unique(found.ids)), len(found), seconds)


def _track(
    boxes: SequenceBoxes, info: SequenceInfo, motion: dict[int, FloatArray], tracker: MultiObjectTracker
) -> list[Tracks]:
    """The confirmed tracks of each frame, from frame 1."""
    order = np.argsort(boxes.frames, kind="stable")
    starts = np.searchsorted(boxes.frames[order], np.arange(1, info.length + 2))
    results = []
    for frame in range(1, info.length + 1):
        rows = order[starts[frame - 1] : starts[frame]]
        seen = Detections(
            boxes.boxes[rows].astype(np.float32), boxes.scores[rows].astype(np.float32), np.zeros(len(rows), np.int64)
        )
        tracks = tracker.update(seen, (frame - 1) / info.frame_rate, camera_motion=motion.get(frame))
        results.append(tracks.confirmed)
    return results


def _gather(results: list[Tracks]) -> SequenceBoxes:
    """All frames' tracks as one table."""
    counts = [len(tracks) for tracks in results]
    total = sum(counts)
    return SequenceBoxes(
        frames=np.repeat(np.arange(1, len(results) + 1), counts),
        ids=np.concatenate([tracks.ids for tracks in results]),
        boxes=np.concatenate([tracks.boxes for tracks in results]).astype(np.float64),
        scores=np.concatenate([tracks.scores for tracks in results]).astype(np.float64),
        classes=np.full(total, -1, np.int64),
        visibility=np.full(total, -1.0),
    )
