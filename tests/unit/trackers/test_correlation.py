"""The background-aware filter against a dense solution, and what distinguishes the tracker."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.fft
import scipy.linalg

from tests.unit.trackers.target_scenes import moving, texture
from trackers.correlation import Correlation, _middles, background_aware, first_turns
from trackers.geometry import iou_pairs, to_xywh
from trackers.patch_features import GradientsAndColours, gradients
from trackers.peaks import wanted_answers
from trackers.scale_filter import ScaleFilter
from trackers.structures import FloatArray
from trackers.targets import LOST_SCORE

SIDE, CHANNELS = 8, 2


def dense_filter(known: FloatArray, wanted: FloatArray, inside: FloatArray, regularisation: float) -> FloatArray:
    """The same minimum by ordinary least squares over every shift, for one target: (channels, side, side)."""
    shifted = [np.roll(known, (-y, -x), axis=(1, 2))[:, inside > 0].ravel() for y in range(SIDE) for x in range(SIDE)]
    design = np.array(shifted)  # (shifts, channels * inside)
    # The spectra's squares are side^2 times the sum over shifts (Parseval); the penalty is on the filter itself.
    normal = SIDE**2 * design.T @ design + regularisation * SIDE**2 * np.eye(design.shape[1])
    solved = scipy.linalg.solve(normal, SIDE**2 * design.T @ wanted.ravel())
    out = np.zeros_like(known)
    out[:, inside > 0] = solved.reshape(CHANNELS, -1)
    return out


@pytest.mark.parametrize("reach", [SIDE, 3])
def test_the_filter_is_the_minimum(reach: int) -> None:
    chance = np.random.default_rng(4)
    known = chance.standard_normal((CHANNELS, SIDE, SIDE)).astype(np.float32)
    wanted = wanted_answers(SIDE, np.array([1.0]))
    inside = np.zeros((SIDE, SIDE), np.float32)
    inside[:reach, :reach] = 1
    found = background_aware(
        scipy.fft.rfft2(known)[None],
        scipy.fft.rfft2(wanted)[:, None],
        inside[None, None],
        regularisation=2.0,
        steps=400,
        penalty=20.0,
        growth=1.0,
    )
    spatial = scipy.fft.irfft2(found[0], s=(SIDE, SIDE))
    np.testing.assert_allclose(spatial, dense_filter(known, wanted[0], inside, 2.0), atol=2e-4)
    assert np.abs(spatial[:, inside == 0]).max(initial=0) < 1e-6


def test_more_steps_come_closer_to_the_wanted_answer() -> None:
    chance = np.random.default_rng(5)
    known = scipy.fft.rfft2(chance.standard_normal((1, 4, 16, 16)).astype(np.float32))
    wanted = wanted_answers(16, np.array([1.0]))
    inside = np.zeros((1, 1, 16, 16), np.float32)
    inside[..., 4:12, 4:12] = 1

    def left(steps: int) -> float:
        filters = background_aware(known, scipy.fft.rfft2(wanted)[:, None], inside, regularisation=0.01, steps=steps)
        answer = scipy.fft.irfft2((np.conj(filters) * known).sum(axis=1), s=(16, 16))
        return float(((answer - wanted) ** 2).sum())

    assert left(3) < left(1) < (wanted**2).sum()


def test_a_cover_that_stays_is_not_learned() -> None:
    pictures = moving(62, starts=np.array([[100.0, 80.0]]), steps=np.array([[0.0, 0.0]]), side=48)
    tracker = Correlation(GradientsAndColours(), scale=ScaleFilter(gradients))
    tracker.add(pictures.frames[0], pictures.boxes[0])
    cover = texture(30, 60, seed=77)  # over six tenths of the target
    scores = []
    for frame in pictures.frames[1:]:
        frame[74:134, 100:130] = cover
        scores.append(tracker.update(frame).scores[0])
    assert max(scores[30:]) < 0.5  # nor does its score creep up


def test_the_filter_may_reach_as_far_to_all_sides() -> None:
    inside = _middles(16, np.array([[4.0, 6.0]]))[0, 0]
    np.testing.assert_array_equal(inside, inside[::-1, ::-1])
    assert inside.any(axis=0).sum() == 4
    assert inside.any(axis=1).sum() == 6


def test_sizes_are_followed() -> None:
    pictures = moving(30, starts=np.array([[100.0, 80.0]]), steps=np.array([[1.0, 0.5]]), growth=1.015)
    with_sizes = Correlation(GradientsAndColours(), scale=ScaleFilter(gradients))
    without = Correlation(GradientsAndColours())
    overlaps = []
    for tracker in (with_sizes, without):
        tracker.add(pictures.frames[0], pictures.boxes[0])
        for frame in pictures.frames[1:]:
            found = tracker.update(frame)
        overlaps.append(iou_pairs(found.boxes, pictures.boxes[-1])[0])
    assert overlaps[0] > 0.8 > overlaps[1]


def test_nothing_grows_without_bounds() -> None:
    pictures = moving(40, starts=np.array([[140.0, 100.0]]), steps=np.array([[0.0, 0.0]]), side=30, growth=1.02)
    tracker = Correlation(GradientsAndColours(), scale=ScaleFilter(gradients), largest_growth=1.3)
    tracker.add(pictures.frames[0], pictures.boxes[0])
    for frame in pictures.frames[1:]:
        found = tracker.update(frame)
    assert 30 < to_xywh(found.boxes)[0, 2] <= 30 * 1.3


def test_targets_take_turns() -> None:
    starts = np.array([[40.0, 50.0], [201.0, 120.0]])  # their turns are one picture apart
    pictures = moving(26, starts=starts, steps=np.zeros((2, 2)), growth=1.01)
    tracker = Correlation(GradientsAndColours(), scale=ScaleFilter(gradients), every=4, rate=0.13)
    tracker.add(pictures.frames[0], pictures.boxes[0])
    widths = [tracker.boxes[:, 2] - tracker.boxes[:, 0]]
    widths += [to_xywh(tracker.update(frame).boxes)[:, 2] for frame in pictures.frames[1:]]
    resized = np.abs(np.diff(widths, axis=0)) > 1e-6  # (pictures, targets)
    first = first_turns(pictures.boxes[0], 4)
    assert first[0] != first[1]
    for k in range(2):
        assert not np.delete(resized[:, k], np.arange(first[k], 25, 4)).any()
        assert resized[first[k] :: 4, k].sum() >= 5
    assert iou_pairs(tracker.boxes, pictures.boxes[-1]).min() > 0.8


def test_first_turns_are_spread_and_the_targets_own() -> None:
    boxes = np.random.default_rng(2).uniform(0, 500, (400, 4))
    turns = first_turns(boxes, 4)
    assert np.bincount(turns, minlength=4).min() > 70
    np.testing.assert_array_equal(turns[7:8], first_turns(boxes[7:8], 4))
    assert first_turns(boxes, 1).max() == 0
    assert first_turns(np.zeros((0, 4)), 3).shape == (0,)


@pytest.mark.parametrize("every", [2, 4, 8])
@pytest.mark.parametrize("step", [16, 20, 32])
def test_targets_in_rows_and_columns_take_all_turns(step: int, every: int) -> None:
    left, top = (axis.ravel() for axis in np.meshgrid(np.arange(16.0) * step, np.arange(16.0) * step))
    turns = first_turns(np.column_stack([left, top, left + 40, top + 92]), every)
    counts = np.bincount(turns, minlength=every)
    assert counts.min() > 0.4 * 256 / every
    assert counts.max() < 2 * 256 / every


def test_turns_that_never_come_and_too_few_cells_are_refused() -> None:
    with pytest.raises(ValueError, match="every is 0"):
        Correlation(GradientsAndColours(), every=0)
    with pytest.raises(ValueError, match="cells is 11"):
        Correlation(GradientsAndColours(), cells=11)


def test_what_chance_comes_to_counts_as_nothing() -> None:
    pictures = moving(20, starts=np.array([[100.0, 80.0]]), steps=np.array([[1.0, 0.5]]), hidden=range(14, 20))
    scores = []
    for chance in (0.0, 0.2):
        tracker = Correlation(GradientsAndColours(), chance=chance, lost_share=0.6, learn_share=0.7)
        tracker.add(pictures.frames[0], pictures.boxes[0])
        scores.append([tracker.update(frame).scores[0] for frame in pictures.frames[1:]])
    there, gone = np.array(scores)[:, :13], np.array(scores)[:, 13:]
    assert there.min() > 0.3
    assert gone.max() < LOST_SCORE
    assert (gone[1] < 0.9 * gone[0]).all()
