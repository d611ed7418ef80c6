"""Which of a teacher's boxes are labels: by their scores, and in a recording by what its tracks confirm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from trackers.structures import Detections, FloatArray, MultiObjectTracker
from trackers.track_rows import Recording, Refiner, TrackRows


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One picture's boxes, told apart. Nothing is said of `ignored` areas: the student is to see neither of two things,
    an object that it would be punished for finding, and a mistake that it would be taught."""

    labels: Detections  # what the student learns; scores: how sure the teacher is
    ignored: FloatArray  # (m, 4) pixels
    promoted: int = 0  # labels below the least score, which a track confirms
    dropped: int = 0  # boxes above it, which no track confirms


def by_score(found: Detections, *, min_score: float) -> Judged:
    """Of a picture without time: a box is a label from `min_score` on; a weaker one is an area to ignore."""
    sure = found.scores >= min_score
    return Judged(found[sure], found.boxes[~sure])


def by_tracks(
    found: Sequence[Detections],
    recording: Recording,
    *,
    tracker: MultiObjectTracker,
    refiner: Refiner,
    min_score: float,
) -> list[Judged]:
    """Of a recording (one Detections a frame of it): a box is a label where it belongs to a track.

    The tracker, followed by hindsight, decides: a weak box of a track is a label too, and a strong one that appears for
    a moment is none. Where hindsight fills a hole in a track, the teacher has missed something, or something is hidden:
    that area is ignored like the boxes of no track. A label's score is the teacher's, or what is usual for its track,
    if that is more.
    """
    results = [tracker.update(seen, when) for seen, when in zip(found, recording.times.tolist(), strict=True)]
    rows = refiner(TrackRows.gather(results, found, recording), recording)
    usual = _usual_scores(rows)
    order = np.argsort(rows.frames, kind="stable")
    stops = np.searchsorted(rows.frames[order], recording.frames, side="right")
    in_frame = np.split(order, stops)[: len(found)]  # what follows the last frame is nothing
    return [_judge(seen, rows[here], usual[here], min_score) for seen, here in zip(found, in_frame, strict=True)]


def _usual_scores(rows: TrackRows) -> FloatArray:
    """Of each row's track: the median score of its measured boxes (n,)."""
    usual = np.zeros(len(rows), np.float32)
    order = np.argsort(rows.ids, kind="stable")
    for own in np.split(order, np.flatnonzero(np.diff(rows.ids[order])) + 1):
        measured = own[rows.rows[own] >= 0]
        if len(measured):  # else nothing of it can be a label
            usual[own] = np.median(rows.scores[measured])
    return usual


def _judge(seen: Detections, tracks: TrackRows, usual: FloatArray, min_score: float) -> Judged:
    """One frame's boxes. `tracks`: the rows (n) that are in it, with what is usual for each (n,)."""
    measured = tracks.rows >= 0
    support = np.zeros(len(seen), np.float32)
    support[tracks.rows[measured]] = usual[measured]
    confirmed, sure = support > 0, seen.scores >= min_score
    labels = replace(seen, scores=np.maximum(seen.scores, support))
    return Judged(
        labels[confirmed],
        np.concatenate([seen.boxes[~confirmed], tracks.boxes[~measured].astype(np.float32)]),
        promoted=int((confirmed & ~sure).sum()),
        dropped=int((sure & ~confirmed).sum()),
    )
