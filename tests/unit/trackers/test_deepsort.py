"""DeepSORT stage by stage, in scenes worked by hand."""

from __future__ import annotations

from math import cos, sin
from typing import Any

import numpy as np
import pytest

from tests.unit.trackers.scenes import Box, assert_same, person, see, watch
from trackers.calibration import ScoreCalibration
from trackers.deepsort import DeepSort
from trackers.structures import Detections, Evidence, Stage, Tracks

FPS = 30
RED, BLUE = (1.0, 0.0), (0.0, 1.0)


def looks(angle: float) -> tuple[float, float]:
    """A feature whose cosine distance to RED is 1 - cos(angle)."""
    return cos(angle), sin(angle)


def make(**changes: Any) -> DeepSort:
    """Numbers the scenes count on, whatever the defaults are; what a scene does not ask for is off."""
    settings = {
        "calibration": ScoreCalibration(known=([0.0, 1.0], [0.0, 1.0])),
        "strong_score": 0.5,
        "weak_score": 0.1,
        "new_score": 0.6,
        "noise_by_score": 0.0,
        "motion_weight": 0.0,
        "appearance_limit": 0.2,
        "mean_weight": 0.0,
        "overlap_limit": 0.8,
        "weak_overlap_limit": 0.5,
        "height_weight": 0.0,
        "score_weight": 0.0,
        "recovery_seconds": 0.0,
        "duplicate_overlap": 1.0,
        "recognition_limit": 0.0,
        "swap_margin": 2.0,
        "covered_share": 0.5,
        "shadow_seconds": 0.0,
        "shadowed_lost_seconds": 0.0,
        "confirm_seconds": 0.15,
        "tentative_seconds": 0.0,
        "lost_seconds": 1.0,
        "lost_growth": 1.0,
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
        tracker = make(gallery_budget=budget)
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


def test_a_threshold_is_a_precision() -> None:
    half_sure = ([0.0, 0.2, 1.0], [0.0, 0.6, 1.0])  # scores and how often they are right
    for score, expected in ((0.19, 0), (0.21, 1)):
        tracker = make(calibration=ScoreCalibration(known=half_sure), new_score=0.6)
        assert ids_by_row(tracker.update(see(person(100), scores=score), 0.0), 1) == [expected]


def test_the_box_of_a_lost_track_moves_on_and_keeps_its_size() -> None:
    for kept, growth in ((1.0, 50), (0.0, 0)):  # px/s of the height
        tracker = make(lost_growth=kept)
        coming = [see(person(100 + i, height=100 + i * 50 / FPS)) for i in range(60)]
        watch(tracker, coming, fps=FPS)
        lost = watch(tracker, [see()] * 20, fps=FPS, start=60 / FPS)
        boxes = np.concatenate([tracks.boxes for tracks in lost])
        heights = boxes[:, 3] - boxes[:, 1]
        assert heights[-1] - heights[0] == pytest.approx(growth * 19 / FPS, abs=0.1)
        assert boxes[-1, 0] - boxes[0, 0] == pytest.approx(19, abs=0.5 + growth / 2)


@pytest.mark.parametrize(("weight", "expected"), [(0.0, [0, 1]), (1.0, [1, 0])])
def test_who_is_as_tall_comes_first(weight: float, expected: list[int]) -> None:
    # Beside: IoU 32 / 48 = 0.667, heights the same. Below: IoU 81 / 119 = 0.681, and as much of the heights.
    tracker = make(height_weight=weight, new_score=1.0, confirm_seconds=0)
    settle(tracker, see(person(100), scores=1.0), frames=1)
    assert ids_by_row(tracker.update(see(person(108), person(100, 119)), 0.1), 2) == expected


@pytest.mark.parametrize(("weight", "expected"), [(0.0, [1, 2]), (0.3, [2, 1]), (2.0, [2, 1])])
def test_who_was_as_sure_comes_first(weight: float, expected: list[int]) -> None:
    # 1 - IoU: 1 - 36 / 44 = 0.182 and 1 - 34 / 46 = 0.261; scores differ by 0.35 and 0.
    tracker = make(score_weight=weight, new_score=0.5)
    settle(tracker, see(person(100)))
    tracks = tracker.update(see(person(104), person(94), scores=[0.55, 0.9]), 10 / FPS)
    assert ids_by_row(tracks, 2) == expected


@pytest.mark.parametrize(
    ("share", "score", "factor"),
    [
        pytest.param(0.0, 0.9, 1, id="off"),
        pytest.param(1.0, 0.75, 0.25, id="eq. 1"),
        pytest.param(0.4, 0.75, 0.7, id="by less"),
        pytest.param(1.0, 1.0, 0.0025, id="no detector is free of error"),
    ],
)
def test_a_sure_detection_moves_a_box_more(share: float, score: float, factor: float) -> None:
    tracker = make(noise_by_score=share)
    tracker.update(see(person(100)), 0.0)
    tracks = tracker.update(see(person(110), scores=score), 0.1)
    # Boxes 100 px high; after 0.1 s: P = P0 + t^2 V0 + d t + a t^3 / 3, the numbers of XYWH8 times 100.
    position = 10**2 + 0.1**2 * 187.5**2 + 27.4**2 * 0.1 + 50**2 * 0.1**3 / 3
    gain = position / (position + factor * 8**2)
    assert (tracks.boxes[0, 0] + tracks.boxes[0, 2]) / 2 == pytest.approx(100 + gain * 10, abs=1e-3)


@pytest.mark.parametrize(("seconds", "expected"), [(0.0, 2), (0.3, 2), (1.0, 1)])
@pytest.mark.parametrize("pan", [0.0, 300.0])
def test_a_track_is_found_where_it_was_last_seen(seconds: float, expected: int, pan: float) -> None:
    tracker = make(recovery_seconds=seconds)
    watch(tracker, [see(person(100 + 4 * i)) for i in range(20)], fps=FPS)
    # It stopped. 0.4 s later its prediction is 48 px further, and the boxes are 40 px wide.
    motion = np.array([[1.0, 0, pan], [0, 1, 0]])
    tracks = tracker.update(see(person(176 + pan)), 19 / FPS + 0.4, camera_motion=motion)
    assert ids_by_row(tracks, 1) == [expected]


def test_a_weak_detection_is_not_looked_for_there() -> None:
    tracker = make(recovery_seconds=1.0)
    watch(tracker, [see(person(100 + 4 * i)) for i in range(20)], fps=FPS)
    assert ids_by_row(tracker.update(see(person(176), scores=0.3), 19 / FPS + 0.4), 1) == [0]


def far_away(tracker: DeepSort, way: float, *, look: float = 0.0, label: int = 0) -> list[int]:
    """Somebody stands still, is unseen for 0.5 s, and then one is seen `way` pixels beside: its id."""
    watch(tracker, [see(person(100), features=[RED])] * 10, fps=FPS)
    tracks = tracker.update(see(person(100 + way), features=[looks(look)], labels=label), 9 / FPS + 0.5)
    return ids_by_row(tracks, 1)


def test_looks_alone_bring_a_track_back_within_its_reach() -> None:
    # 100 px high: half of that, and 2 heights a second for 0.5 s. The motion gate ends well before.
    for way, expected in ((149, 1), (151, 2)):
        assert far_away(make(recognition_limit=0.2, recognition_speed=2.0), way) == [expected]
    assert far_away(make(recognition_limit=0.2, recognition_speed=1.0), 149) == [2]
    assert far_away(make(recognition_limit=0.0), 149) == [2]


def test_looks_alone_must_be_near_and_of_the_class() -> None:
    for angle, expected in ((0.64, 1), (0.65, 2)):  # 1 - cos: 0.198 and 0.204
        assert far_away(make(recognition_limit=0.2), 140, look=angle) == [expected]
    assert far_away(make(recognition_limit=0.2), 140, label=1) == [2]


def test_looks_alone_take_nobody_from_a_track_that_stands_there() -> None:
    tracker = make(recognition_limit=0.2)
    time = settle(tracker, see(person(100), person(240), features=[RED, BLUE]))
    assert ids_by_row(tracker.update(see(person(240), features=[RED]), time), 1) == [2]


@pytest.mark.parametrize("weight", [0.5, 1.0])
def test_part_of_the_cost_is_the_distance_to_the_running_mean(weight: float) -> None:
    mean = np.array(BLUE)
    for _ in range(4):
        mean = 0.9 * mean + 0.1 * np.array(RED)
        mean /= np.linalg.norm(mean)
    cost = weight * (1 - mean[0])  # of RED, of which there are exemplars
    for limit, expected in ((cost - 0.01, 2), (cost + 0.01, 1)):
        tracker = make(mean_weight=weight, appearance_limit=limit)
        time = settle(tracker, see(person(100), features=[BLUE]), frames=1)
        time = settle(tracker, see(person(100), features=[RED]), frames=4, start=time)
        assert ids_by_row(tracker.update(see(person(160), features=[RED]), time + 0.5), 1) == [expected]


@pytest.mark.parametrize(
    ("limit", "label", "expected"),
    [
        pytest.param(0.90, 0, [1, 0], id="lies on a track"),  # IoU 38 / 42 = 0.905
        pytest.param(0.91, 0, [1, 2], id="beside it"),
        pytest.param(0.90, 1, [1, 2], id="another class"),
        pytest.param(1.0, 0, [1, 2], id="off"),
    ],
)
def test_a_duplicate_starts_no_track(limit: float, label: int, expected: list[int]) -> None:
    tracker = make(duplicate_overlap=limit)
    time = settle(tracker, see(person(100)))
    tracks = tracker.update(see(person(100), person(102), labels=[0, label]), time)
    assert ids_by_row(tracks, 2) == expected


BACK, FRONT = person(100, 100), person(110, 106)  # 30 x 94 of 40 x 100 px are shared: 0.705


def unseen(tracker: DeepSort, seen: Detections, *, frames: int) -> list[tuple[Stage, Evidence]]:
    """Two stand one before the other; then only `seen` is: what becomes of track 1, at 10 frames/s."""
    watch(tracker, [see(BACK, FRONT)] * 5, fps=10)
    tracks = watch(tracker, [seen] * frames, fps=10, start=0.5)
    first = [(one.stages[0], one.evidence[0]) for one in tracks if one.ids[:1].tolist() == [1]]
    assert all(one.rows[0] == -1 for one in tracks if one.ids[:1].tolist() == [1])
    return [(Stage(stage), Evidence(evidence)) for stage, evidence in first]


SHADOWED = (Stage.CONFIRMED, Evidence.SHADOWED)
LOST, ENDED = (Stage.LOST, Evidence.PREDICTED), (Stage.ENDED, Evidence.PREDICTED)


@pytest.mark.parametrize(
    ("share", "shadow", "patience", "expected"),
    [
        pytest.param(0.7, 0.4, 2.0, [SHADOWED] * 4 + [LOST] * 16 + [ENDED], id="shadowed, lost, ended"),
        pytest.param(0.7, 0.4, 0.0, [SHADOWED] * 4 + [LOST] * 6 + [ENDED], id="no longer than others"),
        pytest.param(0.7, 0.0, 2.0, [LOST] * 20 + [ENDED], id="not reported"),
        pytest.param(0.71, 0.4, 2.0, [LOST] * 10 + [ENDED], id="not covered enough"),
        pytest.param(0.7, 1.3, 0.0, [SHADOWED] * 10 + [ENDED], id="an end is an end"),
    ],
)
def test_a_covered_track_is_in_the_shadow_and_waits_longer(
    share: float, shadow: float, patience: float, expected: list[tuple[Stage, Evidence]]
) -> None:
    tracker = make(covered_share=share, shadow_seconds=shadow, shadowed_lost_seconds=patience)
    assert unseen(tracker, see(FRONT), frames=40) == expected


def test_who_reaches_lower_is_not_hidden() -> None:
    tracker = make(shadow_seconds=0.4, shadowed_lost_seconds=2.0)
    watch(tracker, [see(BACK, FRONT)] * 5, fps=10)
    tracks = watch(tracker, [see(BACK)] * 11, fps=10, start=0.5)
    assert [(one.stages[1], one.evidence[1]) for one in tracks] == [LOST] * 10 + [ENDED]


def test_whom_nothing_hides_is_not_hidden_whatever_the_share() -> None:
    tracker = make(covered_share=0.0, shadow_seconds=0.4, shadowed_lost_seconds=2.0)
    assert unseen(tracker, see(), frames=11) == [LOST] * 10 + [ENDED]


def test_a_car_that_is_called_a_truck_from_now_on_is_not_behind_itself() -> None:
    tracker = make(shadow_seconds=0.4, shadowed_lost_seconds=2.0)
    watch(tracker, [see((0, 0, 40, 80), labels=1)] * 5, fps=10)
    tracks = watch(tracker, [see((0, 0, 40, 81), labels=2)] * 11, fps=10, start=0.5)
    assert [(one.stages[0], one.evidence[0]) for one in tracks] == [LOST] * 10 + [ENDED]


def test_who_is_not_seen_hides_nobody() -> None:
    tracker = make(shadow_seconds=0.4, shadowed_lost_seconds=2.0)
    assert unseen(tracker, see(), frames=40) == [LOST] * 10 + [ENDED]


@pytest.mark.parametrize(("share", "expected"), [(0.7, 3), (0.71, 1)])
def test_what_a_covered_track_looks_like_is_not_remembered(share: float, expected: int) -> None:
    red, blue, green = np.eye(3)
    tracker = make(covered_share=share)
    time = settle(tracker, see(BACK, FRONT, features=[red, blue]), frames=3)
    time = settle(tracker, see(BACK, FRONT, features=[green, blue]), frames=5, start=time)
    # Both are gone for half a second; 60 px aside one is green.
    assert ids_by_row(tracker.update(see(person(40), features=[green]), time + 0.5), 1) == [expected]


def mistaken(frame: int, angle: float) -> Detections:
    """Two meet at frame 30 and turn back; motion says that they pass. From frame 25 to 37 nothing tells their looks."""
    one, other = meeting(frame, turn_back=True)
    if 25 <= frame < 38:
        return see(one, other, features=[(np.nan, np.nan)] * 2)
    return see(one, other, features=[RED, looks(angle)])


def told(tracker: DeepSort, angle: float) -> list[list[int]]:
    """Ids by person in frames 24, 37 and 38, when their looks are seen again, and at the end."""
    ids = [ids_by_row(tracker.update(mistaken(frame, angle), frame / FPS), 2) for frame in range(50)]
    return [ids[24], ids[37], ids[38], ids[49]]


def test_after_a_mistake_ids_go_back_to_whom_they_look_like() -> None:
    assert told(make(swap_margin=0.2), 1.5) == [[1, 2], [2, 1], [1, 2], [1, 2]]
    assert told(make(swap_margin=2.0), 1.5) == [[1, 2], [2, 1], [2, 1], [2, 1]]


def test_ids_go_back_for_more_than_the_margin() -> None:
    for angle, expected in ((0.44, [2, 1]), (0.46, [1, 2])):  # 2 (1 - cos): 0.19 and 0.21
        assert told(make(swap_margin=0.2), angle)[2:] == [expected] * 2


def test_ids_go_back_once_if_each_has_hidden_the_other() -> None:
    tracker = make(swap_margin=0.2)
    watch(tracker, [mistaken(frame, 1.5) for frame in range(38)], fps=FPS)
    assert tracker.looks.encounters.ids.tolist() == [[1, 2], [2, 1]]  # once they are mistaken, 2 is behind
    assert ids_by_row(tracker.update(mistaken(38, 1.5), 38 / FPS), 2) == [1, 2]
    assert len(tracker.looks.encounters.ids) == 0


def test_motion_goes_with_the_ids_that_go_back() -> None:
    tracker = make(swap_margin=0.2)
    watch(tracker, [mistaken(frame, 1.5) for frame in range(39)], fps=FPS)
    lost = watch(tracker, [Detections.empty(dimension=2)] * 6, fps=FPS, start=39 / FPS)
    left, right = lost[-1].boxes[:, 0] - lost[0].boxes[:, 0]
    assert left == pytest.approx(-20, abs=4)  # five frames of 4 px
    assert right == pytest.approx(20, abs=4)


def test_they_have_no_encounter_if_no_one_asks_about_it() -> None:
    tracker = make(swap_margin=2.0)
    watch(tracker, [mistaken(frame, 1.5) for frame in range(38)], fps=FPS)
    assert len(tracker.looks.encounters.ids) == 0


@pytest.mark.parametrize("cut", [20, 31, 37])
def test_saved_while_two_meet_it_goes_on_to_the_last_bit(cut: int) -> None:
    def tracker() -> DeepSort:
        calibration = ScoreCalibration(enough=10_000)
        return make(calibration=calibration, swap_margin=0.2, recovery_seconds=1.0, shadow_seconds=0.4, lost_growth=0)

    frames = [mistaken(frame, 1.5) for frame in range(70)]
    whole, second = tracker(), tracker()
    watch(whole, frames[:cut], fps=FPS)
    state = whole.to_arrays()
    assert len(state["looks.encounters.ids"]) == {20: 0, 31: 1, 37: 2}[cut]
    assert len(state["observations.boxes"]) == 2
    expected = watch(whole, frames[cut:], fps=FPS, start=cut / FPS)
    second.from_arrays(state)
    for ours, theirs in zip(watch(second, frames[cut:], fps=FPS, start=cut / FPS), expected, strict=True):
        assert_same(ours, theirs)
    assert ids_by_row(expected[-1], 2) == [1, 2]
    for name, array in whole.to_arrays().items():
        np.testing.assert_array_equal(second.to_arrays()[name], array, err_msg=name)


def test_a_state_of_another_format_is_refused() -> None:
    state = make().to_arrays()
    with pytest.raises(ValueError, match="deepsort's state was saved in format 9, this version reads 5"):
        make().from_arrays(state | {"deepsort_format": np.array(9)})
    first = {key: array for key, array in state.items() if "." not in key and key != "deepsort_format"}
    with pytest.raises(ValueError, match="format 1"):
        make().from_arrays(first | {"gallery.budget": np.array(100)})


def test_a_frame_without_anybody_while_two_meet() -> None:
    tracker = make(swap_margin=0.2)
    watch(tracker, [mistaken(frame, 1.5) for frame in range(31)], fps=FPS)
    assert len(tracker.looks.encounters.ids) == 1
    assert len(tracker.update(Detections.empty(dimension=2), 31 / FPS).confirmed) == 0
    assert sorted(ids_by_row(tracker.update(mistaken(32, 1.5), 32 / FPS), 2)) == [1, 2]
