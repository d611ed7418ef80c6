"""SORT stage by stage, in scenes worked by hand."""

from __future__ import annotations

import pytest

from tests.unit.trackers.scenes import person, see, watch
from trackers import kalman
from trackers.sort import Sort
from trackers.structures import Stage

FPS = 30


def make(**changes: float) -> Sort:
    """Numbers the scenes count on, whatever the defaults are."""
    settings = {
        "strong_score": 0.5,
        "overlap_limit": 0.7,
        "confirm_seconds": 0.1,
        "tentative_seconds": 0.0,
        "lost_seconds": 0.04,
    }
    return Sort(**settings | changes)


def test_the_motion_model_is_the_papers() -> None:
    assert make().table.model is kalman.XYSR7  # [u v s r u' v' s'], eq. 1


@pytest.mark.parametrize(("shift", "matched"), [(21, True), (22, False)])  # IoU 19 / 61 = 0.311 and 18 / 62 = 0.290
def test_a_pair_must_overlap_by_iou_min(shift: float, matched: bool) -> None:
    tracker = make()
    tracker.update(see(person(100)), 0.0)
    tracks = tracker.update(see(person(100 + shift)), 1 / FPS)
    assert tracks.rows.tolist() == ([0] if matched else [-1, 0])


def test_the_pairs_together_overlap_most() -> None:
    # IoU of tracks at 100 and 120, 40 wide, with boxes at 108 and 90: 32 / 48, 30 / 50; 28 / 52 and 10 / 70, no pair.
    # The first would take the first, and the second be left alone; together 0.6 + 0.54 is more.
    tracker = make()
    tracker.update(see(person(100), person(120)), 0.0)
    assert tracker.update(see(person(108), person(90)), 1 / FPS).rows.tolist() == [1, 0]


def test_the_score_of_a_detection_changes_nothing_but_whether_it_is_looked_at() -> None:
    tracker = make()
    tracker.update(see(person(100)), 0.0)
    tracks = tracker.update(see(person(105), person(104), person(100), scores=[0.99, 0.5, 0.49]), 1 / FPS)
    assert tracks.rows.tolist() == [1, 0]  # the nearer of the two that count; the other starts a track


def test_tentative_tracks_take_part_in_the_one_assignment() -> None:
    tracker = make()
    watch(tracker, [see(person(100)), see(person(100), person(130))], fps=FPS)
    # The tentative one is nearer to the only detection: 1 - 35 / 45 = 0.22 against 1 - 15 / 65 = 0.77.
    assert tracker.update(see(person(125)), 2 / FPS).rows.tolist() == [-1, 0]


def test_a_track_outlives_t_lost_and_no_more() -> None:
    tracker = make()  # one frame of 30 in a second
    frames = [see(person(100))] * 2 + [see(), see(person(100)), see(), see()]
    stages = [tracks.stages.tolist() for tracks in watch(tracker, frames, fps=FPS)]
    assert stages == [[Stage.CONFIRMED]] * 2 + [[Stage.LOST], [Stage.CONFIRMED], [Stage.LOST], [Stage.ENDED]]
    assert tracker.update(see(person(100)), 6 / FPS).ids.tolist() == [2]


def test_probation_takes_three_more_frames() -> None:
    tracker = make()
    tracker.update(see(), 0.0)
    frames = watch(tracker, [see(person(100))] * 4, fps=FPS, start=1 / FPS)
    assert [tracks.stages.tolist() for tracks in frames] == [[Stage.TENTATIVE]] * 3 + [[Stage.CONFIRMED]]


def test_probation_ends_with_the_first_miss() -> None:
    tracker = make()
    tracker.update(see(), 0.0)
    frames = watch(tracker, [see(person(100))] * 3 + [see(), see(person(100))], fps=FPS, start=1 / FPS)
    assert frames[3].stages.tolist() == [Stage.ENDED]
    assert frames[4].ids.tolist() == [2]


def test_the_prediction_is_what_is_compared() -> None:
    tracker = make(lost_seconds=1.0)
    watch(tracker, [see(person(100 + 6 * frame)) for frame in range(20)], fps=FPS)  # 180 px/s
    watch(tracker, [see()] * 5, fps=FPS, start=20 / FPS)
    # Where it would be after 25 steps; 36 px from where it was seen last: IoU 4 / 76 there, none would be.
    assert tracker.update(see(person(100 + 6 * 25)), 25 / FPS).rows.tolist() == [0]


def test_classes_are_never_mixed() -> None:
    tracker = make()
    watch(tracker, [see(person(100), labels=1)] * 5, fps=FPS)
    assert tracker.update(see(person(100), labels=2), 5 / FPS).rows.tolist() == [-1, 0]
