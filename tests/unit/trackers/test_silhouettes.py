"""Silhouettes: masks as rasters of boxes, worked by hand, and what they change about who is who."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from trackers.association import Candidates
from trackers.calibration import ScoreCalibration
from trackers.deepsort import DeepSort
from trackers.flow_target import FlowTarget
from trackers.occlusion import cover
from trackers.silhouettes import SIDE, Seen, Silhouettes, mask_iou_pairs, rasters_of
from trackers.structures import BoolArray, Detections, FloatArray, ImageArray, IntArray, Masks

AT_THEIR_WORD = ((0.0, 1.0), (0.0, 1.0))


def boxes(*rows: tuple[float, float, float, float]) -> FloatArray:
    return np.array(rows, np.float64).reshape(-1, 4)


def left_half(box: FloatArray) -> tuple[IntArray, BoolArray]:
    """The left half of a box as origin and crop."""
    x1, y1, x2, y2 = box.astype(int).tolist()
    return np.array([x1, y1]), np.ones((y2 - y1, (x2 - x1) // 2), dtype=bool)


def masks(*parts: tuple[IntArray, BoolArray]) -> Masks:
    return Masks(np.array([origin for origin, _ in parts]).reshape(-1, 2), tuple(crop for _, crop in parts))


def whole(*rows: tuple[float, float, float, float]) -> BoolArray:
    return np.ones((len(rows), SIDE, SIDE), dtype=bool)


def test_a_raster_is_the_mask_at_the_cells_of_the_box() -> None:
    box = boxes((10, 20, 58, 116))
    raster = rasters_of(box, masks(left_half(box[0])))[0]
    assert raster[:, : SIDE // 2].all()
    assert not raster[:, SIDE // 2 :].any()


def test_a_mask_beside_its_box_or_beyond_it_is_cut() -> None:
    box = boxes((0, 0, 48, 48), (0, 0, 48, 48))
    beside = (np.array([100, 100]), np.ones((9, 9), dtype=bool))
    around = (np.array([-20, -20]), np.ones((99, 99), dtype=bool))
    none, all_of_it = rasters_of(box, masks(beside, around))
    assert not none.any()
    assert all_of_it.all()
    assert rasters_of(boxes(), masks()).shape == (0, SIDE, SIDE)


@pytest.mark.parametrize(
    ("other", "wanted"),
    [((0, 0, 48, 48), 1.0), ((24, 0, 72, 48), 1 / 3), ((48, 0, 96, 48), 0.0), ((200, 0, 248, 48), 0.0)],
)
def test_full_masks_overlap_as_their_boxes_do(other: tuple[float, float, float, float], wanted: float) -> None:
    one = (0.0, 0.0, 48.0, 48.0)
    found = mask_iou_pairs(boxes(one), whole(one), boxes(other), whole(other))
    assert found == pytest.approx([wanted], abs=0.03)


def test_two_halves_of_one_box_do_not_overlap() -> None:
    box = boxes((0, 0, 48, 48))
    left = whole((0, 0, 48, 48))
    left[:, :, SIDE // 2 :] = False
    assert mask_iou_pairs(box, left, box, ~left)[0] == 0
    assert mask_iou_pairs(box, left, box, left)[0] == 1


def test_a_pair_of_which_one_mask_is_unknown_costs_what_it_did() -> None:
    silhouettes = Silhouettes()
    both = boxes((0, 0, 48, 48), (0, 0, 48, 48))
    seen = Seen(both, masks(left_half(both[0]), (np.zeros(2, np.int64), np.zeros((1, 1), dtype=bool))))
    silhouettes.start(seen, np.array([0, 1]), 0.0)
    pairs = Candidates(np.array([0, 0, 1]), np.array([0, 1, 0]), np.array([0.4, 0.4, 0.4]), (2, 2))
    weighed = silhouettes.weighed(pairs, both, seen, 0.5)
    assert weighed.cost == pytest.approx([0.2, 0.4, 0.4])
    assert silhouettes.weighed(pairs, both, None, 0.5) is pairs
    assert silhouettes.weighed(pairs, both, seen, 0.0) is pairs


def test_what_is_seen_where_a_lost_one_must_be_hides_it_wherever_it_stands() -> None:
    """The lost track's box reaches lower, so by boxes alone nothing is in front of it."""
    both = boxes((0, 0, 48, 100), (0, 0, 48, 90))
    silhouettes = Silhouettes()
    silhouettes.start(Seen(both, masks(left_half(both[0]), left_half(both[1]))), np.array([0, 1]), 0.0)
    visible = np.array([False, True])
    assert cover(both, visible).by.tolist() == [-1, -1]
    found = cover(both, visible, silhouettes=silhouettes)
    assert found.by.tolist() == [1, -1]
    assert found.share[0] == pytest.approx(0.9, abs=0.05)


def test_a_box_beside_a_mask_is_not_covered_by_it() -> None:
    """Boxes overlap by half, masks do not: the hidden one's mask is its left half, the other one's begins there."""
    both = boxes((0, 0, 48, 90), (24, 0, 72, 100))
    right = (np.array([48, 0]), np.ones((100, 24), dtype=bool))
    silhouettes = Silhouettes()
    silhouettes.start(Seen(both, masks(left_half(both[0]), right)), np.array([0, 1]), 0.0)
    visible = np.array([False, True])
    assert cover(both, visible).share[0] == pytest.approx(0.5)
    assert cover(both, visible, silhouettes=silhouettes).share[0] == 0


