"""OC-SORT stage by stage, in scenes worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.trackers.scenes import Box, assert_same, person, see, watch
from trackers import kalman
from trackers.association import Candidates
from trackers.ocsort import OcSort
from trackers.reupdate import replay
from trackers.structures import Detections, Stage, Tracks

FPS = 30


def make(**changes: float) -> OcSort:
    """Numbers the scenes count on, whatever the defaults are."""
    settings = {
        "strong_score": 0.6,
        "weak_score": 0.1,
        "overlap_limit": 0.7,
        "weak_overlap_limit": 0.5,
        "recovery_limit": 0.7,
        "direction_weight": 0.2,
        "direction_seconds": 0.1,
        "confirm_seconds": 0.1,
        "tentative_seconds": 0.0,
        "lost_seconds": 1.0,
    }
    return OcSort(**settings | changes)


def walk(tracker: OcSort, frames: int, *, by: float, start: float = 100.0) -> list[Tracks]:
    """Somebody who goes right by so many pixels a frame."""
    return watch(tracker, [see(person(start + by * frame)) for frame in range(frames)], fps=FPS)


def test_the_motion_model_is_sorts() -> None:
    assert make().table.model is kalman.XYSR7


@pytest.mark.parametrize(("shift", "matched"), [(21, True), (22, False)])  # IoU 19 / 61 = 0.311 and 18 / 62 = 0.290
def test_a_pair_must_overlap_however_well_its_direction_fits(shift: float, matched: bool) -> None:
    tracker = make(direction_weight=1.0)
    tracker.update(see(person(100)), 0.0)
    tracker.update(see(person(100)), 1 / FPS)
    tracks = tracker.update(see(person(100 + shift)), 2 / FPS)
    assert tracks.rows.tolist() == ([0] if matched else [-1, 0])


def momentum(tracker: OcSort, detections: Detections, seconds: float) -> list[float]:
    """The direction's part of the first stage's cost, for the first track and each detection."""
    pairs = Candidates.of(np.zeros((1, len(detections))), limit=0)
    return [float(one) for one in tracker._momentum(pairs, detections, seconds).cost]


def test_the_direction_costs_what_its_angle_is_worth() -> None:
    # Went from 100 to 106 over three frames. Seen from 102, three frames before the next, the boxes lie at 0, 45, 90
    # and 180 degrees: 0.2 score (angle / pi - 1/2) is -0.08, -0.0125, 0 and 0.1.
    tracker = make()
    walk(tracker, 4, by=2)
    places: list[Box] = [person(110), person(110, 108), person(102, 110), person(90)]
    found = see(*places, scores=[0.8, 0.25, 0.9, 1.0])
    assert momentum(tracker, found, 4 / FPS) == pytest.approx([-0.08, -0.0125, 0, 0.1], abs=1e-7)


def test_who_stands_still_has_no_direction() -> None:
    tracker = make()
    walk(tracker, 4, by=0)
    assert momentum(tracker, see(person(110), person(90)), 4 / FPS) == [0, 0]
    tracker = make()
    walk(tracker, 4, by=2)
    assert momentum(tracker, see(person(102)), 4 / FPS) == [0]  # the detection lies where the direction is taken from


@pytest.mark.parametrize(("weight", "row"), [(0.0, 0), (0.2, 1)])
def test_of_two_that_overlap_alike_the_one_ahead_is_taken(weight: float, row: int) -> None:
    # Last seen at 112 and predicted at about 114. Behind by 4 px is back to where it came from, an angle of pi; of its
    # width 36 / 44 overlap. Ahead by 4.2 px it is 35.8 / 44.2: 0.182 and 0.190. The direction adds 0.09 and -0.09.
    tracker, twin = (make(direction_weight=weight, direction_seconds=0.034) for _ in range(2))  # the way of one frame
    for one in (tracker, twin):
        walk(one, 5, by=3)
    predicted = float(twin.update(see(), 5 / FPS).boxes[0, [0, 2]].mean())
    assert 113 < predicted < 115.5
    assert tracker.update(see(person(predicted - 4), person(predicted + 4.2)), 5 / FPS).rows[0] == row


def test_a_weak_detection_carries_a_track_on_and_starts_none() -> None:
    tracker = make()
    walk(tracker, 5, by=2)
    tracks = tracker.update(see(person(110), person(500), scores=0.3), 5 / FPS)
    assert tracks.ids.tolist() == [1]
    assert tracks.rows.tolist() == [0]
    assert tracks.stages.tolist() == [Stage.CONFIRMED]


@pytest.mark.parametrize(("shift", "matched"), [(13, True), (14, False)])  # IoU 27 / 53 = 0.509 and 26 / 54 = 0.481
def test_weak_detections_have_their_own_limit(shift: float, matched: bool) -> None:
    tracker = make()
    tracker.update(see(person(100)), 0.0)
    assert tracker.update(see(person(100 + shift), scores=0.2), 1 / FPS).rows.tolist() == [0 if matched else -1]


def test_without_the_weak_stage_it_is_the_papers() -> None:
    tracker = make(weak_score=1.0)
    walk(tracker, 5, by=2)
    assert tracker.update(see(person(110), scores=0.59), 5 / FPS).rows.tolist() == [-1]


@pytest.mark.parametrize(("limit", "ids"), [(0.7, [1]), (0.0, [1, 2])])
def test_a_track_whose_prediction_ran_away_is_recovered(limit: float, ids: list[int]) -> None:
    # 8 px a frame, then hidden for ten, in which it stood still: predicted 80 px ahead of where it is.
    tracker = make(recovery_limit=limit)
    walk(tracker, 20, by=8)
    watch(tracker, [see()] * 10, fps=FPS, start=20 / FPS)
    assert tracker.table.boxes[0, 0] > 100 + 19 * 8 + 20  # no overlap is left
    tracks = tracker.update(see(person(103 + 19 * 8)), 30 / FPS)
    assert tracks.ids.tolist() == ids
    assert tracks.rows.tolist() == ([0] if limit else [-1, 0])


def test_recovery_comes_after_the_predictions() -> None:
    # One walks on, another stands where it was last seen.
    tracker = make()
    walk(tracker, 20, by=8)
    watch(tracker, [see()] * 4, fps=FPS, start=20 / FPS)
    tracks = tracker.update(see(person(100 + 19 * 8), person(100 + 24 * 8)), 24 / FPS)
    assert tracks.rows.tolist() == [1, 0]


def test_a_track_found_again_is_told_what_it_missed() -> None:
    tracker, table = (tracker := make()), tracker.table
    walk(tracker, 20, by=8)
    mean, covariance = table.mean.copy(), table.covariance.copy()
    watch(tracker, [see()] * 4, fps=FPS, start=20 / FPS)
    before, after = person(252), person(246, 104, width=42)
    found = see(after)
    tracker.update(found, 24 / FPS)
    seconds = np.array([24 / FPS - 19 / FPS])
    predicted = replay(table.model, mean, covariance, np.array([before]), np.array([after]), seconds, np.array([4]))
    expected = kalman.update(table.model, *predicted, np.array([after]))
    np.testing.assert_allclose(table.mean, expected[0], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(table.covariance, expected[1], rtol=1e-9, atol=1e-9)


def test_who_was_seen_in_the_last_frame_is_told_nothing() -> None:
    tracker = make()
    walk(tracker, 5, by=2)
    mean, covariance = kalman.predict(
        tracker.table.model, tracker.table.mean, tracker.table.covariance, 0.5, tracker.table.heights
    )
    tracker.update(see(person(110)), 4 / FPS + 0.5)  # half a second without frames
    expected, _ = kalman.update(tracker.table.model, mean, covariance, np.array([person(110)]))
    np.testing.assert_allclose(tracker.table.mean, expected, rtol=1e-12)


def test_a_camera_that_turns_takes_what_was_measured_along() -> None:
    # All is hidden for ten frames while the camera turns by 30 px a frame; the person has stopped, as above.
    turn = np.array([[1.0, 0, -30], [0, 1, 0]])
    tracker, still = make(), make()
    walk(tracker, 20, by=8)
    walk(still, 20, by=8)
    for frame in range(20, 30):
        tracker.update(see(), frame / FPS, camera_motion=turn)
        still.update(see(), frame / FPS)
    place = 100 + 19 * 8
    tracks = tracker.update(see(person(place - 11 * 30)), 30 / FPS, camera_motion=turn)
    plain = still.update(see(person(place)), 30 / FPS)
    assert tracks.rows.tolist() == plain.rows.tolist() == [0]
    np.testing.assert_allclose(tracks.boxes + np.float32([330, 0, 330, 0]), plain.boxes, atol=1e-3)
    np.testing.assert_allclose(tracker.table.covariance, still.table.covariance)


def test_restored_while_hidden_it_is_recovered_to_the_last_bit() -> None:
    tracker, twin = make(), make()
    walk(tracker, 20, by=8)
    watch(tracker, [see()] * 5, fps=FPS, start=20 / FPS)
    twin.from_arrays(tracker.to_arrays())
    rest = [see()] * 5 + [see(person(252)), see(person(250, 103)), see(person(247, 106))]
    for ours, theirs in zip(
        watch(tracker, rest, fps=FPS, start=25 / FPS), watch(twin, rest, fps=FPS, start=25 / FPS), strict=True
    ):
        assert_same(ours, theirs)


def test_a_late_track_passes_its_probation_and_a_miss_ends_it() -> None:
    tracker = make()
    tracker.update(see(), 0.0)
    frames = watch(tracker, [see(person(100))] * 4, fps=FPS, start=1 / FPS)
    assert [tracks.stages.tolist() for tracks in frames] == [[Stage.TENTATIVE]] * 3 + [[Stage.CONFIRMED]]
    tracker.update(see(person(100), person(500)), 5 / FPS)
    assert tracker.update(see(person(100)), 6 / FPS).stages.tolist() == [Stage.CONFIRMED, Stage.ENDED]


def test_classes_are_never_mixed() -> None:
    tracker = make()
    watch(tracker, [see(person(100), labels=1)] * 5, fps=FPS)
    assert tracker.update(see(person(100), labels=2), 5 / FPS).rows.tolist() == [-1, 0]  # nor by recovery
    assert tracker.update(see(person(100), labels=3, scores=0.5), 6 / FPS).rows[0] == -1
