"""DeepSORT stage by stage, in scenes worked by hand."""

from __future__ import annotations

from math import cos, sin

import numpy as np
import pytest

from tests.unit.trackers.scenes import Box, person, see, watch
from trackers.deepsort import DeepSort
from trackers.structures import Detections, Stage, Tracks

FPS = 30
RED, BLUE = (1.0, 0.0), (0.0, 1.0)


def looks(angle: float) -> tuple[float, float]:
    """A feature whose cosine distance to RED is 1 - cos(angle)."""
    return cos(angle), sin(angle)


def make(**changes: float) -> DeepSort:
    """Numbers the scenes count on, whatever the defaults are."""
    settings = {
        "strong_score": 0.5,
        "weak_score": 0.1,
        "new_score": 0.6,
        "motion_weight": 0.0,
        "appearance_limit": 0.2,
        "overlap_limit": 0.8,
        "weak_overlap_limit": 0.5,
        "confirm_seconds": 0.15,
        "tentative_seconds": 0.0,
        "lost_seconds": 1.0,
    }
    return DeepSort(**settings | changes)


def ids_by_row(tracks: Tracks, detections: int) -> list[int]:
    """Id that each detection got, 0 for none."""
    ids = np.zeros(detections, np.int64)
    found = tracks.rows >= 0
    ids[tracks.rows[found]] = tracks.ids[found]
    return ids.tolist()


def settle(tracker: DeepSort, frame: Detections, *, frames: int = 10, start: float = 0.0) -> float:
    """Show one picture for some frames; the time of the next one."""
    watch(tracker, [frame] * frames, fps=FPS, start=start)
    return start + frames / FPS


def test_of_two_that_look_alike_the_more_recently_seen_track_chooses_first() -> None:
    tracker = make()
    near, here = person(112), person(100)
    time = settle(tracker, see(here, near, features=[RED, looks(0.14)]))
    time = settle(tracker, see(near, features=[looks(0.14)]), frames=3, start=time)  # track 1 is not seen
    # Nearer to track 1 in place and in looks, but track 2 also passes both gates and was seen more recently.
    tracks = tracker.update(see(here, features=[RED]), time)
    assert ids_by_row(tracks, 1) == [2]


def test_of_two_seen_alike_recently_the_nearer_in_looks_gets_it() -> None:
    for place, look, expected in ((person(112), RED, 1), (person(100), looks(0.14), 2)):
        tracker = make()
        time = settle(tracker, see(person(100), person(112), features=[RED, looks(0.14)]))
        assert ids_by_row(tracker.update(see(place, features=[look]), time), 1) == [expected]


def test_looks_find_a_lost_track_where_overlap_cannot() -> None:
    for features, expected in (([RED], 1), (None, 2)):
        tracker = make()
        time = settle(tracker, see(person(100), features=features))
        # 0.5 s later and 60 px further: no overlap, but within the motion gate, which has widened.
        tracks = tracker.update(see(person(160), features=features), time + 0.5)
        assert ids_by_row(tracks, 1) == [expected]


def test_looks_do_not_count_beyond_the_motion_gate() -> None:
    tracker = make()
    time = settle(tracker, see(person(100), features=[RED]))
    assert ids_by_row(tracker.update(see(person(600), features=[RED]), time), 1) == [2]


def test_motion_does_not_count_beyond_the_appearance_limit() -> None:
    for angle, expected in ((0.64, 1), (0.65, 2)):  # 1 - cos: 0.198 and 0.204, around the limit of 0.2
        tracker = make()
        time = settle(tracker, see(person(100), features=[RED]))
        tracks = tracker.update(see(person(160), features=[looks(angle)]), time + 0.5)
        assert ids_by_row(tracks, 1) == [expected]


def test_overlap_matches_what_looks_did_not() -> None:
    tracker = make()
    time = settle(tracker, see(person(100), features=[RED]))
    assert ids_by_row(tracker.update(see(person(102), features=[BLUE]), time), 1) == [1]  # turned around, perhaps


def test_looks_come_before_overlap() -> None:
    tracker = make()
    time = settle(tracker, see(person(100), person(120), features=[RED, BLUE]))
    tracks = tracker.update(see(person(100), person(120), features=[BLUE, RED]), time)
    assert ids_by_row(tracks, 2) == [2, 1]


@pytest.mark.parametrize(("weight", "expected"), [(0.0, [1, 2]), (1.0, [2, 1])])
def test_motion_weight_moves_the_choice_from_looks_to_place(weight: float, expected: list[int]) -> None:
    tracker = make(motion_weight=weight)
    time = settle(tracker, see(person(100), features=[RED]))
    # The first looks the same and stands aside, the second stands in place and looks a little different.
    tracks = tracker.update(see(person(110), person(100), features=[RED, looks(0.4)]), time)
    assert ids_by_row(tracks, 2) == expected


def test_an_overlap_below_the_limit_starts_a_new_track() -> None:
    # Boxes 40 px wide, shifted by s: IoU (40 - s) / (40 + s), 0.212 for 26 and 0.194 for 27.
    for shift, expected in ((26, 1), (27, 2)):
        tracker = make(overlap_limit=0.8)
        tracker.update(see(person(100)), 0.0)
        assert ids_by_row(tracker.update(see(person(100 + shift)), 0.1), 1) == [expected]


def test_a_weak_detection_carries_a_track_on() -> None:
    tracker = make()
    time = settle(tracker, see(person(100)))
    tracks = tracker.update(see(person(101), scores=0.3), time)
    assert ids_by_row(tracks, 1) == [1]
    assert tracks.stages.tolist() == [Stage.CONFIRMED]


