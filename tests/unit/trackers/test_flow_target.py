"""Following targets by median flow: known paths, cover and return, borders, many at once, and none at all."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.trackers.textures import shift, texture, turn, warp
from trackers.flow_target import FlowTarget
from trackers.geometry import iou_pairs
from trackers.patches import grown
from trackers.structures import FloatArray, ImageArray
from trackers.targets import TargetTracker

START = np.array([[40.0, 40, 90, 110], [150, 60, 210, 130], [240, 150, 270, 180]])
BACKGROUND = texture(1)


def scene(boxes: FloatArray, *, size: tuple[int, int] = (320, 240)) -> ImageArray:
    """The background with one textured thing in each box (n, 4), scaled to it."""
    shown = texture(1, size=size)
    for row, (x1, y1, x2, y2) in enumerate(boxes):
        x0, y0, _, _ = START[row]
        scale = (x2 - x1) / (START[row, 2] - START[row, 0])
        affine = np.array([[scale, 0, x1 - scale * x0], [0, scale, y1 - scale * y0]])
        thing = warp(texture(10 + row, size=size), affine)
        part = slice(max(round(y1), 0), max(round(y2), 0)), slice(max(round(x1), 0), max(round(x2), 0))
        shown[part] = thing[part]
    return np.repeat(shown[:, :, None], 3, axis=2)


def path(frame: int) -> FloatArray:
    """Where the three things are: one goes right, one grows, one goes up left."""
    by = np.array([[2.3, 0.6], [0.0, 0.0], [-1.8, -2.4]]) * frame
    moved = START + np.tile(by, 2)
    half = (moved[1, 2:] - moved[1, :2]) / 2 * 1.012**frame
    middle = (moved[1, :2] + moved[1, 2:]) / 2
    moved[1] = [*(middle - half), *(middle + half)]
    return moved


def test_it_is_a_target_tracker() -> None:
    tracker: TargetTracker = FlowTarget()
    assert tracker.boxes.shape == (0, 4)


def test_many_are_followed_at_once() -> None:
    tracker = FlowTarget()
    tracker.add(scene(START), START)
    for frame in range(1, 25):
        found = tracker.update(scene(path(frame)))
        assert iou_pairs(found.boxes, path(frame)).min() > 0.88, frame
        assert found.scores.min() > 0.3, frame
    np.testing.assert_array_equal(tracker.boxes, found.boxes)


def test_errors_do_not_add_up() -> None:
    tracker = FlowTarget()
    tracker.add(scene(START[:1]), START[:1])
    for frame in range(60):
        there = START[:1] + np.tile([np.sin(frame / 3) * 8, np.cos(frame / 5) * 5], 2)
        found = tracker.update(scene(there))
    assert np.abs(found.boxes - there).max() < 0.8


def test_a_target_moves_as_it_does_alone() -> None:
    together, alone = FlowTarget(), FlowTarget()
    together.add(scene(START), START)
    alone.add(scene(START), START[1:2])
    for frame in range(1, 6):
        ours, theirs = together.update(scene(path(frame))), alone.update(scene(path(frame)))
    np.testing.assert_allclose(ours.boxes[1:2], theirs.boxes, atol=0.3)


def test_a_covered_target_stays_where_it_was_and_is_found_again() -> None:
    tracker = FlowTarget()
    tracker.add(scene(START[:1]), START[:1])
    seen = tracker.update(scene(START[:1]))
    covered = scene(START[:1])
    covered[30:120, 30:100] = texture(20)[30:120, 30:100, None]
    hidden = tracker.update(covered)
    assert seen.scores[0] > 0.9
    assert hidden.scores[0] < 0.1
    np.testing.assert_array_equal(hidden.boxes, seen.boxes)
    again = tracker.update(scene(START[:1] + 3))
    assert again.scores[0] > 0.9
    np.testing.assert_allclose(again.boxes, START[:1] + 3, atol=0.5)


def test_the_score_falls_with_the_share_that_is_covered() -> None:
    scores = []
    for rows in (0, 20, 40, 60):
        tracker = FlowTarget()
        tracker.add(scene(START[:1]), START[:1])
        covered = scene(START[:1])
        covered[110 - rows : 110, 40:90] = texture(20)[110 - rows : 110, 40:90, None]
        scores.append(tracker.update(covered).scores[0])
    assert (np.diff(scores) < -0.05).all()


def test_a_target_that_changes_slowly_is_learned_anew() -> None:
    tracker, box = FlowTarget(), START[1:2]
    tracker.add(turned(0), box)
    scores = []
    for degrees in range(3, 91, 3):
        found = tracker.update(turned(degrees))
        scores.append(found.scores[0])
        np.testing.assert_allclose((found.boxes[0, :2] + found.boxes[0, 2:]) / 2, [180, 95], atol=10)
    assert iou_pairs(found.boxes, box)[0] > 0.6
    assert scores[0] > 0.8


def turned(degrees: float) -> ImageArray:
    """The second thing, turned around its middle."""
    return np.repeat(warp(texture(11), turn(degrees, 1, around=(180, 95)))[:, :, None], 3, axis=2)


def test_it_is_searched_around_what_is_expected_in_the_size_expected() -> None:
    far = START[:1] + np.tile([130.0, 60.0], 2)
    far[:, 2:] += [10, 14]  # a fifth larger
    lost, guided = FlowTarget(), FlowTarget()
    for tracker in (lost, guided):
        tracker.add(scene(START[:1]), START[:1])
    assert lost.update(scene(far)).scores[0] < 0.1
    found = guided.update(scene(far), around=grown(far, 1.05) + np.tile([4.0, -3.0], 2))
    assert found.scores[0] > 0.5  # points at its edge see another background
    np.testing.assert_allclose(found.boxes, far, atol=1)


def test_where_nothing_is_expected_it_is_searched_where_it_was() -> None:
    odd = np.array([[np.nan] * 4, [90, 90, 10, 10], [5, 5, np.inf, 9]])
    plain, told = FlowTarget(), FlowTarget()
    for tracker in (plain, told):
        tracker.add(scene(START), START)
    np.testing.assert_array_equal(told.update(scene(path(1)), around=odd).boxes, plain.update(scene(path(1))).boxes)
    with pytest.raises(ValueError, match="a box for each target"):
        told.update(scene(path(1)), around=odd[:2])


def test_targets_come_and_go() -> None:
    tracker = FlowTarget()
    tracker.add(scene(START), START[:1])
    tracker.add(scene(START), START[1:])
    tracker.keep(np.array([True, False, True]))
    found = tracker.update(scene(path(1)))
    assert len(found) == 2
    np.testing.assert_allclose(found.boxes, path(1)[[0, 2]], atol=0.7)
    tracker.keep(np.zeros(2, dtype=bool))
    assert len(tracker.update(scene(path(2)))) == 0


def test_no_target_at_all() -> None:
    tracker = FlowTarget()
    assert len(tracker.update(scene(START))) == 0
    tracker.add(scene(START), np.zeros((0, 4)))
    tracker.keep(np.zeros(0, dtype=bool))
    found = tracker.update(scene(START), around=np.zeros((0, 4)))
    assert (found.boxes.shape, found.scores.shape) == ((0, 4), (0,))


def test_what_leaves_the_picture_is_lost_and_the_box_stays_finite() -> None:
    tracker = FlowTarget()
    start = START[2:] - np.array([0, 20, 0, 20])
    tracker.add(leaving(0), start)
    scores = [tracker.update(leaving(frame)).scores[0] for frame in range(1, 18)]
    assert min(scores[:4]) > 0.2
    assert max(scores[-3:]) < 0.1
    assert np.isfinite(tracker.boxes).all()
    assert 270 < tracker.boxes[0, 0] <= 320


def leaving(frame: int) -> ImageArray:
    """The third thing on its way out at the right."""
    shown = BACKGROUND.copy()
    left = 240 + 6 * frame
    thing = texture(12)[130:160, 240:270]
    shown[130:160, left : left + 30] = thing[:, : max(320 - left, 0)]
    return np.repeat(shown[:, :, None], 3, axis=2)


@pytest.mark.parametrize("box", [(-20, 10, 40, 70), (290, 200, 340, 260), (-10, -10, 30, 30)])
def test_targets_at_borders_are_followed(box: tuple[float, ...]) -> None:
    tracker = FlowTarget()
    rows = np.array([box], np.float64)
    tracker.add(BACKGROUND, rows)
    found = tracker.update(warp(BACKGROUND, shift(2, -1.5)))
    np.testing.assert_allclose(found.boxes, rows + np.array([2, -1.5, 2, -1.5]), atol=0.6)


def test_without_texture_nothing_is_found() -> None:
    tracker, flat = FlowTarget(), np.full((240, 320, 3), 90, np.uint8)
    tracker.add(flat, START)
    found = tracker.update(flat)
    assert found.scores.tolist() == [0, 0, 0]
    np.testing.assert_array_equal(found.boxes, START)


def test_nothing_is_found_in_a_picture_of_another_size() -> None:
    tracker = FlowTarget()
    tracker.add(scene(START), START)
    found = tracker.update(scene(START, size=(400, 300)))
    assert found.scores.tolist() == [0, 0, 0]
    np.testing.assert_array_equal(found.boxes, START)
    tracker.add(scene(START, size=(400, 300)), START[:1])
    assert (tracker.update(scene(START, size=(400, 300))).scores > 0.9).tolist() == [False, False, False, True]
    assert (tracker.update(scene(START)).scores > 0.9).tolist() == [True, True, True, False]


@pytest.mark.parametrize(
    "box",
    [(np.nan, 1, 30, 30), (10, 10, 11, 60), (400, 400, 450, 450), (60, 60, 20, 20)],
    ids=["not a number", "too small", "outside", "inside out"],
)
def test_what_cannot_be_learned_is_refused(box: tuple[float, ...]) -> None:
    tracker = FlowTarget()
    with pytest.raises(ValueError, match="box"):
        tracker.add(BACKGROUND, np.array([box]))
    assert tracker.boxes.shape == (0, 4)


def test_boxes_that_were_given_out_do_not_change_it() -> None:
    tracker = FlowTarget()
    tracker.add(scene(START), START)
    tracker.update(scene(START)).boxes[:] = 0
    tracker.boxes[:] = 0
    np.testing.assert_allclose(tracker.boxes, START, atol=0.2)


def test_a_state_with_another_number_of_points_is_gone_on_with() -> None:
    many, few = FlowTarget(cells=5), FlowTarget(cells=4)
    many.add(scene(START), START)
    few.from_arrays(many.to_arrays())
    few.add(scene(START), START[:1])
    np.testing.assert_allclose(few.update(scene(path(1))).boxes, path(1)[[0, 1, 2, 0]], atol=0.7)