def crossing(**settings: float) -> list[list[int]]:
    """Ids of two who stand still in nearly one box, one left and one right in it; then their boxes change by noise."""
    tracker = DeepSort(calibration=ScoreCalibration(known=AT_THEIR_WORD), **settings)
    found = []
    for index in range(8):
        shift = 0.0 if index < 6 else 6.0  # now each box is nearer to where the other one was
        both = boxes((0 + shift, 0, 48 + shift, 96), (6 - shift, 0, 54 - shift, 96))
        left = (np.array([0, 0]), np.ones((96, 20), dtype=bool))
        right = (np.array([34, 0]), np.ones((96, 20), dtype=bool))
        detections = Detections(
            both.astype(np.float32), np.full(2, 0.9, np.float32), np.zeros(2, np.int64), masks=masks(left, right)
        )
        tracks = tracker.update(detections, index / 10)
        order = np.argsort(tracks.rows[tracks.rows >= 0])
        found.append(tracks.ids[tracks.rows >= 0][order].tolist())
    return found


def test_masks_tell_apart_whom_boxes_confuse() -> None:
    by_boxes, by_masks = crossing(), crossing(mask_weight=0.6)
    assert by_masks[-1] == by_masks[0]
    assert by_boxes[-1] != by_boxes[0]


def test_a_tracker_with_silhouettes_goes_on_from_its_state() -> None:
    def detections(index: int) -> Detections:
        both = boxes((index, 0, 48 + index, 96), (100 - index, 0, 148 - index, 96))
        return Detections(
            both.astype(np.float32),
            np.full(2, 0.9, np.float32),
            np.zeros(2, np.int64),
            masks=masks(left_half(both[0]), left_half(both[1])),
        )

    def fresh() -> DeepSort:
        return DeepSort(calibration=ScoreCalibration(known=AT_THEIR_WORD), mask_weight=0.5, cover_by="masks")

    whole_way, first, second = fresh(), fresh(), fresh()
    for index in range(20):
        whole_way.update(detections(index), index / 10)
        if index < 9:
            first.update(detections(index), index / 10)
    second.from_arrays(first.to_arrays())
    for index in range(9, 20):
        second.update(detections(index), index / 10)
    one, other = whole_way.to_arrays(), second.to_arrays()
    assert set(one) == set(other)
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)


def test_flow_follows_points_in_the_mask_alone() -> None:
    """The left half of the box moves right, the right half stands still: the mask says which half is the target."""
    random = np.random.default_rng(4)
    moving, still = (random.integers(0, 255, (96, 48, 3)).astype(np.uint8) for _ in range(2))

    def picture(shift: int) -> ImageArray:
        image = np.full((240, 320, 3), 128, np.uint8)
        image[70:166, 150:198] = still
        image[70:166, 100 + shift : 148 + shift] = moving
        return np.asarray(cv2.GaussianBlur(image, (0, 0), 1.2))

    box = boxes((100, 70, 198, 166))
    left = np.zeros((1, SIDE, SIDE), dtype=bool)
    left[:, :, : SIDE // 2 - 1] = True
    found = {}
    for name, inside in (("left", left), ("right", left[:, :, ::-1])):
        flow = FlowTarget()
        flow.add(picture(0), box)
        flow.outline(np.array([True]), inside)
        found[name] = float(flow.update(picture(2)).boxes[0, [0, 2]].mean() - box[0, [0, 2]].mean())
    assert found["left"] == pytest.approx(2, abs=0.4)
    assert found["right"] == pytest.approx(0, abs=0.4)


def test_a_mask_that_is_not_known_leaves_all_points() -> None:
    flow = FlowTarget()
    flow.add(np.zeros((240, 320, 3), np.uint8), boxes((100, 70, 198, 166), (10, 10, 60, 60)))
    flow.outline(np.array([True, True]), np.zeros((2, SIDE, SIDE), dtype=bool))
    assert flow.to_arrays()["inside"].all()


def test_a_mask_is_kept_between_detections_that_have_one_and_forgotten_after_a_while() -> None:
    one = boxes((0, 0, 48, 48))
    seen = Seen(one, masks(left_half(one[0])))
    silhouettes, row = Silhouettes(seconds=0.5), np.array([0])
    silhouettes.start(seen, row, 1.0)
    for time, known in ((1.2, True), (1.5, True), (1.6, False)):
        silhouettes.see(row, None, row, time)
        assert silhouettes.known.tolist() == [known]
    silhouettes.see(row, seen, row, 2.0)
    assert silhouettes.known.tolist() == [True]


def test_boxes_that_are_no_numbers_show_nothing() -> None:
    wrong = np.array([[np.nan] * 4, [0, 0, 1e30, 1e30], [0, 0, 48, 48]], np.float32)
    crop = np.ones((48, 48), dtype=bool)
    found = Detections(
        wrong, np.full(3, 0.9, np.float32), np.zeros(3, np.int64), masks=Masks(np.zeros((3, 2), np.int64), (crop,) * 3)
    )
    seen = Seen.of(found)
    assert seen is not None
    assert seen.known[2]
    tracker = DeepSort(calibration=ScoreCalibration(known=AT_THEIR_WORD), mask_weight=0.4)
    assert len(tracker.update(found, 0.0)) == 1
