"""Which of a teacher's boxes are labels: by their scores, and in a recording by what its tracks confirm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trackers.structures import BoolArray, Detections, FloatArray, MultiObjectTracker
from trackers.track_rows import Recording, Refiner, TrackRows


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One picture's boxes, told apart. Nothing is said of `ignored` areas: the student is to see neither of two things,
    an object that it would be punished for finding, and a mistake that it would be taught."""

    labels: Detections  # what the student learns, with the teacher's scores
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
    that area is ignored like the boxes of no track.
    """
    results = [tracker.update(seen, when) for seen, when in zip(found, recording.times.tolist(), strict=True)]
    rows = refiner(TrackRows.gather(results, found, recording), recording)
    places = np.searchsorted(recording.frames, rows.frames)
    judged = []
    for number, seen in enumerate(found):
        own = rows[places == number] if len(rows) else rows
        confirmed = np.zeros(len(seen), dtype=bool)
        confirmed[own.rows[own.rows >= 0]] = True
        judged.append(_judge(seen, confirmed, own.boxes[own.rows < 0], min_score))
    return judged


def _judge(seen: Detections, confirmed: BoolArray, missed: FloatArray, min_score: float) -> Judged:
    sure = seen.scores >= min_score
    ignored = np.concatenate([seen.boxes[~confirmed], missed.astype(np.float32)])
    return Judged(
        seen[confirmed],
        ignored,
        promoted=int((confirmed & ~sure).sum()),
        dropped=int((sure & ~confirmed).sum()),
    )
