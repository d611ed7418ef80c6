"""pipeline.models.decoders: outputs worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.ops import batched_nms

from pipeline.errors import ModelError
from pipeline.models import decoders
from pipeline.models.decoders import Candidates, Form, Hints, Limits, TensorSpec, choose, finish
from pipeline.models.inputs import Placement

SIZE = (64, 96)  # cells: 8*12 + 4*6 + 2*3 = 126
WHOLE = Placement((1.0, 1.0), (0, 0), 96, 64)


def test_boxes_and_labels() -> None:
    boxes = np.array([[1, 2, 3, 4, 0.9], [5, 6, 7, 8, 0.04], [2, 2, 9, 9, 0.5]], np.float32)
    found = decoders.read_boxes_labels(boxes, np.array([1, 0, 2]), 0.5)
    np.testing.assert_array_equal(found.boxes, [[1, 2, 3, 4], [2, 2, 9, 9]])
    np.testing.assert_array_equal(found.labels, [1, 2])
    np.testing.assert_allclose(found.scores, [0.9, 0.5])


def test_detection_output_stops_at_its_end_mark() -> None:
    rows = np.array([[0, 1, 0.9, 0.25, 0.5, 0.5, 1.0], [-1, 0, 0, 0, 0, 0, 0], [0, 2, 0.8, 0, 0, 1, 1]], np.float32)
    found = decoders.read_detection_output(rows[None, None], SIZE, 0.1)
    np.testing.assert_array_equal(found.boxes, [[24, 32, 48, 64]])
    np.testing.assert_array_equal(found.labels, [1])


def test_yolox_cell_by_hand() -> None:
    table = np.zeros((126, 7), np.float32)
    cell = 96 + 1 * 6 + 2  # stride 16: row 1, column 2
    table[cell] = [0.5, 0.25, np.log(2), np.log(3), 0.8, 0.1, 0.5]
    table[0, 4:] = [0.9, 0.01, 0.01]  # strong objectness, weak classes
    found = decoders.read_yolox(table, SIZE, 0.3)
    x, y, width, height = (2 + 0.5) * 16, (1 + 0.25) * 16, 32, 48
    np.testing.assert_allclose(found.boxes, [[x - width / 2, y - height / 2, x + width / 2, y + height / 2]], rtol=1e-6)
    np.testing.assert_allclose(found.scores, [0.4], rtol=1e-6)
    np.testing.assert_array_equal(found.labels, [1])


def test_yolov8_leaves_mask_coefficients_out() -> None:
    table = np.zeros((4 + 2 + 3, 126), np.float32)
    table[:, 5] = [20, 30, 8, 4, 0.2, 0.7, 9, 9, 9]
    found = decoders.read_yolov8(table, 2, 0.3)
    np.testing.assert_array_equal(found.boxes, [[16, 28, 24, 32]])
    np.testing.assert_array_equal(found.labels, [1])


def test_end_to_end() -> None:
    table = np.array([[1, 2, 3, 4, 0.9, 7], [0, 0, 0, 0, 0, 0]], np.float32)
    found = decoders.read_end_to_end(table, 0.1)
    np.testing.assert_array_equal(found.boxes, [[1, 2, 3, 4]])
    np.testing.assert_array_equal(found.labels, [7])


@pytest.mark.parametrize(
    ("outputs", "form", "count"),
    [
        ([TensorSpec("boxes", (None, 5)), TensorSpec("labels", (None,))], Form.BOXES_LABELS, None),
        ([TensorSpec("labels", (100,)), TensorSpec("boxes", (100, 5))], Form.BOXES_LABELS, None),
        ([TensorSpec("detection_out", (1, 1, 200, 7))], Form.DETECTION_OUTPUT, None),
        ([TensorSpec("output", (1, 126, 85))], Form.YOLOX, 80),
        ([TensorSpec("output0", (None, 84, 126))], Form.YOLOV8, 80),
        ([TensorSpec("output0", (1, 116, 126)), TensorSpec("output1", (1, 32, 16, 24))], Form.YOLOV8, 80),
        ([TensorSpec("output0", (1, 126, 6))], Form.YOLOX, 1),
        ([TensorSpec("output0", (1, 5, 126))], Form.YOLOV8, 1),
    ],
)
def test_the_form_shows_in_names_and_shapes(outputs: list[TensorSpec], form: Form, count: int | None) -> None:
    decoder = choose(outputs, SIZE)
    assert decoder.form is form
    assert decoder.class_count == count


@pytest.mark.parametrize(
    ("rows", "hints", "form"),
    [
        (300, Hints(80), Form.END_TO_END),
        (300, Hints(1), Form.END_TO_END),  # YOLOX would have a row a cell
        (300, Hints(2, final=True), Form.END_TO_END),
        (300, Hints(None, final=True), Form.END_TO_END),
        (None, Hints(80), Form.END_TO_END),
        (None, Hints(1, final=True), Form.END_TO_END),
        (126, Hints(), Form.YOLOX),
        (126, Hints(1), Form.YOLOX),
        (300, Hints(), None),
        (300, Hints(2), None),  # may be RT-DETR: centre, size and two scores
        (None, Hints(), None),
        (None, Hints(1), None),  # may be YOLOX
    ],
)
def test_six_numbers_a_row_need_support(rows: int | None, hints: Hints, form: Form | None) -> None:
    outputs = [TensorSpec("output0", (1, rows, 6))]
    if form is not None:
        assert choose(outputs, SIZE, hints=hints).form is form
        return
    with pytest.raises(ModelError, match=r"net\.onnx: .*set detector\.decoder to end-to-end"):
        choose(outputs, SIZE, hints=hints, name="net.onnx")
    assert choose(outputs, SIZE, hints=hints, form="end-to-end").form is Form.END_TO_END


def test_outputs_may_come_in_any_order() -> None:
    decoder = choose([TensorSpec("labels", (2,)), TensorSpec("boxes", (2, 5))], SIZE)
    outputs = [np.array([1, 0]), np.array([[0, 0, 9, 9, 0.5], [0, 0, 5, 5, 0.9]], np.float32)]
    found = decoder.detections(outputs, 0, WHOLE, Limits())
    np.testing.assert_array_equal(found.labels, [0, 1])
    np.testing.assert_allclose(found.scores, [0.9, 0.5])


def test_an_embedder_is_told_apart() -> None:
    with pytest.raises(ModelError, match="embedder, not a detector"):
        choose([TensorSpec("reid_embedding", (1, 256))], SIZE)


def test_unknown_outputs_list_what_is_known() -> None:
    with pytest.raises(ModelError, match=r"odd 1x3x9\) are of no known form; known: boxes-labels"):
        choose([TensorSpec("odd", (1, 3, 9))], SIZE)


def test_the_form_can_be_given() -> None:
    assert choose([TensorSpec("odd", (None, None, None))], SIZE, form="yolox").form is Form.YOLOX
    with pytest.raises(ModelError, match="'yolo5' is unknown"):
        choose([TensorSpec("odd", (1, 3, 9))], SIZE, form="yolo5")
    with pytest.raises(ModelError, match="no output 'boxes'"):
        choose([TensorSpec("odd", (1, 3, 9))], SIZE, form=Form.BOXES_LABELS)


@pytest.mark.parametrize("place", [0, 4])
def test_nan_is_an_error(place: int) -> None:
    boxes = np.array([[0, 0, 9, 9, 0.9]], np.float32)
    boxes[0, place] = np.nan
    decoder = choose([TensorSpec("boxes", (1, 5)), TensorSpec("labels", (1,))], SIZE)
    with pytest.raises(ModelError, match="NaN"):
        decoder.detections([boxes, np.array([0])], 0, WHOLE, Limits())


@pytest.mark.parametrize("label", [np.nan, np.inf, -1.0, 1e30])
@pytest.mark.parametrize("form", [Form.BOXES_LABELS, Form.DETECTION_OUTPUT, Form.END_TO_END])
def test_labels_that_are_no_class_numbers(form: Form, label: float) -> None:
    outputs = {
        Form.BOXES_LABELS: [np.array([[0, 0, 9, 9, 0.9]], np.float32), np.array([label], np.float32)],
        Form.DETECTION_OUTPUT: [np.array([[[[0, label, 0.9, 0, 0, 1, 1]]]], np.float32)],
        Form.END_TO_END: [np.array([[[0, 0, 9, 9, 0.9, label]]], np.float32)],
    }[form]
    names = ["boxes", "labels"] if len(outputs) == 2 else ["output"]
    specs = [TensorSpec(name, output.shape) for name, output in zip(names, outputs, strict=True)]
    decoder = choose(specs, SIZE, form=form)
    with pytest.raises(ModelError, match="labels that are no class numbers"):
        decoder.detections(outputs, 0, WHOLE, Limits())
    assert len(decoder.detections(outputs, 0, WHOLE, Limits(min_score=0.95))) == 0  # weak rows may be padding


def test_rows_after_the_end_mark_may_hold_any_label() -> None:
    rows = np.array([[0, 1, 0.9, 0, 0, 1, 1], [-1, -1, 0.9, 0, 0, 1, 1], [-1, np.nan, 0.9, 0, 0, 1, 1]], np.float32)
    np.testing.assert_array_equal(decoders.read_detection_output(rows, SIZE, 0.0).labels, [1])


def test_an_infinite_box_is_the_whole_picture() -> None:
    table = np.zeros((126, 6), np.float32)
    table[0] = [0, 0, 1000, 1000, 1, 1]
    decoder = choose([TensorSpec("output", (1, 126, 6))], SIZE)
    found = decoder.detections([table[None]], 0, WHOLE, Limits())
    np.testing.assert_array_equal(found.boxes, [[0, 0, 96, 64]])


def test_finish_clips_sorts_suppresses_by_class_and_cuts() -> None:
    found = Candidates(
        np.array([[-9, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10], [100, 0, 120, 9], [50, 5, 60, 5]], np.float32),
        np.array([0.5, 0.9, 0.8, 0.99, 0.99], np.float32),
        np.array([0, 0, 1, 0, 0]),
    )
    kept = finish(found, WHOLE, Limits(nms_iou=0.5), suppress=True)
    np.testing.assert_array_equal(kept.boxes, [[0, 0, 10, 10], [0, 0, 10, 10]])
    np.testing.assert_array_equal(kept.labels, [0, 1])
    assert kept.boxes.dtype == np.float32
    assert kept.labels.dtype == np.int64
    assert len(finish(found, WHOLE, Limits(max_detections=1), suppress=False)) == 1


def test_suppression_agrees_with_torchvision() -> None:
    rng = np.random.default_rng(7)
    corners = rng.uniform(0, 60, (400, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(4, 30, (400, 2))], axis=1).astype(np.float32)
    boxes = np.clip(boxes, 0, [96, 64, 96, 64]).astype(np.float32)
    scores = rng.permutation(np.linspace(0.1, 0.9, 400)).astype(np.float32)
    labels = rng.integers(0, 4, 400)
    ours = finish(Candidates(boxes, scores, labels), WHOLE, Limits(nms_iou=0.45), suppress=True)
    theirs = batched_nms(torch.tensor(boxes), torch.tensor(scores), torch.tensor(labels), 0.45).numpy()
    np.testing.assert_array_equal(ours.scores, scores[theirs][:300])
    np.testing.assert_array_equal(ours.boxes, boxes[theirs][:300])


@pytest.mark.parametrize("form", list(Form))
def test_nothing_found(form: Form) -> None:
    outputs = {
        Form.BOXES_LABELS: [np.zeros((0, 5), np.float32), np.zeros(0, np.int64)],
        Form.DETECTION_OUTPUT: [np.full((1, 1, 200, 7), -1, np.float32)],
        Form.YOLOX: [np.zeros((1, 126, 85), np.float32)],
        Form.YOLOV8: [np.zeros((1, 84, 126), np.float32)],
        Form.END_TO_END: [np.zeros((1, 300, 6), np.float32)],
    }[form]
    names = ["boxes", "labels"] if len(outputs) == 2 else ["output"]
    specs = [TensorSpec(name, output.shape) for name, output in zip(names, outputs, strict=True)]
    decoder = choose(specs, SIZE, hints=Hints(80))
    assert decoder.form is form
    assert len(decoder.detections(outputs, 0, WHOLE, Limits())) == 0
