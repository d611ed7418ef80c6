"""The life of tracks counted in seconds: confirmed, lost, ended; ids, order and saving."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tests.unit.trackers.scenes import assert_same, person, see
from trackers import kalman
from trackers.association import Pairing
from trackers.structures import Detections, Evidence, Stage, Tracks
from trackers.track_table import TrackTable

HERE = person(100)
NOTHING = Detections.empty()


def step(
    table: TrackTable,
    detections: Detections,
    seconds: float,
    *,
    owners: Sequence[int] = (),
    confirm: float = 0.15,
    tentative: float = 0.0,
    lost: float = 1.0,
) -> Tracks:
    """One frame: detection i belongs to the track in row `owners[i]`; detections without an owner start tracks."""
    table.predict(seconds)
    pairing = Pairing(len(table), len(detections))
    for column, row in enumerate(owners):
        pairing.detection_of[row], pairing.free[column] = column, False
    table.correct(pairing, detections)
    table.confirm(after=confirm)
    tracks, _ = table.turn_over(pairing, detections, np.flatnonzero(pairing.free), tentative=tentative, lost=lost)
    return tracks


def opened(model: kalman.MotionModel = kalman.XYWH8) -> TrackTable:
    """A table after an empty first frame, so that tracks are born tentative."""
    table = TrackTable(model)
    step(table, NOTHING, -1.0)
    return table


def times_until_confirmed(times: Sequence[float], *, confirm: float) -> float:
    table = opened()
    for time in times:
        owners = [0] if len(table) else []
        if step(table, see(HERE), time, owners=owners, confirm=confirm).stages[0] == Stage.CONFIRMED:
            return time
    return np.inf


@pytest.mark.parametrize(
    ("times", "confirm", "expected"),
    [
        pytest.param([i / 30 for i in range(20)], 0.15, 5 / 30, id="30 frames/s"),
        pytest.param([i / 30 for i in range(20)], 5 / 30, 5 / 30, id="30 frames/s, exactly on a frame"),
        pytest.param([i / 5 for i in range(20)], 0.15, 0.2, id="5 frames/s"),
        pytest.param([0.0, 0.01, 0.05, 0.149, 0.151, 0.3], 0.15, 0.151, id="irregular"),
        pytest.param([0.1, 0.2, 0.3, 0.4], 0.2, 0.3, id="exactly, though 0.3 - 0.1 is less than 0.2 in floats"),
        pytest.param([7.0, 7.1, 9.0], 0.15, 9.0, id="not counted from zero"),
        pytest.param([0.0, 0.1], 0.0, 0.1, id="never on the first sight"),
        pytest.param([1e6 + i / 10 for i in range(9)], 0.3, 1e6 + 0.3, id="after days"),
    ],
)
def test_a_track_is_confirmed_after_seconds_of_matches(times: list[float], confirm: float, expected: float) -> None:
    assert times_until_confirmed(times, confirm=confirm) == pytest.approx(expected)


def test_tracks_of_the_very_first_frame_are_born_confirmed() -> None:
    assert step(TrackTable(kalman.XYWH8), see(HERE), 0.0).stages.tolist() == [Stage.CONFIRMED]


def test_an_unseen_tentative_track_is_not_confirmed_by_waiting() -> None:
    table = opened()
    step(table, see(HERE), 0.0)
    step(table, see(HERE), 0.1, owners=[0], confirm=0.15)
    assert step(table, NOTHING, 0.3, confirm=0.15, tentative=9).stages.tolist() == [Stage.TENTATIVE]
    assert step(table, see(HERE), 0.4, owners=[0], confirm=0.15).stages.tolist() == [Stage.CONFIRMED]


def test_a_tentative_track_ends_when_it_is_missed_for_too_long() -> None:
    for patience, expected in ((0.0, Stage.ENDED), (0.1, Stage.TENTATIVE), (0.09, Stage.ENDED)):
        table = opened()
        step(table, see(HERE), 0.0)
        assert step(table, NOTHING, 0.1, tentative=patience).stages.tolist() == [expected]


@pytest.mark.parametrize("fps", [5, 30, 29.97])
def test_a_confirmed_track_is_lost_at_once_and_ends_after_seconds(fps: float) -> None:
    table = TrackTable(kalman.XYWH8)
    step(table, see(HERE), 0.0)
    ended_at = None
    for frame in range(1, 100):
        tracks = step(table, NOTHING, frame / fps, lost=1.0)
        if tracks.stages.tolist() == [Stage.ENDED]:
            ended_at = frame / fps
            break
        assert tracks.stages.tolist() == [Stage.LOST]
        assert tracks.evidence.tolist() == [Evidence.PREDICTED]
        assert tracks.rows.tolist() == [-1]
    assert ended_at is not None
    assert 1.0 < ended_at <= 1.0 + 1 / fps + 1e-9
    assert len(table) == 0
    assert len(step(table, NOTHING, 99.0)) == 0  # its end is told once


def test_a_track_unseen_for_exactly_its_patience_stays() -> None:
    table = TrackTable(kalman.XYWH8)
    step(table, see(HERE), 0.1)
    assert step(table, NOTHING, 0.4, lost=0.3).stages.tolist() == [Stage.LOST]  # 0.4 - 0.1 is more than 0.3 in floats
    assert step(table, NOTHING, 0.401, lost=0.3).stages.tolist() == [Stage.ENDED]


def test_uncertainty_grows_with_the_height_last_measured() -> None:
    table = TrackTable(kalman.XYWH8)
    step(table, see(person(100, height=100)), 0.0)
    step(table, see(person(100, height=130)), 0.1, owners=[0])
    step(table, NOTHING, 0.2)
    expected = kalman.predict(table.model, table.mean, table.covariance, 0.3, np.array([130.0]))
    table.predict(0.5)
    np.testing.assert_allclose(table.mean, expected[0])
    np.testing.assert_allclose(table.covariance, expected[1])


def test_seen_again_a_lost_track_is_confirmed_at_once() -> None:
    table = TrackTable(kalman.XYWH8)
    step(table, see(HERE), 0.0)
    step(table, NOTHING, 0.1)
    tracks = step(table, see(HERE), 0.2, owners=[0])
    assert tracks.stages.tolist() == [Stage.CONFIRMED]
    assert tracks.ids.tolist() == [1]
    assert tracks.evidence.tolist() == [Evidence.DETECTED]


def test_ids_rise_and_are_never_given_again() -> None:
    table = TrackTable(kalman.XYWH8)
    given: list[int] = []
    for frame in range(20):
        born = see(*[person(200 * i) for i in range(frame % 3)])
        tracks = step(table, born, frame * 1.0, lost=0.5)  # all that are not seen end
        assert tracks.ids.tolist() == sorted(tracks.ids.tolist())
        given += tracks.ids[tracks.rows >= 0].tolist()
    assert given == list(range(1, len(given) + 1))
    assert len(given) > 10


def test_a_matched_track_reports_its_detection() -> None:
    table = TrackTable(kalman.XYWH8)
    step(table, see(person(0), person(500)), 0.0)
    seen = see(person(900), person(501), person(1), scores=[0.5, 0.6, 0.7], labels=[3, 4, 5])
    table.predict(0.1)
    pairing = Pairing(2, 3)
    pairing.detection_of[:] = [2, 1]
    pairing.free[[1, 2]] = False
    table.correct(pairing, seen)
    tracks, kept = table.turn_over(pairing, seen, np.flatnonzero(pairing.free), tentative=0.0, lost=1.0)
    assert tracks.ids.tolist() == [1, 2, 3]
    assert tracks.rows.tolist() == [2, 1, 0]
    assert tracks.labels.tolist() == [5, 4, 3]
    np.testing.assert_array_equal(tracks.scores, np.array([0.7, 0.6, 0.5], np.float32))
    assert kept.tolist() == [True, True, True]
    middle = (tracks.boxes[:, 0] + tracks.boxes[:, 2]) / 2
    assert 0 < middle[0] < 1
    assert 500 < middle[1] < 501
    assert middle[2] == 900


def test_each_detection_brings_its_own_noise() -> None:
    seen = see(person(13), person(520))
    alone = []
    for noise in (0.25, 4.0):
        table = TrackTable(kalman.XYWH8)
        step(table, see(person(500), person(0)), 0.0)
        table.predict(0.1)
        pairing = Pairing(2, 2)
        pairing.detection_of[:] = [1, 0]
        expected = kalman.update(
            table.model, table.mean, table.covariance, seen.boxes[::-1], noise=np.array([1, noise])
        )
        table.correct(pairing, seen, noise=np.array([noise, 1.0]))
        np.testing.assert_array_equal(table.mean, expected[0])
        np.testing.assert_array_equal(table.covariance, expected[1])
        alone.append(table.mean[:, 0])
    assert alone[0][0] == alone[1][0]  # of the detection whose noise was 1
    assert alone[0][1] > alone[1][1]  # the surer one pulls further from 0 towards 13


def test_which_rows_stay_is_told() -> None:
    table = TrackTable(kalman.XYWH8)
    step(table, see(person(0), person(500), person(900)), 0.0)
    table.predict(2.0)
    pairing = Pairing(3, 1)
    pairing.detection_of[1], pairing.free[0] = 0, False
    table.correct(pairing, see(person(500)))
    tracks, kept = table.turn_over(pairing, see(person(500)), np.flatnonzero(pairing.free), tentative=0.0, lost=1.0)
    assert kept.tolist() == [False, True, False]
    assert tracks.stages.tolist() == [Stage.ENDED, Stage.CONFIRMED, Stage.ENDED]
    assert table.ids.tolist() == [2]


@pytest.mark.parametrize("seconds", [1.0, 0.999, -5.0, np.nan, np.inf, -np.inf])
def test_time_must_rise(seconds: float) -> None:
    table = TrackTable(kalman.XYWH8)
    step(table, see(HERE), 1.0)
    before = table.to_arrays()
    with pytest.raises(ValueError, match="does not follow the one at 1"):
        table.predict(seconds)
    for name, array in table.to_arrays().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)  # the frame has left no trace


def test_the_report_does_not_change_afterwards() -> None:
    table = TrackTable(kalman.XYWH8)
    first = step(table, see(HERE), 0.0)
    copy = first[np.array([True])]
    step(table, see(person(103), scores=0.3, labels=4), 0.1, owners=[0])
    assert_same(first, copy)


@pytest.mark.parametrize("model", [kalman.XYAH8, kalman.XYWH8, kalman.XYSR7])
def test_saved_and_restored_it_goes_on_to_the_last_bit(model: kalman.MotionModel) -> None:
    table, twin = TrackTable(model), TrackTable(model)
    step(table, see(person(0), person(500)), 0.3)
    step(table, see(person(503)), 0.4, owners=[1])
    state = table.to_arrays()
    twin.from_arrays(state)
    for frame in range(5, 12):
        seen = see(person(500 + 2.7 * frame), person(40 * frame))
        ours, theirs = (step(each, seen, frame / 10, owners=[len(each) - 1]) for each in (table, twin))
        assert_same(ours, theirs)
    for name, array in table.to_arrays().items():
        np.testing.assert_array_equal(array, twin.to_arrays()[name], err_msg=name)


def test_a_fresh_table_can_be_saved_too() -> None:
    twin = TrackTable(kalman.XYWH8)
    twin.from_arrays(TrackTable(kalman.XYWH8).to_arrays())
    assert step(twin, see(HERE), 0.0).stages.tolist() == [Stage.CONFIRMED]  # it is still the first frame


def test_a_saved_state_does_not_change_with_the_table() -> None:
    table = TrackTable(kalman.XYWH8)
    step(table, see(HERE), 0.0)
    saved = table.to_arrays()
    before = {name: array.copy() for name, array in saved.items()}
    step(table, see(person(110), scores=0.2), 0.1, owners=[0])
    twin = TrackTable(kalman.XYWH8)
    twin.from_arrays(saved)
    step(twin, see(person(90), scores=0.4), 0.1, owners=[0])
    for name, array in saved.items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_a_state_of_before_frames_without_looks_counted_is_read() -> None:
    table, twin = TrackTable(kalman.XYWH8), TrackTable(kalman.XYWH8)
    step(table, see(HERE), 0.0)
    step(table, see(), 0.1)
    now = table.to_arrays()
    twin.from_arrays({name: array for name, array in now.items() if name != "located_to"} | {"format": np.array(2)})
    for name, array in now.items():
        np.testing.assert_array_equal(array, twin.to_arrays()[name], err_msg=name)


def test_a_state_of_another_format_is_refused() -> None:
    state = TrackTable(kalman.XYWH8).to_arrays()
    with pytest.raises(ValueError, match="saved in format 99"):
        TrackTable(kalman.XYWH8).from_arrays(state | {"format": np.array(99)})


def test_camera_motion_carries_the_tracks_along() -> None:
    table = TrackTable(kalman.XYWH8)
    step(table, see(HERE), 0.0)
    table.predict(0.1, np.array([[1.0, 0, 30], [0, 1, -10]]))
    np.testing.assert_allclose(table.boxes[0], np.array(HERE) + np.array([30, -10, 30, -10]))


def test_no_track_and_no_detection() -> None:
    table = TrackTable(kalman.XYWH8)
    assert len(table) == 0
    assert table.boxes.shape == (0, 4)
    assert table.confirmed.shape == (0,)
    for frame in range(3):
        table.predict(float(frame), np.eye(2, 3))
        pairing = Pairing(0, 0)
        table.correct(pairing, NOTHING)
        table.confirm(after=0.1)
        tracks, kept = table.turn_over(pairing, NOTHING, np.zeros(0, np.int64), tentative=0.0, lost=1.0)
        assert len(tracks) == len(kept) == 0


def test_what_a_gap_outlasts_by_hand() -> None:
    """Row 0 confirmed and last seen at 0.0, row 1 confirmed and seen at 0.4, row 2 tentative and seen at 0.4."""
    table = opened()
    step(table, see(HERE, person(300)), 0.0, confirm=0.0)
    step(table, see(HERE, person(300)), 0.1, owners=[0, 1], confirm=0.0)
    table.seen_at[0] = 0.0
    step(table, see(person(300), person(500)), 0.4, owners=[1])
    assert table.seen_at.tolist() == [0.0, 0.4, 0.4]

    def outlasted(seconds: float, gap: float) -> list[bool]:
        return table.outlasted(seconds, gap, tentative=0.5, lost=1.0).tolist()

    assert outlasted(100.0, 0.0) == [False, False, False]
    assert outlasted(0.8, 0.3) == [False, False, False]
    assert outlasted(1.0, 0.3) == [False, False, True]  # 0.6 s unseen
    assert outlasted(1.2, 0.3) == [True, False, True]  # 1.2, 0.8, 0.8
    assert outlasted(1.5, 1.0) == [True, True, True]
    assert outlasted(0.5, np.inf) == [True, True, True]
    assert TrackTable(kalman.XYWH8).outlasted(0.5, np.inf, tentative=0.5, lost=1.0).shape == (0,)


def pair(model: kalman.MotionModel = kalman.XYWH8) -> TrackTable:
    """Two confirmed tracks of different height, label and age, that move and grow."""
    table = TrackTable(model)
    step(table, see(person(100), scores=0.5, labels=1), 0.0)
    step(table, see(person(104), person(300, height=60), scores=0.7, labels=[1, 2]), 0.1, owners=[0], confirm=0)
    step(
        table,
        see(person(108, height=104), person(297, height=62), scores=[0.8, 0.6], labels=[1, 2]),
        0.2,
        owners=[0, 1],
    )
    table.stages[:] = Stage.CONFIRMED
    return table


@pytest.mark.parametrize(("model", "sizes"), [(kalman.XYWH8, [6, 7]), (kalman.XYAH8, [6, 7]), (kalman.XYSR7, [6])])
def test_steady_boxes_are_those_of_lost_tracks(model: kalman.MotionModel, sizes: list[int]) -> None:
    table = pair(model)
    table.stages[1] = Stage.LOST
    table.mean[:, 4:] = 3.0
    table.steady(1.0)
    assert (table.mean[:, 4:] == 3).all()
    table.steady(0.5)
    assert (table.mean[0, 4:] == 3).all()
    assert (table.mean[1, 4:6] == 3).all()
    assert (table.mean[1, sizes] == 1.5).all()
    table.steady(0.0)
    assert (table.mean[1, sizes] == 0).all()
    TrackTable(model).steady(0.0)


def test_two_tracks_change_places_but_not_who_they_are() -> None:
    table = pair()
    table.stages[1] = Stage.LOST
    before, table_before = table.to_arrays(), table.boxes
    table.exchange(0, 1)
    after = table.to_arrays()
    for name in ("labels", "scores", "stages", "seen_at", "heights", "mean", "covariance"):
        np.testing.assert_array_equal(after[name], before[name][::-1], err_msg=name)
    for name in ("ids", "started_at", "hits", "next_id", "time"):
        np.testing.assert_array_equal(after[name], before[name], err_msg=name)
    np.testing.assert_array_equal(table.boxes, table_before[::-1])
    table.exchange(1, 0)
    for name, array in table.to_arrays().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def last_frame(
    time: float,
    *,
    shadowed: Sequence[bool] | None = None,
    spared: Sequence[bool] | None = None,
    outlasted: bool = False,
) -> tuple[Tracks, list[bool]]:
    """A frame at `time` in which nobody of two is seen; patience is 1 s, and they were seen at 0.2 s."""
    table = pair()
    table.predict(time)
    pairing = Pairing(2, 0)
    table.correct(pairing, NOTHING)
    tracks, kept = table.turn_over(
        pairing,
        NOTHING,
        np.zeros(0, np.int64),
        outlasted=np.full(2, outlasted),
        shadowed=None if shadowed is None else np.array(shadowed),
        spared=None if spared is None else np.array(spared),
        tentative=0.0,
        lost=1.0,
    )
    assert len(table) == sum(kept)
    return tracks, kept.tolist()


def test_a_shadowed_track_is_reported_as_located() -> None:
    tracks, kept = last_frame(0.3, shadowed=[False, True])
    assert tracks.stages.tolist() == [Stage.LOST, Stage.CONFIRMED]
    assert tracks.evidence.tolist() == [Evidence.PREDICTED, Evidence.SHADOWED]
    assert tracks.rows.tolist() == [-1, -1]
    assert kept == [True, True]


def test_a_spared_track_stays_beyond_its_patience() -> None:
    tracks, kept = last_frame(1.3, spared=[False, True])
    assert tracks.stages.tolist() == [Stage.ENDED, Stage.LOST]
    assert kept == [False, True]
    assert last_frame(1.3)[1] == [False, False]


def test_who_is_outlasted_ends_spared_and_shadowed_or_not() -> None:
    tracks, kept = last_frame(0.3, shadowed=[True, True], spared=[True, True], outlasted=True)
    assert kept == [False, False]
    assert tracks.stages.tolist() == [Stage.ENDED] * 2
    assert tracks.evidence.tolist() == [Evidence.PREDICTED] * 2


def test_tracks_born_in_the_frame_are_no_concern_of_the_shadow() -> None:
    table = pair()
    table.predict(0.3)
    seen = see(person(500))
    pairing = Pairing(2, 1)
    table.correct(pairing, seen)
    both = np.ones(2, dtype=bool)
    tracks, kept = table.turn_over(pairing, seen, np.array([0]), shadowed=both, spared=both, tentative=0.0, lost=0.0)
    assert tracks.ids.tolist() == [1, 2, 3]
    assert tracks.evidence.tolist() == [Evidence.SHADOWED, Evidence.SHADOWED, Evidence.DETECTED]
    assert tracks.stages.tolist() == [Stage.CONFIRMED, Stage.CONFIRMED, Stage.TENTATIVE]
    assert kept.all()
    assert table.stages[:2].tolist() == [Stage.LOST] * 2  # only the report says otherwise
