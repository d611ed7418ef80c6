"""Hindsight: each step by hand, and what must hold of any recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.trackers.scenes import person, random_walk, watch
from trackers.deepsort import DeepSort
from trackers.refine import Refinement, refine
from trackers.structures import BoolArray, Detections, Evidence, FloatArray, Stage
from trackers.track_rows import Recording, TrackRows, concatenate

FPS = 10
OFF = Refinement(
    beginnings=True, link_seconds=0, link_odds=1, appearance_limit=0.25, least_weight=0, smoothing=0, fill_seconds=0
)
STEPS = {
    "link": replace(OFF, link_seconds=3.0),
    "drop": replace(OFF, least_weight=0.3),
    "smooth": replace(OFF, smoothing=8.0),
    "fill": replace(OFF, fill_seconds=1.5),
    "all": Refinement(),
}
every_step = pytest.mark.parametrize("chosen", [pytest.param(step, id=name) for name, step in STEPS.items()])
every_seed = given(seed=st.integers(0, 2**32))


def record(count: int = 101, **changes: Any) -> Recording:
    frames = np.arange(count)
    return replace(Recording(frames, frames / FPS, 1000, 600), **changes)


def walk(
    identity: int, frames: Sequence[int], x: float, speed: float = 60.0, *, y: float = 100.0, score: float = 0.9
) -> TrackRows:
    """Someone at `x` in the first frame who walks with `speed` px/s and is detected in these frames."""
    numbers = np.array(frames, np.int64)
    count = len(numbers)
    boxes = np.array([person(x + speed * (frame - numbers[0]) / FPS, y) for frame in numbers]).reshape(-1, 4)
    return TrackRows(
        frames=numbers,
        times=numbers / FPS,
        ids=np.full(count, identity),
        boxes=boxes + 1,
        scores=np.full(count, score),
        labels=np.zeros(count, np.int64),
        evidence=np.full(count, Evidence.DETECTED, np.int8),
        stages=np.full(count, Stage.CONFIRMED, np.int8),
        rows=np.arange(count),
        measured=boxes,
    )


def tracked(seed: int, *, dimension: int | None = None) -> tuple[TrackRows, Recording]:
    """What a tracker makes of a random scene."""
    frames = list(random_walk(seed, 60, dimension=dimension))
    tracks = watch(DeepSort(), frames, fps=FPS)
    recording = record(len(frames))
    return TrackRows.gather(tracks, frames, recording), recording


def assert_equal(ours: TrackRows, theirs: TrackRows, *, tolerance: float = 0.0) -> None:
    for field in fields(TrackRows):
        mine, other = getattr(ours, field.name), getattr(theirs, field.name)
        if mine is None:
            assert other is None
        else:
            np.testing.assert_allclose(mine, other, atol=tolerance, rtol=0, err_msg=field.name)


def places(rows: TrackRows, mask: BoolArray) -> set[tuple[int, int]]:
    return set(zip(rows.frames[mask].tolist(), rows.rows[mask].tolist(), strict=True))


def test_with_every_step_off_nothing_happens() -> None:
    rows = concatenate([walk(1, range(5), 100), walk(2, range(3), 500)])
    assert_equal(refine(rows, OFF, recording=record()), rows[np.lexsort((rows.ids, rows.frames))])


def test_rows_from_before_a_track_was_believed() -> None:
    rows = walk(1, range(5), 100)
    rows.stages[:2] = Stage.TENTATIVE
    assert refine(rows, OFF, recording=record()).frames.tolist() == [0, 1, 2, 3, 4]
    assert refine(rows, replace(OFF, beginnings=False), recording=record()).frames.tolist() == [2, 3, 4]


def test_pieces_of_a_walk_get_the_id_of_the_first() -> None:
    rows = concatenate([walk(7, range(20), 100), walk(3, range(27, 50), 262), walk(1, range(50), 100, y=400)])
    linked = refine(rows, STEPS["link"], recording=record())
    assert sorted(set(linked.ids.tolist())) == [1, 7]
    assert linked.frames[linked.ids == 7].tolist() == [*range(20), *range(27, 50)]
    np.testing.assert_array_equal(linked.measured[linked.ids == 7][20:], rows.measured[20:43])


def test_pieces_with_other_looks_are_not_linked() -> None:
    rows = concatenate([walk(1, range(20), 100), walk(2, range(27, 50), 262)])
    looks = np.zeros((43, 3), np.float32)
    looks[:20, 0], looks[20:, 1] = 1, 1
    looks[5] = np.nan
    kept = refine(replace(rows, features=looks), STEPS["link"], recording=record())
    assert sorted(set(kept.ids.tolist())) == [1, 2]
    looks[20:] = [1, 0, 0]
    linked = refine(replace(rows, features=looks), STEPS["link"], recording=record())
    assert set(linked.ids.tolist()) == {1}
    looks[:20] = np.nan  # nothing is known of the first
    linked = refine(replace(rows, features=looks), STEPS["link"], recording=record())
    assert set(linked.ids.tolist()) == {1}


@pytest.mark.parametrize(
    ("score", "count", "stays"), [(0.9, 4, True), (0.9, 3, False), (0.3, 11, True), (0.3, 9, False)]
)
def test_what_is_short_and_weak_is_dropped(score: float, count: int, stays: bool) -> None:
    # a frame lasts 0.1 s: 0.9 * 0.4 = 0.36 and 0.3 * 1.1 = 0.33 reach 0.3, 0.27 does not
    rows = concatenate([walk(1, range(count), 100, score=score), walk(2, range(50), 500)])
    kept = refine(rows, STEPS["drop"], recording=record())
    assert set(kept.ids.tolist()) == ({1, 2} if stays else {2})


def test_what_was_never_seen_weighs_nothing() -> None:
    ghost = walk(1, range(50), 100)
    ghost.measured[:] = np.nan
    ghost.evidence[:] = Evidence.PREDICTED
    assert len(refine(ghost, Refinement(), recording=record())) == 0
    assert_equal(refine(ghost, replace(Refinement(), least_weight=0), recording=record()), ghost)


def test_what_lies_between_two_looks_weighs_as_much_as_they_do() -> None:
    short = walk(1, range(9), 100, score=0.5)  # 0.45; seen in three frames alone it would be 0.15
    between = short.frames % 4 != 0
    short.measured[between] = np.nan
    short.evidence[between] = Evidence.INTERPOLATED
    assert len(refine(short, STEPS["drop"], recording=record())) == 9


def test_a_hole_is_filled_with_what_is_known() -> None:
    rows = walk(4, [*range(10), *range(15, 30)], 100)
    rows.scores[10:] = 0.4
    rows = replace(rows, features=np.ones((25, 2), np.float32), labels=np.full(25, 3))
    filled = refine(rows, STEPS["fill"], recording=record())
    assert filled.frames.tolist() == list(range(30))
    new = (filled.frames >= 10) & (filled.frames < 15)
    assert set(filled.ids.tolist()) == {4}
    np.testing.assert_array_equal(filled.evidence[new], Evidence.PREDICTED)
    np.testing.assert_array_equal(filled.stages[new], Stage.CONFIRMED)
    np.testing.assert_array_equal(filled.rows[new], -1)
    np.testing.assert_array_equal(filled.scores[new], 0.4)
    np.testing.assert_array_equal(filled.labels[new], 3)
    np.testing.assert_allclose(filled.times[new], np.arange(10, 15) / FPS)
    assert np.isnan(filled.measured[new]).all()
    assert filled.features is not None
    assert np.isnan(filled.features[new]).all()
    assert not np.isnan(filled.features[~new]).any()
    np.testing.assert_allclose(filled.boxes[new], [person(100 + 6 * frame) for frame in range(10, 15)], atol=0.1)
    np.testing.assert_array_equal(filled.boxes[~new], rows.boxes)  # smoothing is off


def test_a_filled_walk_goes_on_as_it_was() -> None:
    whole = walk(4, range(40), 100)
    holed = whole[(whole.frames < 15) | (whole.frames >= 25)]
    filled = refine(holed, STEPS["fill"], recording=record())
    np.testing.assert_allclose(filled.boxes[15:25], whole.measured[15:25], atol=1.0)


@pytest.mark.parametrize(("found", "filled"), [(12, 1), (25, 14), (26, 0)])
def test_holes_up_to_the_limit_are_filled(found: int, filled: int) -> None:
    rows = walk(1, [*range(11), *range(found, found + 10)], 100)  # from 1.0 s to 1.2, 2.5 and 2.6 s
    assert len(refine(rows, STEPS["fill"], recording=record())) == 21 + filled


def test_nothing_is_filled_where_nothing_was_recorded() -> None:
    rows = walk(1, [0, 1, 2, 12, 13], 100)
    gap = record(gaps=((0.45, 0.8),))
    assert refine(rows, STEPS["fill"], recording=gap).frames.tolist() == [0, 1, 2, 3, 4, 9, 10, 11, 12, 13]
    every_other = np.array([0, 1, 2, 4, 6, 8, 10, 12, 13])
    sparse = record(frames=every_other, times=every_other / FPS)
    assert refine(rows, STEPS["fill"], recording=sparse).frames.tolist() == every_other.tolist()


def test_nothing_is_filled_outside_the_picture() -> None:
    rows = walk(1, [*range(10), *range(20, 30)], 960, 30)
    rows.measured[10:] = rows.measured[9::-1]  # out of the picture and back again
    filled = refine(rows, STEPS["fill"], recording=record(width=989))
    centre = (filled.boxes[:, 0] + filled.boxes[:, 2]) / 2
    new = filled.rows < 0
    assert new.any()
    assert (centre[new] <= 989).all()
    assert len(refine(rows, STEPS["fill"], recording=record(width=2000))) == 30
    assert set(range(10)) | set(range(20, 30)) <= set(filled.frames.tolist())  # detections stay
    assert len(filled) < 30


def test_smoothing_takes_the_noise_off() -> None:
    rng = np.random.default_rng(3)
    true = walk(1, range(100), 100)
    noisy = replace(true, measured=true.measured + rng.normal(0, 4, (100, 4)))
    smooth = refine(noisy, STEPS["smooth"], recording=record())
    assert np.abs(smooth.boxes - true.measured).mean() < 0.5 * np.abs(noisy.measured - true.measured).mean()
    np.testing.assert_array_equal(smooth.measured, noisy.measured)


def test_predicted_rows_are_estimated_anew_and_those_at_the_end_stay() -> None:
    rows = walk(1, range(30), 100)
    predicted = np.isin(rows.frames, [12, 13, 28, 29])
    rows.measured[predicted] = np.nan
    rows.evidence[predicted] = Evidence.PREDICTED
    rows.boxes[predicted] += 50
    refined = refine(rows, Refinement(), recording=record())
    np.testing.assert_allclose(refined.boxes[12:14], rows.boxes[12:14] - 51, atol=1)
    np.testing.assert_array_equal(refined.boxes[28:], rows.boxes[28:])


@pytest.mark.parametrize("dimension", [None, 8])
@every_step
def test_no_rows(chosen: Refinement, dimension: int | None) -> None:
    for recording in (record(), record(0), record(1)):
        nothing = walk(1, [], 0)
        if dimension:
            nothing = replace(nothing, features=np.zeros((0, dimension), np.float32))
        assert_equal(refine(nothing, chosen, recording=recording), nothing)


@every_step
def test_a_recording_of_one_frame(chosen: Refinement) -> None:
    rows = concatenate([walk(1, [0], 100), walk(2, [0], 500)])
    assert refine(rows, chosen, recording=record(1)).ids.tolist() == [1, 2]


@every_step
def test_one_row(chosen: Refinement) -> None:
    one = walk(1, [3], 100)
    kept = refine(one, replace(chosen, least_weight=0), recording=record())
    np.testing.assert_array_equal(kept.boxes, one.boxes if chosen.smoothing == 0 else one.measured)


def test_frames_that_were_not_recorded_are_refused() -> None:
    with pytest.raises(ValueError, match="does not have"):
        refine(walk(1, [3, 200], 100), OFF, recording=record())


@every_step
@settings(max_examples=3)
@every_seed
def test_the_order_of_rows_does_not_matter(chosen: Refinement, seed: int) -> None:
    rows, recording = tracked(seed, dimension=8)
    order = np.random.default_rng(seed).permutation(len(rows))
    assert_equal(refine(rows[order], chosen, recording=recording), refine(rows, chosen, recording=recording))


@every_step
@settings(max_examples=3)
@every_seed
def test_what_was_seen_stays_and_ids_occur_once_a_frame(chosen: Refinement, seed: int) -> None:
    rows, recording = tracked(seed)
    refined = refine(rows, chosen, recording=recording)
    pairs = np.column_stack([refined.frames, refined.ids])
    assert len(np.unique(pairs, axis=0)) == len(pairs)
    assert (np.lexsort((refined.ids, refined.frames)) == np.arange(len(refined))).all()
    before, after = rows.rows >= 0, refined.rows >= 0
    assert places(refined, after) <= places(rows, before)
    if chosen.least_weight == 0:
        assert places(refined, after) == places(rows, before)
    assert set(refined.ids.tolist()) <= set(rows.ids.tolist())
    assert np.isfinite(refined.boxes).all()
    assert (refined.boxes[:, 2:] >= refined.boxes[:, :2]).all()
    np.testing.assert_array_equal(refined.times, recording.times[refined.frames])


@settings(max_examples=5)
@every_seed
def test_each_dropped_track_was_weak(seed: int) -> None:
    rows, recording = tracked(seed)
    refined = refine(rows, STEPS["drop"], recording=recording)
    for identity in set(rows.ids.tolist()):
        weight = rows.scores[(rows.ids == identity) & (rows.rows >= 0)].sum() / FPS
        assert (identity in refined.ids) == (weight >= 0.3)


@pytest.mark.parametrize("name", ["drop", "smooth", "fill"])
@settings(max_examples=3)
@every_seed
def test_a_step_taken_again_changes_nothing(name: str, seed: int) -> None:
    rows, recording = tracked(seed)
    once = refine(rows, STEPS[name], recording=recording)
    assert_equal(refine(once, STEPS[name], recording=recording), once, tolerance=1e-5)


@settings(max_examples=5)
@every_seed
def test_refining_again_only_links_further(seed: int) -> None:
    rows, recording = tracked(seed)
    once = refine(rows, Refinement(), recording=recording)
    twice = refine(once, Refinement(), recording=recording)
    for identity in set(once.ids.tolist()):
        own = once[(once.ids == identity) & (once.rows >= 0)]
        assert len(set(twice.ids[(twice.measured[:, None] == own.measured).all(axis=2).any(axis=1)])) == 1
    assert places(twice, twice.rows >= 0) == places(once, once.rows >= 0)


@settings(max_examples=5)
@every_seed
def test_scaling_the_picture_scales_the_boxes(seed: int) -> None:
    rows, recording = tracked(seed)
    larger = replace(rows, boxes=rows.boxes * 4, measured=rows.measured * 4)
    big = refine(larger, Refinement(), recording=replace(recording, width=4000, height=2400))
    plain = refine(rows, Refinement(), recording=recording)
    np.testing.assert_array_equal(big.ids, plain.ids)
    np.testing.assert_array_equal(big.frames, plain.frames)
    np.testing.assert_allclose(big.boxes / 4, plain.boxes, atol=1e-6)


@settings(max_examples=5)
@every_seed
def test_the_clock_s_zero_does_not_matter(seed: int) -> None:
    rows, recording = tracked(seed)
    shift = 1024.0
    later = refine(
        replace(rows, times=rows.times + shift),
        Refinement(),
        recording=replace(recording, times=recording.times + shift),
    )
    plain = refine(rows, Refinement(), recording=recording)
    np.testing.assert_array_equal(later.ids, plain.ids)
    np.testing.assert_allclose(later.boxes, plain.boxes, atol=1e-5)


def spoiled(seed: int, count: int) -> tuple[TrackRows, Recording]:
    """Tracks of boxes of all sizes at uneven times."""
    rng = np.random.default_rng(seed)
    times = np.cumsum(10 ** rng.uniform(-5, 2, 40))
    tracks = []
    for identity in range(1, count + 1):
        frames = np.flatnonzero(rng.random(40) < rng.uniform(0.1, 1))
        if not len(frames):
            continue
        sides = 10 ** rng.uniform(-3, 5, (len(frames), 2))
        centre = rng.normal(0, 10 ** rng.uniform(0, 6), (len(frames), 2))
        boxes: FloatArray = np.concatenate([centre - sides / 2, centre + sides / 2], axis=1)
        track = walk(identity, frames.tolist(), 0)
        tracks.append(replace(track, times=times[frames], boxes=boxes, measured=boxes))
    return concatenate(tracks), Recording(np.arange(40), times, 1920, 1080)


@pytest.mark.parametrize("seed", range(20))
def test_boxes_of_all_sizes_are_survived(seed: int) -> None:
    rows, recording = spoiled(seed, 12)
    refined = refine(rows, Refinement(), recording=recording)
    assert np.isfinite(refined.boxes).all()
    assert (refined.boxes[:, 2:] >= refined.boxes[:, :2]).all()


def test_a_hidden_walker_keeps_the_id_from_detections_to_the_end() -> None:
    """The whole way: a tracker that forgets after half a second, and hindsight."""
    frames = [
        Detections.empty()
        if 20 <= index < 30
        else Detections(np.array([person(100 + 6 * index)], np.float32), np.float32([0.9]), np.zeros(1, np.int64))
        for index in range(60)
    ]
    tracks = watch(DeepSort(lost_seconds=0.5), frames, fps=FPS)
    rows = TrackRows.gather(tracks, frames, record(60))
    assert set(rows.ids.tolist()) == {1, 2}
    refined = refine(rows, Refinement(), recording=record(60))
    assert refined.ids.tolist() == [1] * 60
    np.testing.assert_allclose(refined.boxes, [person(100 + 6 * index) for index in range(60)], atol=2.0)
