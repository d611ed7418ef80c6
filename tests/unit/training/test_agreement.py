"""Which boxes of a teacher become labels: tracks worked out by hand, and scores alone."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.training.agreement import Judged, by_score, by_tracks
from trackers.calibration import ScoreCalibration
from trackers.deepsort import DeepSort
from trackers.refine import Refinement, refine
from trackers.structures import Detections
from trackers.track_rows import Recording

FPS = 10.0
SURE, WEAK = 0.8, 0.3
MIN_SCORE = 0.5


def seen(*objects: tuple[float, float]) -> Detections:
    """Boxes 20 x 40 pixels with the left side and score given, class 0."""
    boxes = np.array([(left, 50, left + 20, 90) for left, _ in objects], np.float32).reshape(-1, 4)
    scores = np.array([score for _, score in objects], np.float32)
    return Detections(boxes, scores, np.zeros(len(objects), np.int64))


def judge(found: list[Detections]) -> list[Judged]:
    tracker = DeepSort(
        calibration=ScoreCalibration(known=((0.0, 1.0), (0.0, 1.0))), strong_score=0.5, weak_score=0.2, new_score=0.5
    )
    recording = Recording(np.arange(len(found)), np.arange(len(found)) / FPS, 320, 240)
    return by_tracks(
        found,
        recording,
        tracker=tracker,
        refiner=lambda rows, of: refine(rows, Refinement(), recording=of),
        min_score=MIN_SCORE,
    )


def walk(*, frames: int = 15, weak: frozenset[int] = frozenset(), missing: frozenset[int] = frozenset()) -> list:
    """Somebody walks 2 pixels a frame; in some frames the teacher is not sure, or blind."""
    scores = [WEAK if number in weak else SURE for number in range(frames)]
    return [seen() if number in missing else seen((10 + 2.0 * number, scores[number])) for number in range(frames)]


def test_a_weak_box_of_a_track_is_a_label() -> None:
    judged = judge(walk(weak=frozenset({6, 7})))
    assert [len(one.labels) for one in judged] == [1] * 15
    assert [one.promoted for one in judged] == [int(number in (6, 7)) for number in range(15)]
    assert [len(one.ignored) for one in judged] == [0] * 15
    assert judged[6].labels.boxes[0].tolist() == [22, 50, 42, 90]  # where the teacher saw it
    assert judged[6].labels.scores[0] == np.float32(SURE)  # as sure as of the rest of the track


def test_a_weak_box_alone_is_ignored() -> None:
    found = walk()
    found[5] = seen((20.0, SURE), (200.0, WEAK))
    judged = judge(found)
    assert [len(one.labels) for one in judged] == [1] * 15
    assert judged[5].ignored.tolist() == [[200, 50, 220, 90]]
    assert judged[5].dropped == 0


def test_a_strong_box_that_flickers_is_no_label() -> None:
    found = walk()
    found[5] = seen((20.0, SURE), (200.0, 0.9))
    judged = judge(found)
    assert [len(one.labels) for one in judged] == [1] * 15
    assert judged[5].ignored.tolist() == [[200, 50, 220, 90]]
    assert judged[5].dropped == 1


def test_what_the_teacher_missed_within_a_track_is_ignored() -> None:
    judged = judge(walk(missing=frozenset({7})))
    assert [len(one.labels) for one in judged] == [1] * 7 + [0] + [1] * 7
    (area,) = judged[7].ignored
    assert area == pytest.approx([24, 50, 44, 90], abs=1.0)


def test_a_first_sight_counts_once_the_track_is_believed() -> None:
    assert len(judge(walk())[0].labels) == 1


def test_nothing_found() -> None:
    judged = judge([seen()] * 5)
    assert [(len(one.labels), len(one.ignored)) for one in judged] == [(0, 0)] * 5
    assert judge([]) == []


def test_by_score() -> None:
    judged = by_score(seen((10, SURE), (50, WEAK), (90, MIN_SCORE)), min_score=MIN_SCORE)
    assert judged.labels.boxes[:, 0].tolist() == [10, 90]
    assert judged.ignored[:, 0].tolist() == [50]
    assert len(by_score(seen(), min_score=MIN_SCORE).labels) == 0
