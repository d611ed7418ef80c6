"""What holds for every multi-object tracker, whatever it is shown."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.trackers.scenes import assert_same, person, random_walk, see, watch
from trackers import kalman
from trackers.bytetrack import ByteTrack
from trackers.calibration import ScoreCalibration
from trackers.deepsort import DeepSort
from trackers.ocsort import OcSort
from trackers.sort import Sort
from trackers.structures import Detections, Evidence, FloatArray, MultiObjectTracker, Stage, State, Tracks

DIMENSION = 8


class Patient(MultiObjectTracker, Protocol):
    """Every tracker waits for who is lost."""

    lost_seconds: float


Make = Callable[[], Patient]


def with_every_tracker(*, enough: int = 20_000) -> pytest.MarkDecorator:
    """`enough`: detections that the calibration learns from before it is frozen."""

    def deepsort(**changes: Any) -> Make:
        return lambda: DeepSort(calibration=ScoreCalibration(enough=enough), **changes)

    every_stage = {  # also those that are off by default
        "noise_by_score": 0.5,
        "motion_weight": 0.1,
        "mean_weight": 0.5,
        "score_weight": 0.1,
        "recovery_seconds": 1.0,
        "lost_growth": 0.5,
    }
    return pytest.mark.parametrize(
        ("make", "dimension"),
        [
            pytest.param(deepsort(), None, id="deepsort"),
            pytest.param(deepsort(), DIMENSION, id="deepsort with features"),
            pytest.param(deepsort(**every_stage), DIMENSION, id="deepsort with every stage"),
            pytest.param(deepsort(model=kalman.XYSR7, recovery_seconds=1.0), DIMENSION, id="deepsort xysr7"),
            pytest.param(ByteTrack, None, id="bytetrack"),
            pytest.param(Sort, None, id="sort"),
            pytest.param(OcSort, None, id="ocsort"),
        ],
    )


every_tracker = with_every_tracker()
every_seed = given(seed=st.integers(0, 2**32))


def moved(frame: Detections, change: Callable[[FloatArray], FloatArray]) -> Detections:
    return Detections(change(frame.boxes), frame.scores, frame.labels, frame.features)


def on_eighths(frames: Iterable[Detections]) -> list[Detections]:
    """Boxes on eighths of a pixel, so that shifting and scaling them is exact in float32."""
    return [moved(frame, lambda boxes: np.round(boxes * 8) / 8) for frame in frames]


@every_tracker
@settings(max_examples=3)
@every_seed
def test_the_order_of_detections_does_not_matter(make: Make, dimension: int | None, seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames = list(random_walk(seed, 25, dimension=dimension))
    orders = [rng.permutation(len(frame)) for frame in frames]
    plain = watch(make(), frames, fps=10)
    mixed = watch(make(), [frame[order] for frame, order in zip(frames, orders, strict=True)], fps=10)
    for ours, theirs, order in zip(plain, mixed, orders, strict=True):
        np.testing.assert_array_equal(theirs.ids, ours.ids)
        np.testing.assert_array_equal(np.append(order, -1)[theirs.rows], ours.rows)
        np.testing.assert_allclose(theirs.boxes, ours.boxes, rtol=1e-5)
        for column in ("scores", "labels", "stages", "evidence"):
            np.testing.assert_array_equal(getattr(theirs, column), getattr(ours, column))


@every_tracker
@settings(max_examples=3)
@every_seed
def test_shifting_the_image_shifts_the_boxes(make: Make, dimension: int | None, seed: int) -> None:
    shift = np.array([512, -128, 512, -128], np.float32)
    frames = on_eighths(random_walk(seed, 25, dimension=dimension))
    plain = watch(make(), frames, fps=10)
    aside = watch(make(), [moved(frame, lambda boxes: boxes + shift) for frame in frames], fps=10)
    for ours, theirs in zip(plain, aside, strict=True):
        np.testing.assert_array_equal(ours.ids, theirs.ids)
        np.testing.assert_array_equal(ours.rows, theirs.rows)
        np.testing.assert_allclose(theirs.boxes - shift, ours.boxes, atol=2e-3)


@every_tracker
@settings(max_examples=3)
@every_seed
def test_scaling_the_image_scales_the_boxes(make: Make, dimension: int | None, seed: int) -> None:
    frames = on_eighths(random_walk(seed, 25, dimension=dimension))
    plain = watch(make(), frames, fps=10)
    larger = watch(make(), [moved(frame, lambda boxes: boxes * 4) for frame in frames], fps=10)
    for ours, theirs in zip(plain, larger, strict=True):
        np.testing.assert_array_equal(ours.ids, theirs.ids)
        np.testing.assert_array_equal(ours.rows, theirs.rows)
        np.testing.assert_allclose(theirs.boxes / 4, ours.boxes, rtol=1e-4, atol=2e-3)


def check(tracks: Tracks, frame: Detections, ended: set[int], newest: int) -> int:
    """What must hold of any answer; the newest id so far."""
    assert (np.diff(tracks.ids) > 0).all()  # at most once a frame, in order of birth
    assert not ended & set(tracks.ids.tolist())  # ended is for good
    ended |= set(tracks.ids[tracks.stages == Stage.ENDED].tolist())
    seen = tracks.rows >= 0
    rows = tracks.rows[seen]
    assert len(set(rows.tolist())) == len(rows)
    assert (rows < len(frame)).all()
    assert frame.usable[rows].all()
    np.testing.assert_array_equal(tracks.labels[seen], frame.labels[rows])
    np.testing.assert_array_equal(tracks.scores[seen], frame.scores[rows])
    shadowed = tracks.evidence == Evidence.SHADOWED
    unseen = np.where(shadowed, Evidence.SHADOWED, Evidence.PREDICTED)
    np.testing.assert_array_equal(tracks.evidence, np.where(seen, Evidence.DETECTED, unseen))
    assert (tracks.stages[shadowed] == Stage.CONFIRMED).all()
    assert (seen | shadowed)[tracks.stages == Stage.CONFIRMED].all()
    fresh = tracks.ids[tracks.ids > newest]
    np.testing.assert_array_equal(fresh, np.arange(newest + 1, newest + 1 + len(fresh)))
    assert seen[tracks.ids > newest].all()
    assert tracks.boxes.dtype == np.float32
    assert np.isfinite(tracks.boxes).all()
    assert (tracks.boxes[:, 2:] >= tracks.boxes[:, :2]).all()
    return newest + len(fresh)


@every_tracker
@settings(max_examples=3)
@every_seed
def test_ids_and_rows_are_sound(make: Make, dimension: int | None, seed: int) -> None:
    tracker, ended, newest = make(), set[int](), 0
    for index, frame in enumerate(random_walk(seed, 60, dimension=dimension)):
        newest = check(tracker.update(frame, index / 10), frame, ended, newest)
    assert newest > 0


def spoiled(seed: int, frames: int, dimension: int | None) -> Iterator[Detections]:
    """Walkers among boxes that are not numbers, infinite, empty, inside out, huge, tiny and repeated."""
    rng = np.random.default_rng(seed)
    inf, nan = np.inf, np.nan
    bad = np.array(
        [
            [nan, 0, 10, 10],
            [nan, nan, nan, nan],
            [0, 0, inf, 10],
            [-inf, -inf, inf, inf],
            [5, 5, 5, 5],
            [5, 5, 5, 90],
            [90, 90, 10, 10],
            [-3e38, -3e38, 3e38, 3e38],
            [0, 0, 1e20, 1e20],
            [-1e9, -1e9, 1e9, 1e9],
            [0, 0, 1e9, 1],
            [0, 0, 1e-3, 900],
            [1, 1, 1.0000001, 1.0000001],
            [0, 0, 1e-44, 1e-44],
            [300, 300, 340, 400],
        ],
        np.float32,
    )
    for frame in random_walk(seed, frames, dimension=dimension):
        extra = bad[rng.integers(0, len(bad), rng.integers(0, 12))]
        again = frame.boxes[rng.integers(0, max(1, len(frame)), min(2, len(frame)))]
        boxes = np.concatenate([frame.boxes, extra, again])
        boxes = boxes if rng.random() < 0.95 else boxes[:0]
        scores = rng.uniform(0.05, 1, len(boxes)).astype(np.float32)
        scores[rng.random(len(boxes)) < 0.05] = rng.choice(np.array([nan, inf, -inf, -1, 2], np.float32))
        features = None
        if dimension and rng.random() < 0.9:
            features = rng.normal(size=(len(boxes), dimension)).astype(np.float32)
            features[rng.random(len(boxes)) < 0.1] = rng.choice(np.array([nan, inf, 0], np.float32))
        yield Detections(boxes, scores, rng.integers(0, 2, len(boxes)), features)


# times that are -inf where there was none
NEVER = ("calibration.time", "silhouettes.masked_at", "looks.gallery.described_at")


def assert_finite(state: State) -> None:
    """Numbers, but for what never was: a calibration's last learning once it knows enough, a track's mask, looks."""
    for name, array in state.items():
        assert np.isfinite(array).all() or (name in NEVER and not np.isnan(array).any()), name


def assert_bad_input_is_survived(tracker: MultiObjectTracker, dimension: int | None, frames: int) -> None:
    """Beside what is seen: frames at all distances, cameras that jerk, turn and zoom, pictures that were missing."""
    rng = np.random.default_rng(5)
    ended, newest, time = set[int](), 0, 0.0
    for frame in spoiled(6, frames, dimension):
        motion, gap = None, 0.0
        if rng.random() < 0.1:
            turn, zoom = rng.normal(0, 0.05), 2 ** rng.normal(0, 0.1)
            c, s = zoom * np.cos(turn), zoom * np.sin(turn)
            motion = np.array([[c, -s, rng.normal(0, 100)], [s, c, rng.normal(0, 100)]])
        if rng.random() < 0.01:
            gap = float(rng.choice([0.01, 1.0, 100.0, np.inf]))
        newest = check(tracker.update(frame, time, camera_motion=motion, gap=gap), frame, ended, newest)
        time += 10 ** rng.uniform(-6, -1) if rng.random() < 0.98 else 10 ** rng.uniform(0, 6)
    assert_finite(tracker.to_arrays())
    assert newest > frames / 10


@every_tracker
def test_bad_input_is_survived(make: Make, dimension: int | None) -> None:
    assert_bad_input_is_survived(make(), dimension, 400)


@pytest.mark.long
@every_tracker
def test_bad_input_is_survived_for_long(make: Make, dimension: int | None) -> None:
    assert_bad_input_is_survived(make(), dimension, 10_000)


def assert_memory_is_flat(tracker: MultiObjectTracker, dimension: int | None, frames: int, *, loop: int) -> None:
    """The same seconds of video over and over: who leaves is forgotten, so the end takes no more than the beginning.

    What Python and numpy hold is traced, not only what the tracker would save. What grows with the frames would be
    twice as large at the end as in the middle. `loop`: frames after which they come again.
    """
    video = list(random_walk(9, loop, dimension=dimension))
    sizes, traced = np.zeros((2, frames // len(video)), np.int64)
    newest = 0
    tracemalloc.start()
    try:
        for index in range(frames):
            tracks = tracker.update(video[index % len(video)], index / 10)
            newest = max(newest, int(tracks.ids.max(initial=0)))
            if (index + 1) % len(video) == 0:
                sizes[index // len(video)] = sum(array.nbytes for array in tracker.to_arrays().values())
                traced[index // len(video)] = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    half = len(sizes) // 2
    assert newest > frames / 100  # people came and went all the time
    assert sizes[half:].max() <= 1.5 * sizes[:half].max()
    assert traced[half:].max() <= traced[:half].max() + min(100_000, 250 * frames)


@with_every_tracker(enough=200)
def test_memory_stays_flat(make: Make, dimension: int | None) -> None:
    assert_memory_is_flat(make(), dimension, 200, loop=25)


@pytest.mark.long
@pytest.mark.timeout(3600)
@every_tracker
def test_memory_stays_flat_over_an_hour(make: Make, dimension: int | None) -> None:
    assert_memory_is_flat(make(), dimension, 100_000, loop=50)


@every_tracker
def test_two_trackers_side_by_side_give_what_each_gives_alone(make: Make, dimension: int | None) -> None:
    videos = [list(random_walk(seed, 60, dimension=dimension)) for seed in (1, 2)]
    alone = [watch(make(), video, fps=10) for video in videos]
    trackers = make(), make()
    for index in range(60):
        for tracker, video, expected in zip(trackers, videos, alone, strict=True):
            assert_same(tracker.update(video[index], index / 10), expected[index])


def through_a_file(state: State) -> State:
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **state)
    file.seek(0)
    with np.load(file, allow_pickle=False) as loaded:
        return dict(loaded)


@every_tracker
@pytest.mark.parametrize(
    "keep", [pytest.param(lambda state: state, id="arrays"), pytest.param(through_a_file, id="npz")]
)
def test_saved_and_restored_a_tracker_goes_on_to_the_last_bit(
    make: Make, dimension: int | None, keep: Callable[[State], State]
) -> None:
    frames = list(random_walk(3, 50, dimension=dimension))
    whole, first, cuts = make(), make(), (0, 1, 23, 50)
    expected = watch(whole, frames, fps=10)
    saved = dict[int, State]()
    for index in range(51):  # going on must not change what was saved, nor saving what comes
        if index in cuts:
            saved[index] = keep(first.to_arrays())
        if index < 50:
            assert_same(first.update(frames[index], index / 10), expected[index])
    for cut, state in saved.items():
        second = make()
        second.from_arrays(state)
        for index, frame in enumerate(frames[cut:], start=cut):
            assert_same(second.update(frame, index / 10), expected[index])
        for name, array in whole.to_arrays().items():
            np.testing.assert_array_equal(second.to_arrays()[name], array, err_msg=name)


@every_tracker
def test_an_empty_scene_stays_empty(make: Make, dimension: int | None) -> None:
    tracker = make()
    nothing = Detections.empty(dimension=dimension)
    assert all(len(tracks) == 0 for tracks in watch(tracker, [nothing] * 3, fps=10))


@every_tracker
def test_after_a_long_time_without_anybody_ids_go_on(make: Make, dimension: int | None) -> None:
    tracker = make()
    frames = list(random_walk(4, 20, dimension=dimension))
    newest = max(int(tracks.ids.max(initial=0)) for tracks in watch(tracker, frames, fps=10))
    empty = watch(tracker, [Detections.empty(dimension=dimension)] * 300, fps=10, start=2.0)
    assert all(len(tracks) == 0 for tracks in empty[20:])
    size = {name: array.size for name, array in tracker.to_arrays().items() if array.ndim}
    size = {name: count for name, count in size.items() if not name.startswith("calibration.")}
    assert set(size.values()) == {0}  # nothing is kept of those who left; what was learned of the detector is
    later = [tracks for tracks in watch(tracker, frames, fps=10, start=40.0) if len(tracks)]
    assert later[0].ids[0] == newest + 1


def walkers(frame_times: FloatArray) -> list[Detections]:
    """Four people in four lanes who walk at up to 90 px/s, seen at the given times."""
    starts, speeds = np.array([100, 300, 700, 900]), np.array([90, 60, -60, -90])
    return [
        see(*[person(float(x), 100 + 150 * lane) for lane, x in enumerate(starts + speeds * time)])
        for time in frame_times
    ]


@every_tracker
@pytest.mark.parametrize(
    "times",
    [
        pytest.param(np.arange(0, 5, 1 / 30), id="30 frames/s"),
        pytest.param(np.arange(0, 5, 1 / 7), id="7 frames/s"),
        pytest.param(np.concatenate([np.arange(0, 2, 1 / 30), np.arange(2, 6, 1 / 6)]), id="30, then 6 frames/s"),
        pytest.param(np.sort(np.random.default_rng(7).uniform(0, 6, 60)), id="at random times"),
        pytest.param(np.delete(np.arange(0, 6, 1 / 25), np.r_[20:35, 60:75, 100:112]), id="with frames dropped"),
    ],
)
def test_ids_last_whatever_the_rate_of_frames(make: Make, dimension: int | None, times: FloatArray) -> None:
    tracker = make()
    for time, frame in zip(times, walkers(times), strict=True):
        tracks = tracker.update(frame, float(time))
        assert tracks.ids.tolist() == [1, 2, 3, 4]
        assert tracks.rows.tolist() == [0, 1, 2, 3]


@every_tracker
def test_known_camera_motion_keeps_ids(make: Make, dimension: int | None) -> None:
    # A camera that jerks by 60 px to and fro, people 40 px wide who stand still.
    offsets = [60 * (frame // 3 % 2) for frame in range(40)]
    frames = [see(*[person(x + offset) for x in (100, 400, 700)]) for offset in offsets]
    still, blind = make(), make()
    for index, frame in enumerate(frames):
        by = offsets[index] - offsets[index - 1] if index else 0
        tracks = still.update(frame, index / 30, camera_motion=np.array([[1.0, 0, by], [0, 1, 0]]))
        assert tracks.ids.tolist() == [1, 2, 3]
        assert tracks.rows.tolist() == [0, 1, 2]
    assert max(tracks.ids.max() for tracks in watch(blind, frames, fps=30)) > 3  # without it they are lost


@every_tracker
def test_a_zooming_camera_keeps_ids(make: Make, dimension: int | None) -> None:
    tracker, scale = make(), 1.0
    for index in range(40):
        zoom = 1.0 if index == 0 else 1.08
        scale *= zoom
        frame = see(*[tuple(side * scale for side in person(x)) for x in (100, 400, 700)])
        tracks = tracker.update(frame, index / 30, camera_motion=np.array([[zoom, 0, 0], [0, zoom, 0]]))
        assert tracks.rows.tolist() == [0, 1, 2]


@every_tracker
def test_a_refused_frame_leaves_no_trace(make: Make, dimension: int | None) -> None:
    frames = list(random_walk(8, 20, dimension=dimension))
    tracker, twin = make(), make()
    watch(tracker, frames[:10], fps=10)
    watch(twin, frames[:10], fps=10)
    for time in (0.9, 0.5, np.nan, np.inf):
        with pytest.raises(ValueError, match="does not follow"):
            tracker.update(frames[10], time)
    for index in range(10, 20):
        assert_same(tracker.update(frames[index], index / 10), twin.update(frames[index], index / 10))


@every_tracker
@pytest.mark.parametrize(
    ("gap", "expected"),
    [
        pytest.param(0.0, [1, 2, 3], id="a picture every 4 s"),
        pytest.param(0.9, [4, 5, 6], id="4 s unseen, some of it a gap"),
        pytest.param(4.0, [4, 5, 6], id="all of it a gap"),
    ],
)
def test_who_was_there_before_a_long_outage_is_not_who_stands_there_after_it(
    make: Make, dimension: int | None, gap: float, expected: list[int]
) -> None:
    tracker = make()
    crowd = see(*[person(x) for x in (100, 400, 700)])
    watch(tracker, [crowd] * 20, fps=10)
    after = tracker.update(crowd, 1.9 + 4, gap=gap)
    assert after.ids[after.rows >= 0].tolist() == expected
    ended = after.stages == Stage.ENDED
    assert after.ids[ended].tolist() == ([] if expected == [1, 2, 3] else [1, 2, 3])
    np.testing.assert_allclose(after.boxes[ended], crowd.boxes[: ended.sum()], atol=2)  # where they were last seen
    later = tracker.update(crowd, 6.0)
    assert later.ids.tolist() == expected
    assert later.rows.tolist() == [0, 1, 2]


@every_tracker
def test_a_short_gap_is_a_pause_like_any_other(make: Make, dimension: int | None) -> None:
    """Four confirmed people walk on behind it."""
    told, plain = make(), make()
    times = np.concatenate([np.arange(0, 2, 0.1), np.arange(2.8, 5, 0.1)])
    for before, time, frame in zip([0.0, *times], times, walkers(times), strict=False):
        gap = time - before - 0.1 if time - before > 0.5 else 0.0
        tracks = told.update(frame, float(time), gap=gap)
        assert_same(tracks, plain.update(frame, float(time)))
        assert tracks.ids.tolist() == [1, 2, 3, 4]


@every_tracker
def test_a_picture_of_another_size_ends_every_track(make: Make, dimension: int | None) -> None:
    tracker = make()
    crowd = see(*[person(x) for x in (100, 400, 700)])
    watch(tracker, [crowd] * 20, fps=10)
    after = tracker.update(crowd, 2.0, gap=np.inf)
    assert after.ids.tolist() == [1, 2, 3, 4, 5, 6]
    assert after.stages.tolist() == [Stage.ENDED] * 3 + [Stage.TENTATIVE] * 3
    assert tracker.update(crowd, 2.1).ids.tolist() == [4, 5, 6]


@every_tracker
@settings(max_examples=4)
@every_seed
def test_ids_and_rows_are_sound_with_gaps(make: Make, dimension: int | None, seed: int) -> None:
    """No track that a gap outlasts goes on; each is reported as ended once."""
    rng = np.random.default_rng(seed)
    tracker, ended, newest, time = make(), set[int](), 0, 0.0
    patience = tracker.lost_seconds
    gaps = [0.3, patience - 0.11, patience, patience + 0.01, 60, 1e5, np.inf]
    living = dict[int, float]()  # id -> when it was last seen
    for frame in random_walk(seed, 80, dimension=dimension):
        gap = float(rng.choice(gaps)) if rng.random() < 0.2 else 0.0
        time += 0.1 + (gap if np.isfinite(gap) else 0.0)
        tracks = tracker.update(frame, time, gap=gap)
        newest = check(tracks, frame, ended, newest)
        for track, row in zip(tracks.ids.tolist(), tracks.rows.tolist(), strict=True):
            if row >= 0 and track in living and gap:
                assert gap < patience
                assert time - living[track] <= patience + 1e-6
        assert living.keys() <= set(tracks.ids.tolist())
        living |= dict.fromkeys(tracks.ids[tracks.rows >= 0].tolist(), time)
        living = {track: seen for track, seen in living.items() if track not in ended}
    assert_finite(tracker.to_arrays())


@every_tracker
@pytest.mark.parametrize("gap", [-0.1, -np.inf, np.nan])
def test_a_gap_that_is_none_leaves_no_trace(make: Make, dimension: int | None, gap: float) -> None:
    frames = list(random_walk(8, 12, dimension=dimension))
    tracker, twin = make(), make()
    watch(tracker, frames[:10], fps=10)
    watch(twin, frames[:10], fps=10)
    with pytest.raises(ValueError, match="a gap lasts"):
        tracker.update(frames[10], 1.0, gap=gap)
    assert_same(tracker.update(frames[10], 1.0), twin.update(frames[10], 1.0))


@every_tracker
def test_a_gap_before_anything_was_seen_is_nothing(make: Make, dimension: int | None) -> None:
    crowd = see(person(100))
    tracker = make()
    assert tracker.update(crowd, 0.0, gap=30.0).stages.tolist() == [Stage.CONFIRMED]  # as in any first frame
    assert tracker.update(Detections.empty(), 0.1, gap=0.05).ids.tolist() == [1]


def described(box: tuple[float, float, float, float], dimension: int | None) -> Detections:
    """A detection, with a feature where there are to be some."""
    return see(box, features=None if dimension is None else [[1.0, *[0.0] * (dimension - 1)]])


@with_every_tracker()
def test_over_frames_nobody_looked_at_tracks_stay_located(make: Make, dimension: int | None) -> None:
    tracker = make()
    tracks = [tracker.update(described(person(100 + 3 * k), dimension), k / 25) for k in range(12)]
    for k in (12, 13):
        carried = tracker.carry(k / 25)
        assert carried.ids.tolist() == tracks[-1].ids.tolist()
        assert carried.stages.tolist() == [Stage.CONFIRMED]
        assert carried.evidence.tolist() == [Evidence.PREDICTED]
        assert carried.rows.tolist() == [-1]
        assert abs(float(carried.boxes[0, 0]) - person(100 + 3 * k)[0]) < 3
    after = tracker.update(described(person(100 + 3 * 14), dimension), 14 / 25)
    assert after.ids.tolist() == tracks[-1].ids.tolist()
    assert after.evidence.tolist() == [Evidence.DETECTED]


@with_every_tracker()
def test_what_a_gap_outlasts_ends_where_nobody_looked(make: Make, dimension: int | None) -> None:
    tracker = make()
    for k in range(12):
        tracker.update(described(person(100), dimension), k / 25)
    assert tracker.carry(100.0, gap=99.0).stages.tolist() == [Stage.ENDED]
    assert len(tracker.carry(100.04)) == 0


@with_every_tracker()
def test_before_the_first_detection_nothing_is_carried(make: Make, dimension: int | None) -> None:
    tracker = make()
    assert len(tracker.carry(0.0)) == 0
    assert len(tracker.update(described(person(100), dimension), 0.04)) == 1
