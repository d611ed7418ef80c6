"""Tables of a recording's tracks: what of a tracker's reports they hold, and what a recording knows of its time."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.trackers.scenes import person, see
from trackers.structures import Detections, Evidence, FloatArray, Stage, Tracks
from trackers.track_rows import Recording, TrackRows, concatenate

TENTATIVE, CONFIRMED, LOST, ENDED = Stage.TENTATIVE, Stage.CONFIRMED, Stage.LOST, Stage.ENDED
Row = tuple[int, Stage, Evidence, int]  # id, stage, evidence, row of the detection


def record(times: list[float], gaps: tuple[tuple[float, float], ...] = ()) -> Recording:
    return Recording(np.arange(1, len(times) + 1), np.array(times, float), 1000, 600, gaps)


def report(*rows: Row) -> Tracks:
    """Tracks whose box is 10 px right of where person(100 * id) stands."""
    ids = [row[0] for row in rows]
    return Tracks(
        boxes=np.array([person(100 * each + 10) for each in ids], np.float32).reshape(-1, 4),
        scores=np.full(len(rows), 0.9, np.float32),
        labels=np.zeros(len(rows), np.int64),
        ids=np.array(ids, np.int64),
        stages=np.array([row[1] for row in rows], np.int8),
        evidence=np.array([row[2] for row in rows], np.int8),
        rows=np.array([row[3] for row in rows], np.int64),
    )


DETECTED, FLOW, PREDICTED = Evidence.DETECTED, Evidence.FLOW, Evidence.PREDICTED
REPORTS = [
    report((1, TENTATIVE, DETECTED, 0), (2, TENTATIVE, DETECTED, 1)),
    report((1, CONFIRMED, DETECTED, 1), (2, TENTATIVE, PREDICTED, -1)),
    report((1, CONFIRMED, FLOW, -1), (2, ENDED, PREDICTED, -1), (3, CONFIRMED, PREDICTED, -1)),
    report((1, LOST, PREDICTED, -1), (3, ENDED, PREDICTED, -1)),
]
SEEN = [see(person(100), person(200)), see(person(500), person(100)), Detections.empty(), Detections.empty()]


def with_features(frames: list[Detections]) -> list[Detections]:
    features = [np.tile(np.float32([index, 1]), (len(frame), 1)) for index, frame in enumerate(frames)]
    return [
        Detections(frame.boxes, frame.scores, frame.labels, column if index else None)
        for index, (frame, column) in enumerate(zip(frames, features, strict=True))
    ]


def test_every_located_row_of_what_was_ever_believed() -> None:
    rows = TrackRows.gather(REPORTS, SEEN, record([0, 0.1, 0.2, 0.3]))
    assert rows.frames.tolist() == [1, 2, 3, 3]  # track 2 was never confirmed
    assert rows.ids.tolist() == [1, 1, 1, 3]
    assert rows.times.tolist() == [0, 0.1, 0.2, 0.2]
    assert rows.stages.tolist() == [TENTATIVE, CONFIRMED, CONFIRMED, CONFIRMED]
    assert rows.rows.tolist() == [0, 1, -1, -1]
    assert rows.features is None


def test_measured_is_the_detection_or_what_was_followed_in_the_picture() -> None:
    rows = TrackRows.gather(REPORTS, SEEN, record([0, 0.1, 0.2, 0.3]))
    np.testing.assert_array_equal(rows.measured[:2], [person(100), person(100)])
    np.testing.assert_array_equal(rows.measured[2], rows.boxes[2])
    assert np.isnan(rows.measured[3]).all()
    np.testing.assert_array_equal(rows.boxes[:3], [person(110)] * 3)


def test_features_are_those_of_the_matched_detections() -> None:
    rows = TrackRows.gather(REPORTS, with_features(SEEN), record([0, 0.1, 0.2, 0.3]))
    assert rows.features is not None
    np.testing.assert_array_equal(rows.features[1], [1, 1])
    assert np.isnan(rows.features[[0, 2, 3]]).all()


def test_no_frame_and_no_track() -> None:
    assert len(TrackRows.gather([], [], record([]))) == 0
    rows = TrackRows.gather([Tracks.empty()] * 2, [Detections.empty(dimension=3)] * 2, record([0, 1]))
    assert len(rows) == 0
    assert rows.features is not None
    assert rows.features.shape == (0, 3)


def test_frames_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="3 frames, 4 detections, 4 tracks"):
        TrackRows.gather(REPORTS, SEEN, record([0, 0.1, 0.2]))


def test_indexing_and_concatenating_are_inverse() -> None:
    rows = TrackRows.gather(REPORTS, with_features(SEEN), record([0, 0.1, 0.2, 0.3]))
    again = concatenate([rows[:1], rows[1:3], rows[np.array([False, False, False, True])]])
    for name in ("frames", "times", "ids", "boxes", "scores", "labels", "evidence", "stages", "rows", "measured"):
        np.testing.assert_array_equal(getattr(again, name), getattr(rows, name), err_msg=name)
    np.testing.assert_array_equal(again.features, rows.features)


def test_columns_of_other_lengths_are_refused() -> None:
    rows = TrackRows.gather(REPORTS, SEEN, record([0, 0.1, 0.2, 0.3]))
    columns = {name: getattr(rows, name) for name in TrackRows.__dataclass_fields__}
    with pytest.raises(ValueError, match="ids has 3 rows, frames 4"):
        TrackRows(**columns | {"ids": rows.ids[1:]})
    with pytest.raises(ValueError, match=r"measured must be \(4, 4\)"):
        TrackRows(**columns | {"measured": rows.measured[:, :2]})


@pytest.mark.parametrize(
    ("times", "gaps", "durations"),
    [
        ([], (), []),
        ([5.0], (), [1]),
        ([0, 1, 3], (), [1.5, 1, 2]),
        ([0, 1, 2, 10, 11], ((2.5, 9.5),), [1, 1, 1, 1, 1]),
        ([0, 1, 2, 10, 11], ((1.5, 20.0),), [0.25, 1, 0.5, 0, 0]),
    ],
)
def test_how_long_frames_last(
    times: list[float], gaps: tuple[tuple[float, float], ...], durations: list[float]
) -> None:
    np.testing.assert_allclose(record(times, gaps).durations, durations)


def test_what_lies_in_a_gap() -> None:
    recording = record([0, 1], gaps=((1.0, 2.0), (5.0, 6.0)))
    times: FloatArray = np.array([0.9, 1, 1.5, 2, 2.1, 5.5])
    assert recording.in_gap(times).tolist() == [False, True, True, True, False, True]
    assert recording.in_gap(np.zeros(0)).tolist() == []


def test_a_recording_runs_forwards() -> None:
    with pytest.raises(ValueError, match="2 frames have 1 times"):
        Recording(np.array([1, 2]), np.array([0.0]), 10, 10)
    with pytest.raises(ValueError, match="must rise"):
        record([0, 0])
    with pytest.raises(ValueError, match="must rise"):
        Recording(np.array([2, 1]), np.array([0.0, 1]), 10, 10)
