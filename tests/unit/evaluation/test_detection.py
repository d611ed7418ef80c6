"""Average precision by hand and against COCO's own program; the map of scores to precisions."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from pipeline.config import load_settings
from pipeline.evaluation.detection import FoundBoxes, Judged, TrueBoxes, judge, precision_by_score, score
from trackers.geometry import to_xywh

SQUARE = (0.0, 0.0, 10.0, 10.0)


def true(*rows: tuple[int, tuple[float, ...], int], ignored: tuple[int, ...] = ()) -> TrueBoxes:
    """Rows of (picture, box, label)."""
    flags = np.zeros(len(rows), dtype=bool)
    flags[list(ignored)] = True
    boxes = np.array([row[1] for row in rows], np.float64).reshape(-1, 4)
    return TrueBoxes(np.array([row[0] for row in rows], int), boxes, np.array([row[2] for row in rows], int), flags)


def found(*rows: tuple[int, tuple[float, ...], int, float]) -> FoundBoxes:
    """Rows of (picture, box, label, score)."""
    boxes = np.array([row[1] for row in rows], np.float64).reshape(-1, 4)
    pictures, labels = (np.array([row[at] for row in rows], int) for at in (0, 2))
    return FoundBoxes(pictures, boxes, labels, np.array([row[3] for row in rows], float))


def shifted(pixels: float) -> tuple[float, ...]:
    return (pixels, 0.0, 10.0 + pixels, 10.0)


def test_a_perfect_detector_scores_one() -> None:
    scores = score(judge(true((0, SQUARE, 0), (1, SQUARE, 0)), found((0, SQUARE, 0, 0.4), (1, SQUARE, 0, 0.9)), 1))
    assert scores.ap.tolist() == scores.ap50.tolist() == scores.recall50.tolist() == [1.0]
    assert scores.truths.tolist() == [2]


def test_a_wrong_box_between_two_right_ones() -> None:
    """Right, wrong, right over two true boxes: precision 1 up to recall .5 (51 points), then 2/3 (50 points)."""
    boxes = found((0, SQUARE, 0, 0.9), (0, (50, 50, 60, 60), 0, 0.8), (1, SQUARE, 0, 0.7))
    scores = score(judge(true((0, SQUARE, 0), (1, SQUARE, 0)), boxes, 1))
    assert scores.ap50 == pytest.approx([(51 + 50 * 2 / 3) / 101])


def test_an_overlap_counts_up_to_its_own_threshold() -> None:
    """Shifted by 2 of 10 pixels: IoU 8/12 = .667, right at .5 .55 .6 .65 only."""
    scores = score(judge(true((0, SQUARE, 0)), found((0, shifted(2), 0, 0.9)), 1))
    assert scores.ap50.tolist() == [1.0]
    assert scores.ap == pytest.approx([0.4])


def test_an_overlap_of_exactly_the_threshold_is_enough() -> None:
    assert (
        judge(true((0, SQUARE, 0)), found((0, (0, 0, 10, 5), 0, 0.9)), 1).right[:, 0].tolist() == [True] + [False] * 9
    )


def test_the_second_box_on_an_object_is_wrong() -> None:
    judged = judge(true((0, SQUARE, 0)), found((0, shifted(1), 0, 0.5), (0, SQUARE, 0, 0.9), (0, SQUARE, 0, 0.2)), 1)
    assert judged.scores.tolist() == [0.9, 0.5, 0.2]
    assert judged.right[0].tolist() == [True, False, False]


def test_a_box_takes_the_object_it_overlaps_most_that_is_free() -> None:
    """The first takes the one it fits; the second, which fits the same one better, takes what is left."""
    objects = true((0, SQUARE, 0), (0, shifted(2), 0))
    judged = judge(objects, found((0, SQUARE, 0, 0.9), (0, shifted(0.5), 0, 0.8)), 1)
    assert judged.right[0].tolist() == [True, True]  # 8.5 / 11.5 = .739 with the second object
    assert judged.right.sum(axis=1).tolist() == [2] * 5 + [1] * 5


def test_pictures_and_classes_are_apart() -> None:
    judged = judge(true((0, SQUARE, 0)), found((1, SQUARE, 0, 0.9), (0, SQUARE, 1, 0.9)), 2)
    assert not judged.right.any()
    scores = score(judged)
    assert scores.ap50[0] == 0
    assert np.isnan(scores.ap50[1])  # no true box: no score
    assert np.isnan(scores.recall50[1])
    assert (scores.mean_ap, scores.mean_ap50) == (0, 0)  # of the classes that are there


def test_boxes_in_an_ignored_region_neither_win_nor_lose() -> None:
    objects = true((0, SQUARE, 0), (0, (100, 0, 200, 100), 0), ignored=(1,))
    boxes = found((0, (100, 0, 110, 10), 0, 0.95), (0, (150, 50, 160, 60), 0, 0.9), (0, SQUARE, 0, 0.5))
    judged = judge(objects, boxes, 1)
    assert judged.counts[0].tolist() == [False, False, True]
    assert score(judged).ap50.tolist() == [1.0]
    outside = judge(objects, found((0, (195, 0, 225, 10), 0, 0.9)), 1)  # a sixth of it lies inside
    assert outside.counts.all()


def test_an_object_beats_the_ignored_region_around_it() -> None:
    objects = true((0, (0, 0, 100, 100), 0), (0, SQUARE, 0), ignored=(0,))
    assert judge(objects, found((0, SQUARE, 0, 0.9)), 1).right.all()


def test_only_the_strongest_of_a_picture_and_class_count() -> None:
    boxes = found(*((0, (50, 50, 60, 60), 0, 0.9) for _ in range(3)), (0, SQUARE, 0, 0.5), (0, SQUARE, 1, 0.5))
    judged = judge(true((0, SQUARE, 0), (0, SQUARE, 1)), boxes, 2, most=3)
    assert len(judged.scores) == 4
    assert score(judged).recall50.tolist() == [0.0, 1.0]


@pytest.mark.parametrize("objects", [true(), true((0, SQUARE, 0))])
def test_nothing_found(objects: TrueBoxes) -> None:
    judged = judge(objects, found(), 1)
    assert judged.right.shape == (10, 0)
    scores = score(judged)
    assert scores.ap50[0] == 0 if len(objects) else np.isnan(scores.ap50[0])
    assert precision_by_score(judged) == ()


def test_wrong_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="from 0 to 0, not from 1"):
        judge(true((0, SQUARE, 1)), found(), 1)
    with pytest.raises(ValueError, match="NaN"):
        judge(true(), found((0, SQUARE, 0, float("nan"))), 1)
    with pytest.raises(ValueError, match="labels has 2 rows, pictures 1"):
        TrueBoxes(np.zeros(1, int), np.zeros((1, 4)), np.zeros(2, int), np.zeros(1, bool))


def coco_scores(objects: TrueBoxes, boxes: FoundBoxes, classes: int) -> tuple[np.ndarray[Any, Any], ...]:
    """Precision (classes, 10, 101) and recall (classes, 10) of COCO's program, -1 where there is no true box."""
    pictures = np.union1d(objects.pictures, boxes.pictures).tolist()
    categories = [{"id": label, "name": str(label)} for label in range(classes)]
    annotations = [
        {"id": row + 1, "image_id": int(p), "category_id": int(c), "bbox": b, "area": b[2] * b[3], "iscrowd": int(i)}
        for row, (p, b, c, i) in enumerate(
            zip(objects.pictures, to_xywh(objects.boxes).tolist(), objects.labels, objects.ignored, strict=True)
        )
    ]
    results = [
        {"image_id": int(p), "category_id": int(c), "bbox": b, "score": float(s)}
        for p, b, c, s in zip(boxes.pictures, to_xywh(boxes.boxes).tolist(), boxes.labels, boxes.scores, strict=True)
    ]
    with contextlib.redirect_stdout(io.StringIO()):  # it prints
        truth = COCO()
        truth.dataset = {"images": [{"id": one} for one in pictures], "annotations": annotations}
        truth.dataset["categories"] = categories
        truth.createIndex()
        program = COCOeval(truth, truth.loadRes(results), "bbox")
        program.evaluate()
        program.accumulate()
    return program.eval["precision"][:, :, :, 0, 2].transpose(2, 0, 1), program.eval["recall"][:, :, 0, 2].T


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_cocos_own_program(seed: int) -> None:
    """Crowded pictures: boxes on objects, displaced, doubled and free; ignored regions; over 100 boxes of a class."""
    random = np.random.default_rng(seed)
    count, classes = 120, 3
    corner = random.uniform(0, 60, (count, 2))
    boxes = np.concatenate([corner, corner + random.uniform(5, 40, (count, 2))], axis=1)
    objects = TrueBoxes(
        random.integers(0, 6, count), boxes, random.integers(0, classes - 1, count), random.random(count) < 0.1
    )
    rows = random.integers(0, count, 1500)
    labels = np.where(random.random(1500) < 0.9, objects.labels[rows], random.integers(0, classes, 1500))
    moved = boxes[rows] + random.normal(0, 2, (1500, 4))
    moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
    detections = FoundBoxes(objects.pictures[rows], moved, labels, random.permutation(1500) / 1500)
    ours = score(judge(objects, detections, classes))
    precision, recall = coco_scores(objects, detections, classes)
    assert np.isnan(ours.precision[-1]).all()
    assert (precision[-1] == -1).all()
    np.testing.assert_allclose(ours.precision[:-1], precision[:-1], atol=1e-9)
    np.testing.assert_allclose(ours.recalls[:-1], recall[:-1], atol=1e-9)


