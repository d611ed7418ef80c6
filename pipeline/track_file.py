"""Tracking detections that lie in a MOTChallenge file, without video and without a network."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from pipeline.errors import ConfigError, FormatError
from pipeline.evaluation.sequences import UNKNOWN, SequenceBoxes, read_detections, write_tracks
from pipeline.evaluation.sidecars import SequenceInfo, read_camera_motion, read_seqinfo
from trackers.structures import Detections, MultiObjectTracker, Stage
from trackers.track_rows import Recording, Refiner, TrackRows


@dataclass(frozen=True, slots=True)
class TrackedFile:
    """What came of it."""

    frames: int
    tracks: int
    rows: int  # boxes written
    seconds: float  # in the tracker, and in refining


def track_file(
    detections: Path,
    sequence: Path,
    tracker: MultiObjectTracker,
    *,
    out: Path,
    refiner: Refiner | None = None,
    camera_motion: Path | None = None,
) -> TrackedFile:
    """Track a file of detections; write the confirmed tracks to `out`, refined by `refiner` where there is one.

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
    frames = _by_frame(boxes, info)
    numbers = np.arange(1, info.length + 1)
    recording = Recording(numbers, (numbers - 1) / info.frame_rate, info.width, info.height)
    started = time.perf_counter()
    results = [
        tracker.update(seen, when, camera_motion=motion.get(number))
        for number, when, seen in zip(numbers.tolist(), recording.times.tolist(), frames, strict=True)
    ]
    seconds = time.perf_counter() - started
    rows = TrackRows.gather(results, frames, recording)
    if refiner is None:
        rows = rows[rows.stages == Stage.CONFIRMED]
    else:
        started = time.perf_counter()
        rows = refiner(rows, recording)
        seconds += time.perf_counter() - started
    found = _to_boxes(rows)
    write_tracks(out, found)
    return TrackedFile(info.length, len(np.unique(found.ids)), len(found), seconds)


def _by_frame(boxes: SequenceBoxes, info: SequenceInfo) -> list[Detections]:
    """The detections of each frame, from frame 1, all of one class."""
    order = np.argsort(boxes.frames, kind="stable")
    starts = np.searchsorted(boxes.frames[order], np.arange(1, info.length + 2))
    rows = [order[start:stop] for start, stop in pairwise(starts)]
    return [
        Detections(
            boxes.boxes[row].astype(np.float32), boxes.scores[row].astype(np.float32), np.zeros(len(row), np.int64)
        )
        for row in rows
    ]


def _to_boxes(rows: TrackRows) -> SequenceBoxes:
    return SequenceBoxes(
        frames=rows.frames,
        ids=rows.ids,
        boxes=rows.boxes,
        scores=rows.scores,
        classes=np.full(len(rows), UNKNOWN),
        visibility=np.full(len(rows), float(UNKNOWN)),
    )