def test_a_weak_detection_needs_more_overlap() -> None:
    # IoU 0.509 for a shift of 13, 0.481 for 14; the limit is 0.5.
    for shift, expected in ((13, [1]), (14, [0])):
        tracker = make()
        tracker.update(see(person(100)), 0.0)
        assert ids_by_row(tracker.update(see(person(100 + shift), scores=0.3), 0.1), 1) == expected


def test_a_strong_detection_comes_before_a_weak_one_in_the_same_place() -> None:
    tracker = make()
    time = settle(tracker, see(person(100)))
    assert ids_by_row(tracker.update(see(person(100), person(110), scores=[0.3, 0.9]), time), 2) == [0, 1]


def test_weak_detections_neither_start_tracks_nor_revive_lost_ones() -> None:
    tracker = make()
    time = settle(tracker, see(person(100)))
    tracker.update(see(), time)
    tracks = tracker.update(see(person(100), person(700), scores=0.3), time + 1 / FPS)
    assert ids_by_row(tracks, 2) == [0, 0]
    assert tracks.stages.tolist() == [Stage.LOST]


@pytest.mark.parametrize(("score", "expected"), [(0.09, 0), (0.3, 0), (0.59, 0), (0.61, 1)])
def test_a_track_starts_from_the_new_score_on(score: float, expected: int) -> None:
    assert ids_by_row(make().update(see(person(100), scores=score), 0.0), 1) == [expected]


@pytest.mark.parametrize(("score", "expected"), [(0.09, 0), (0.11, 1)])
def test_detections_below_weak_are_not_used_at_all(score: float, expected: int) -> None:
    tracker = make()
    time = settle(tracker, see(person(100)))
    assert ids_by_row(tracker.update(see(person(100), scores=score), time), 1) == [expected]


def test_confirmed_tracks_choose_before_tentative_ones() -> None:
    tracker = make()
    time = settle(tracker, see(person(100)))
    tracker.update(see(person(100), person(120)), time)  # track 2 is tentative
    tracks = tracker.update(see(person(119)), time + 1 / FPS)  # nearer to track 2
    assert ids_by_row(tracks, 1) == [1]
    assert tracks.stages.tolist() == [Stage.CONFIRMED, Stage.ENDED]


def test_classes_are_never_mixed() -> None:
    for features in (None, [RED]):
        tracker = make()
        time = settle(tracker, see(person(100), labels=1, features=features))
        tracks = tracker.update(see(person(100), labels=2, features=features), time)
        assert ids_by_row(tracks, 1) == [2]
        tracks = tracker.update(see(person(100), labels=2, scores=0.3, features=features), time + 1 / FPS)
        assert ids_by_row(tracks, 1) == [0]


def test_only_strong_detections_are_remembered() -> None:
    tracker = make()
    time = settle(tracker, see(person(100), features=[RED]))
    tracker.update(see(person(100), scores=0.3, features=[BLUE]), time)  # blurred or half hidden
    # The track still does not know blue: 60 px aside, a blue one is somebody else.
    tracks = tracker.update(see(person(160), features=[BLUE]), time + 0.5)
    assert ids_by_row(tracks, 1) == [2]


def test_it_remembers_as_many_looks_as_the_budget_allows() -> None:
    for budget, expected in ((3, 2), (20, 1)):
        tracker = DeepSort(gallery_budget=budget, appearance_limit=0.2, lost_seconds=1.0)
        time = settle(tracker, see(person(100), features=[BLUE]), frames=3)
        time = settle(tracker, see(person(100), features=[RED]), frames=5, start=time)
        tracks = tracker.update(see(person(160), features=[BLUE]), time + 0.5)
        assert ids_by_row(tracks, 1) == [expected]


def test_frames_without_features_come_between() -> None:
    tracker = make()
    time = settle(tracker, see(person(100), features=[RED]))
    tracker.update(see(person(100), person(500)), time)  # the second starts without a look
    tracks = tracker.update(see(person(500), person(160), features=[BLUE, RED]), time + 0.5)
    assert ids_by_row(tracks, 2) == [2, 1]


def meeting(frame: int, *, turn_back: bool) -> tuple[Box, Box]:
    """Two who walk towards each other at 120 px/s and pass, or meet and turn back."""
    way = frame * 4.0
    if turn_back:
        way = min(way, 2 * 30 * 4.0 - way)
    return person(100 + way), person(340 - way, 104)


@pytest.mark.parametrize("turn_back", [False, True])
def test_two_of_different_looks_keep_their_ids_when_they_meet(turn_back: bool) -> None:
    tracker = make()
    for frame in range(61):
        both = meeting(frame, turn_back=turn_back)
        hidden = 26 <= frame <= 34  # the first stands behind the second
        seen = see(both[1], features=[BLUE]) if hidden else see(*both, features=[RED, BLUE])
        tracks = tracker.update(seen, frame / FPS).confirmed
        assert ids_by_row(tracks, len(seen)) == ([2] if hidden else [1, 2])


def test_features_of_another_length_are_refused() -> None:
    tracker = make()
    tracker.update(see(person(100), features=[RED]), 0.0)
    with pytest.raises(ValueError, match="features have 3 numbers, those before had 2"):
        tracker.update(see(person(100), features=[(1, 0, 0)]), 0.1)


def test_a_detection_whose_feature_is_broken_is_still_followed_by_its_box() -> None:
    tracker = make()
    broken = (np.nan, np.inf)
    time = settle(tracker, see(person(100), person(500), features=[RED, broken]))
    tracks = tracker.update(see(person(100), person(500), features=[broken, BLUE]), time)
    assert ids_by_row(tracks, 2) == [1, 2]
    tracks = tracker.update(see(person(160), person(560), features=[RED, BLUE]), time + 0.5)
    assert ids_by_row(tracks, 2) == [1, 2]