def judged(scores: list[float], right: list[int]) -> Judged:
    order = np.argsort(-np.array(scores), kind="stable")
    rows = np.tile(np.array(right, dtype=bool)[order], (10, 1))
    return Judged(np.zeros(len(scores), int), np.array(scores)[order], rows, np.ones_like(rows), np.array([1]))


def test_precisions_of_scores_rise_and_are_pooled_where_they_would_fall() -> None:
    """Bins of two: shares 0, 1, .5, 1; the middle ones are pooled to .75."""
    pairs = precision_by_score(judged([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], [0, 0, 1, 1, 1, 0, 1, 1]), least=2)
    assert pairs == ((0.15, 0.0), (0.35, 0.75), (0.55, 0.75), (0.75, 1.0))


def test_precisions_leave_ignored_boxes_out_and_are_settings_of_the_tracker() -> None:
    random = np.random.default_rng(0)
    scores = random.random(2000)
    table = judged(scores.tolist(), (random.random(2000) < scores).tolist())
    pairs = precision_by_score(table)
    assert len(pairs) == 20
    assert np.abs(np.array(pairs)[:, 0] - np.array(pairs)[:, 1]).max() < 0.1  # the scores were taken at their word
    kept = load_settings(None, [f"tracker.calibration={[list(pair) for pair in pairs]}"])
    assert kept.tracker.calibration == pairs  # type: ignore[union-attr]
    table.counts[:] = False
    assert precision_by_score(table) == ()


def test_equal_scores_are_one_knot() -> None:
    assert precision_by_score(judged([0.5] * 40, [1, 0] * 20)) == ((0.5, 0.5),)
