"""Score calibration: maps worked by hand, scenes with a known truth, and what must change nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.trackers.scenes import person, see
from trackers.calibration import ScoreCalibration
from trackers.structures import Detections, FloatArray

FPS = 10


def watch(calibration: ScoreCalibration, frames: Sequence[Detections], *, fps: float = FPS) -> list[FloatArray]:
    """The precisions of each frame."""
    return [calibration.precisions(frame, index / fps) for index, frame in enumerate(frames)]


def precision(calibration: ScoreCalibration, *scores: float) -> FloatArray:
    """What a calibration makes of these scores, without learning from them."""
    calibration.frozen = True
    return calibration.precisions(see(*[person(0)] * len(scores), scores=scores), np.inf)


def street(frames: int, *, seed: int = 0, people: int = 8, still: int = 6, flicker: int = 4) -> Iterator[Detections]:
    """Walkers with scores about 0.6 that sink to 0.2 for a while; false boxes that stay, and others that come and go.

    Both kinds of false boxes score 0.1 to 0.25.
    """
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 6, people)
    for index in range(frames):
        level = np.clip(0.5 + 0.3 * np.sin(index / 8 + phase), 0.18, 0.7)
        boxes = [person(100 * row + 2 * index, 100) for row in range(people)]
        boxes += [person(100 * row, 300) for row in range(still)]
        boxes += [person(x, 600) for x in rng.uniform(0, 30_000, flicker)]
        false = rng.uniform(0.1, 0.25, still + flicker)
        yield see(*boxes, scores=np.concatenate([level + rng.normal(0, 0.03, people), false]).tolist())


def test_a_known_map_is_linear_between_its_knots_and_level_beyond() -> None:
    calibration = ScoreCalibration(known=([0.2, 0.4, 0.8], [0.1, 0.5, 0.9]))
    frame = see(*[person(0)] * 5, scores=[0.1, 0.3, 0.5, 0.8, 0.95])
    for seconds in range(50):
        np.testing.assert_allclose(calibration.precisions(frame, seconds), [0.1, 0.3, 0.6, 0.9, 0.9], atol=1e-6)


@pytest.mark.parametrize(
    ("known", "complaint"),
    [
        (([0.2, 0.2], [0.1, 0.2]), "rise"),
        (([0.2, np.nan], [0.1, 0.2]), "rise"),
        (([0.1, 0.2], [0.3, 0.2]), "do not fall"),
        (([0.1, 0.2], [0.3, 1.2]), "0 to 1"),
        (([0.1, 0.2], [0.3, np.nan]), "0 to 1"),
        (([0.1, 0.2], [0.3]), "as many"),
        (([], []), "as many"),
    ],
)
def test_a_map_that_is_none_is_refused(known: tuple[list[float], list[float]], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        ScoreCalibration(known=known)


def test_a_prior_must_be_worth_something() -> None:
    with pytest.raises(ValueError, match="worth"):
        ScoreCalibration(prior_weight=0)


def test_at_first_a_score_is_taken_at_its_word() -> None:
    frame = see(*[person(0)] * 5, scores=[0.0, 0.3, 1.0, 1.7, -0.2])
    np.testing.assert_allclose(ScoreCalibration().precisions(frame, 0.0), [0, 0.3, 1, 1, 0], atol=1e-6)


def test_the_first_map_by_hand() -> None:
    # A frame has five people at 0.9, one at 0.9 and 0.2 in turn, and three false boxes at 0.2 that do not come back:
    # nine detections, so that the 14th frame, at 1.3 s, completes the 125 of a first map. What came after is known of
    # the frames until 1.3 - 0.5 s, which are nine, the turning one at 0.9 in five of them.
    # 0.9: 5 * 9 + 5 detections, all with another high one near. 0.2: 3 * 9 + 4, of which those 4 have one.
    frames = []
    for index in range(14):
        boxes = [person(100 * row) for row in range(6)]
        boxes += [person(1000 * index + 100 * row, 500) for row in range(3)]
        frames.append(see(*boxes, scores=[0.9] * 5 + [0.2 if index % 2 else 0.9] + [0.2] * 3))
    calibration = ScoreCalibration(prior_weight=10)
    watch(calibration, frames[:13])
    np.testing.assert_allclose(calibration.knots, [[0, 1], [0, 1]])
    watch_last = calibration.precisions(frames[13], 1.3)
    low, high = (4 + 10 * 0.2) / (31 + 10), (50 + 10 * 0.9) / (50 + 10)
    np.testing.assert_allclose(calibration.knots, [[0.2, 0.9], [low, high]], atol=1e-6)
    np.testing.assert_allclose(watch_last, [high] * 5 + [low] * 4, atol=1e-6)


def test_false_boxes_that_stay_do_not_pass_for_objects() -> None:
    calibration = ScoreCalibration()
    watch(calibration, list(street(200)))
    low, middle, high = precision(calibration, 0.15, 0.4, 0.6)
    assert low < 0.25
    assert middle > 0.7
    assert high > 0.9


@pytest.mark.parametrize("scale", [lambda s: s**3, np.sqrt, lambda s: 0.2 + 0.6 * s, lambda s: s / (1 + 9 * s)])
def test_another_scale_of_scores_changes_nothing(scale: Callable[[FloatArray], FloatArray]) -> None:
    frames = [replace(frame, scores=np.clip(frame.scores, 0.01, 1)) for frame in street(300)]
    other = [replace(frame, scores=scale(frame.scores)) for frame in frames]
    ours, theirs = watch(ScoreCalibration(), frames), watch(ScoreCalibration(), other)
    after = slice(200, None)  # twenty seconds; what is left of the prior still differs
    np.testing.assert_allclose(np.concatenate(ours[after]), np.concatenate(theirs[after]), atol=0.1)
    ours = watch(ScoreCalibration(prior_weight=1e-6), frames)
    theirs = watch(ScoreCalibration(prior_weight=1e-6), other)
    np.testing.assert_allclose(np.concatenate(ours[after]), np.concatenate(theirs[after]), atol=0.04)  # between knots


def test_frame_rate_hardly_matters() -> None:
    slow, fast = ScoreCalibration(), ScoreCalibration()
    frames = list(street(300))
    watch(slow, frames)
    watch(fast, [frame for frame in frames for _ in range(5)], fps=5 * FPS)
    np.testing.assert_allclose(slow.knots, fast.knots, atol=0.1)


def test_frames_too_close_in_time_are_passed_over() -> None:
    frames = list(street(40))
    once, often = ScoreCalibration(step_seconds=0.06), ScoreCalibration(step_seconds=0.06)
    for index, frame in enumerate(frames):
        once.precisions(frame, index * 0.1)
        often.precisions(frame, index * 0.1)
        often.precisions(frame, index * 0.1 + 0.05)
    np.testing.assert_array_equal(once.knots, often.knots)


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_detections_changes_their_order_only(seed: int) -> None:
    rng = np.random.default_rng(seed)
    plain, shuffled = ScoreCalibration(), ScoreCalibration()
    for index, frame in enumerate(street(30, seed=seed % 7)):
        order = rng.permutation(len(frame))
        expected = plain.precisions(frame, index / FPS)[order]
        np.testing.assert_array_equal(shuffled.precisions(frame[order], index / FPS), expected)


@given(
    frames=st.lists(st.lists(st.floats(-0.5, 1.5, width=32) | st.just(0.5), max_size=8), max_size=30),
    asked=st.lists(st.floats(-1, 2, width=32), min_size=2, max_size=8),
)
def test_precisions_are_probabilities_that_do_not_fall(frames: list[list[float]], asked: list[float]) -> None:
    calibration = ScoreCalibration()
    for index, scores in enumerate(frames * 4):
        boxes = [person(60 * row + index) for row in range(len(scores))]
        calibration.precisions(see(*boxes, scores=scores), index / FPS)
    found = precision(calibration, *sorted(asked))
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found) >= 0).all()
    assert (np.diff(calibration.knots[0]) > 0).all()


@pytest.mark.parametrize("until", [0, 1, 17, 60, 119])
def test_saved_and_restored_it_goes_on_to_the_last_bit(until: int) -> None:
    frames = list(street(120))
    through, before, after = (ScoreCalibration(enough=1500) for _ in range(3))
    watch(before, frames[:until])
    after.from_arrays(before.to_arrays())
    before = ScoreCalibration()  # what the saved arrays hold must not depend on it
    expected = watch(through, frames)
    assert through.frozen
    for index in range(until, 120):
        np.testing.assert_array_equal(after.precisions(frames[index], index / FPS), expected[index])
    ours, theirs = after.to_arrays(), through.to_arrays()
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def test_what_was_saved_does_not_change_when_learning_goes_on() -> None:
    calibration = ScoreCalibration()
    frames = list(street(60))
    watch(calibration, frames[:30])
    state = calibration.to_arrays()
    copy = {name: array.copy() for name, array in state.items()}
    for index in range(30, 60):
        calibration.precisions(frames[index], index / FPS)
    for name in state:
        np.testing.assert_array_equal(state[name], copy[name], err_msg=name)


def test_another_format_is_refused() -> None:
    calibration = ScoreCalibration()
    state = calibration.to_arrays() | {"format": np.array(99)}
    with pytest.raises(ValueError, match="format 99"):
        calibration.from_arrays(state)


def test_frozen_it_keeps_its_map_and_nothing_else() -> None:
    calibration = ScoreCalibration(enough=1000)
    frames = list(street(200))
    watch(calibration, frames[:90])  # 1,620 detections, but only 9 s
    assert not calibration.frozen
    for index in range(90, 200):
        calibration.precisions(frames[index], index / FPS)
    assert calibration.frozen
    knots = [column.copy() for column in calibration.knots]
    for index in range(200):
        calibration.precisions(see(person(0), scores=0.99), 100 + index)
    np.testing.assert_array_equal(calibration.knots, knots)
    assert sum(array.size for array in calibration.to_arrays().values()) < 100


def test_nothing_seen_teaches_nothing() -> None:
    calibration = ScoreCalibration()
    for index in range(300):
        assert calibration.precisions(see(), index / FPS).shape == (0,)
    np.testing.assert_allclose(precision(calibration, 0.3), 0.3, atol=1e-6)


def test_scores_that_are_all_equal_teach_nothing() -> None:
    calibration = ScoreCalibration()
    for index in range(100):
        found = calibration.precisions(see(*(person(100 * row) for row in range(8)), scores=0.7), index / FPS)
        np.testing.assert_allclose(found, 0.7, atol=1e-6)


def test_scores_that_are_all_equal_are_not_kept_for_ever() -> None:
    calibration = ScoreCalibration(enough=500)
    for index in range(200):
        calibration.precisions(see(*(person(100 * row) for row in range(8)), scores=1.0), index * 0.1)
    assert calibration.frozen
    assert calibration.to_arrays()["sightings.scores"].shape == (0,)
    np.testing.assert_allclose(precision(calibration, 0.3, 1.0), [0.3, 1.0], atol=1e-6)


def test_a_frame_of_nothing_usable_is_as_one_of_nothing() -> None:
    broken = see((10, 10, 5, 20), scores=0.8)
    plain, disturbed = ScoreCalibration(), ScoreCalibration()
    for index, frame in enumerate(street(60)):
        plain.precisions(see() if index % 3 == 1 else frame, index / FPS)
        disturbed.precisions(broken if index % 3 == 1 else frame, index / FPS)
    np.testing.assert_array_equal(plain.knots, disturbed.knots)
    for name, array in plain.to_arrays().items():
        np.testing.assert_array_equal(array, disturbed.to_arrays()[name], err_msg=name)


def test_frames_too_far_apart_teach_nothing() -> None:
    calibration = ScoreCalibration()
    for index, frame in enumerate(street(100)):
        calibration.precisions(frame, 10.0 * index)
    np.testing.assert_allclose(precision(calibration, 0.2, 0.5), [0.2, 0.5], atol=0.02)


def test_rows_that_describe_nothing_are_not_learned_from() -> None:
    bad = see(person(0), person(50), (10, 10, 5, 20), scores=[np.nan, np.inf, 0.8])
    plain, disturbed = ScoreCalibration(), ScoreCalibration()
    for index, frame in enumerate(street(60)):
        plain.precisions(frame, index / FPS)
        mixed = Detections(*(np.concatenate([getattr(part, name) for part in (bad, frame)]) for name in _COLUMNS))
        found = disturbed.precisions(mixed, index / FPS)
        assert found[0] == 0
        assert ((found >= 0) & (found <= 1)).all()
    np.testing.assert_array_equal(plain.knots, disturbed.knots)


def test_objects_of_different_classes_are_not_one() -> None:
    # Each place shows a person at 0.9 and then a dog at 0.2: no chain, no support.
    calibration = ScoreCalibration()
    for index in range(60):
        boxes = [person(100 * row) for row in range(6)]
        label = index % 2
        calibration.precisions(see(*boxes, scores=0.2 if label else 0.9, labels=label), index / FPS)
    np.testing.assert_allclose(precision(calibration, 0.2, 0.9), [0.2, 0.9], atol=1e-6)


_COLUMNS = ("boxes", "scores", "labels")
