"""ByteTrack stage by stage, in scenes worked by hand."""

from __future__ import annotations

import pytest

from tests.unit.trackers.scenes import person, see, watch
from trackers.bytetrack import ByteTrack
from trackers.structures import Stage

FPS = 30


def make(**changes: float) -> ByteTrack:
    """Numbers the scenes count on, whatever the defaults are."""
    settings = {
        "strong_score": 0.6,
        "weak_score": 0.1,
        "new_score": 0.7,
        "overlap_limit": 0.8,
        "weak_overlap_limit": 0.5,
        "tentative_overlap_limit": 0.7,
        "confirm_seconds": 0.03,
        "tentative_seconds": 0.0,
        "lost_seconds": 1.0,
    }
    return ByteTrack(**settings | changes)


@pytest.mark.parametrize(("score", "matched"), [(0.85, True), (0.75, False)])
def test_an_unsure_detection_needs_more_overlap(score: float, matched: bool) -> None:
    # Shifted by 24 of 40 px: IoU 16 / 64 = 0.25. Times the score 0.2125 or 0.1875; 1 - 0.8 is asked for.
    tracker = make()
    tracker.update(see(person(100)), 0.0)
    tracks = tracker.update(see(person(124), scores=score), 0.1)
    assert tracks.rows.tolist() == ([0] if matched else [-1, 0])


def test_of_two_that_overlap_alike_the_surer_is_taken() -> None:
    tracker = make()
    tracker.update(see(person(100)), 0.0)
    tracks = tracker.update(see(person(105), person(95), scores=[0.61, 0.69]), 0.1)
    assert tracks.rows.tolist() == [1]


def test_a_weak_detection_carries_a_track_on() -> None:
    tracker = make()
    watch(tracker, [see(person(100))] * 5, fps=FPS)
    tracks = tracker.update(see(person(102), scores=0.2), 5 / FPS)
    assert tracks.ids.tolist() == [1]
    assert tracks.rows.tolist() == [0]
    assert tracks.stages.tolist() == [Stage.CONFIRMED]


@pytest.mark.parametrize(("shift", "matched"), [(13, True), (14, False)])  # IoU 0.509 and 0.481
def test_a_weak_detection_is_matched_by_overlap_alone(shift: float, matched: bool) -> None:
    tracker = make()
    tracker.update(see(person(100)), 0.0)
    tracks = tracker.update(see(person(100 + shift), scores=0.11), 0.1)  # the score does not lower it further
    assert tracks.rows.tolist() == [0 if matched else -1]


def test_strong_detections_choose_first() -> None:
    tracker = make()
    watch(tracker, [see(person(100))] * 5, fps=FPS)
    tracks = tracker.update(see(person(100), person(112), scores=[0.5, 0.9]), 5 / FPS)
    assert tracks.rows.tolist() == [1]


def test_weak_detections_neither_start_tracks_nor_revive_lost_ones() -> None:
    tracker = make()
    watch(tracker, [see(person(100))] * 5 + [see()], fps=FPS)
    tracks = tracker.update(see(person(100), person(500), scores=0.5), 6 / FPS)
    assert tracks.ids.tolist() == [1]
    assert tracks.stages.tolist() == [Stage.LOST]
    tracks = tracker.update(see(person(100), scores=0.65), 7 / FPS)  # strong ones do revive
    assert tracks.stages.tolist() == [Stage.CONFIRMED]


def test_a_strong_detection_below_the_new_score_starts_no_track() -> None:
    assert len(make().update(see(person(100), scores=0.69), 0.0)) == 0
    assert len(make().update(see(person(100), scores=0.71), 0.0)) == 1


@pytest.mark.parametrize(("shift", "ids"), [(18, [1]), (22, [1, 2])])  # 0.9 IoU: 0.341 and 0.261
def test_a_tentative_track_has_its_own_limit(shift: float, ids: list[int]) -> None:
    tracker = make()  # 1 - 0.7 is asked for, less of confirmed tracks
    tracker.update(see(), 0.0)
    tracker.update(see(person(100)), 0.1)
    assert tracker.update(see(person(100 + shift)), 0.2).ids.tolist() == ids


def test_a_tentative_track_is_not_held_by_weak_detections() -> None:
    tracker = make()
    tracker.update(see(), 0.0)
    tracker.update(see(person(100)), 0.1)
    assert tracker.update(see(person(100), scores=0.5), 0.2).stages.tolist() == [Stage.ENDED]


def test_a_late_track_is_confirmed_by_its_second_match() -> None:
    tracker = make()
    tracker.update(see(), 0.0)
    frames = watch(tracker, [see(person(100))] * 2, fps=FPS, start=0.1)
    assert [tracks.stages.tolist() for tracks in frames] == [[Stage.TENTATIVE], [Stage.CONFIRMED]]


def test_classes_are_never_mixed() -> None:
    tracker = make()
    watch(tracker, [see(person(100), labels=1)] * 5, fps=FPS)
    assert tracker.update(see(person(100), labels=2), 5 / FPS).rows.tolist() == [-1, 0]
    assert tracker.update(see(person(100), labels=2, scores=0.5), 6 / FPS).rows.tolist() == [-1, -1]
