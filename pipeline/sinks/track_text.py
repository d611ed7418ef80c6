"""Tracks as lines of text, MOTChallenge and CSV: the same bytes from a run that goes on and from the store."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta

import numpy as np

from pipeline.evaluation.sequences import UNKNOWN, SequenceBoxes, format_tracks
from pipeline.sinks.base import Result
from pipeline.store.tracked_boxes import TrackedBoxes, name_of
from trackers.structures import Evidence

CSV_COLUMNS = ("frame", "seconds", "utc", "id", "class", "score", "evidence", "x1", "y1", "x2", "y2")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EVIDENCE = {int(evidence): evidence.name.lower() for evidence in Evidence}


def boxes_of(result: Result) -> TrackedBoxes:
    """A frame's confirmed tracks by rising id, as the store will give them back.

    Seconds are rounded to microseconds, which is how the store keeps them.
    """
    frame, tracks = result.frame, result.tracks.confirmed
    tracks = tracks[np.argsort(tracks.ids)]
    count = len(tracks)
    return TrackedBoxes(
        frames=np.full(count, frame.index),
        seconds=np.full(count, round(frame.time * 1e6) / 1e6),
        at=np.full(count, frame.at),
        ids=tracks.ids,
        labels=tracks.labels,
        scores=tracks.scores,
        evidence=tracks.evidence,
        boxes=tracks.boxes,
        det_rows=tracks.rows,
        masks=(None,) * count,
    )


def mot_lines(boxes: TrackedBoxes) -> str:
    """`frame,id,left,top,width,height,score,-1,-1,-1` a box; frames count from 1."""
    return format_tracks(sequence_boxes(boxes))


def sequence_boxes(boxes: TrackedBoxes) -> SequenceBoxes:
    """The same boxes as MOTChallenge has them: frames from 1, no class said."""
    return SequenceBoxes(
        frames=boxes.frames + 1,
        ids=boxes.ids,
        boxes=boxes.boxes.astype(np.float64),
        scores=boxes.scores.astype(np.float64),
        classes=np.full(len(boxes), UNKNOWN),
        visibility=np.full(len(boxes), float(UNKNOWN)),
    )


def csv_header() -> str:
    """The line above all others."""
    return ",".join(CSV_COLUMNS) + "\n"


def csv_lines(boxes: TrackedBoxes, names: tuple[str, ...]) -> str:
    """A line a box, in CSV_COLUMNS. `names`: of the labels.

    `frame` counts from 0; `seconds` since the source's first frame; `utc` is ISO 8601 to the microsecond; boxes are
    pixels.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        (
            frame,
            f"{seconds:.6f}",
            (_EPOCH + timedelta(microseconds=at)).isoformat(timespec="microseconds"),
            identity,
            name_of(names, label),
            f"{score:.4f}",
            _EVIDENCE[evidence],
            *(f"{edge:.3f}" for edge in box),
        )
        for frame, seconds, at, identity, label, score, evidence, box in zip(
            boxes.frames.tolist(),
            boxes.seconds.tolist(),
            boxes.at.tolist(),
            boxes.ids.tolist(),
            boxes.labels.tolist(),
            boxes.scores.tolist(),
            boxes.evidence.tolist(),
            boxes.boxes.tolist(),
            strict=True,
        )
    )
    return text.getvalue()
