"""pipeline.models.prototypes: masks out of prototypes, by hand and of a real network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.errors import ModelError
from pipeline.models import onnx_models, openvino_models
from pipeline.models.decoders import Form, Hints, Limits, TensorSpec, choose
from pipeline.models.inputs import Placement
from pipeline.models.network import NetworkDetector
from trackers.geometry import iou_matrix
from trackers.structures import Frame

SIZE = (64, 96)  # cells: 8*12 + 4*6 + 2*3 = 126
WHOLE = Placement((1.0, 1.0), (0, 0), 96, 64)
PEOPLE = 1  # COCO's number; the network's label is 0


def test_a_mask_is_the_sum_of_prototypes_where_it_is_positive() -> None:
    """Two prototypes: right half and upper half. Their sum less a bit of each is positive in both or either."""
    right, upper = -np.ones((16, 24), np.float32), -np.ones((16, 24), np.float32)
    right[:, 12:], upper[:8] = 1, 1
    outputs = [np.zeros((1, 4 + 1 + 2, 126), np.float32), np.stack([right, upper])[None]]
    outputs[0][0, :, 5] = [48, 32, 40, 24, 0.9, 1.0, 0.1]  # right counts for more than upper
    outputs[0][0, :, 60] = [20, 20, 8, 8, 0.8, -1.0, 0.0]  # what is not right
    specs = [TensorSpec("output0", (1, 7, 126)), TensorSpec("output1", (1, 2, 16, 24))]
    found = choose(specs, SIZE).detections(outputs, 0, WHOLE, Limits())
    assert found.masks is not None
    np.testing.assert_array_equal(found.masks.origins, [[28, 20], [16, 16]])
    first, second = found.masks.crops
    assert first.shape == (24, 40)
    np.testing.assert_array_equal(first, np.broadcast_to(np.arange(28, 68) >= 48, first.shape))
    assert second.all()


@pytest.mark.parametrize("where", ["prototypes", "coefficients"])
def test_sums_that_are_no_numbers_are_no_empty_mask(where: str) -> None:
    outputs = [np.zeros((1, 4 + 1 + 2, 126), np.float32), np.ones((1, 2, 16, 24), np.float32)]
    outputs[0][0, :, 5] = [48, 32, 40, 24, 0.9, 1.0, 0.1]
    if where == "prototypes":
        outputs[1][0, 1, 3, 4] = np.nan
    else:
        outputs[0][0, 6, 5] = np.nan
    decoder = choose([TensorSpec("output0", (1, 7, 126)), TensorSpec("output1", (1, 2, 16, 24))], SIZE)
    with pytest.raises(ModelError, match="masks that are not numbers"):
        decoder.detections(outputs, 0, WHOLE, Limits())
    outputs[0][0, 4] = 0  # no box, so nothing is asked of the prototypes
    assert len(decoder.detections(outputs, 0, WHOLE, Limits())) == 0


def test_masks_lie_where_the_picture_does() -> None:
    """A picture of half the input's scale in its middle: two of its pixels are one of the input's."""
    place = Placement((0.5, 0.5), (8, 4), 160, 112)
    left = np.ones((1, 16, 24), np.float32)
    left[0, :, 12:] = -1  # from input pixel 48 on, which is the picture's 80
    outputs = [np.zeros((1, 6, 126), np.float32), left[None]]
    outputs[0][0, :, 0] = [48, 32, 80, 56, 0.9, 1.0]
    specs = [TensorSpec("output0", (1, 6, 126)), TensorSpec("output1", (1, 1, 16, 24))]
    found = choose(specs, SIZE).detections(outputs, 0, place, Limits())
    np.testing.assert_allclose(found.boxes, [[0, 0, 160, 112]])
    assert found.masks is not None
    np.testing.assert_array_equal(found.masks.crops[0], np.broadcast_to(np.arange(160) < 80, (112, 160)))


def test_no_object_has_no_masks() -> None:
    outputs = [np.zeros((1, 6, 126), np.float32), np.zeros((1, 1, 16, 24), np.float32)]
    specs = [TensorSpec("output0", (1, 6, 126)), TensorSpec("output1", (1, 1, 16, 24))]
    found = choose(specs, SIZE).detections(outputs, 0, WHOLE, Limits())
    assert found.masks is not None
    assert len(found.masks) == 0


def test_final_boxes_with_masks() -> None:
    specs = [TensorSpec("output0", (1, 300, 8)), TensorSpec("output1", (1, 2, 16, 24))]
    decoder = choose(specs, SIZE, hints=Hints(final=True))
    assert decoder.form is Form.END_TO_END
    table = np.zeros((1, 300, 8), np.float32)
    table[0, 0] = [8, 8, 24, 32, 0.9, 3, 1, -1]
    found = decoder.detections([table, np.ones((1, 2, 16, 24), np.float32) * [[[[2]], [[1]]]]], 0, WHOLE, Limits())
    np.testing.assert_array_equal(found.labels, [3])
    assert found.masks is not None
    assert found.masks.crops[0].all()


@pytest.mark.parametrize("open_detector", [onnx_models.open_detector, openvino_models.open_detector])
def test_a_real_network_masks_people(shared: Path, open_detector: Callable[..., NetworkDetector]) -> None:
    """Against the masks that people drew: of a person whose box was found most pixels are."""
    detector = open_detector(shared / "weights/yolov8n_seg_int8/yolov8n-seg_int8.onnx", min_score=0.4)
    overlaps = []
    for picture, boxes, outlines in people(shared / "data/coco-mini", 12):
        (found,) = detector.detect([Frame(picture, 0, 0.0, 0)])
        found = found[found.labels == 0]
        assert found.masks is not None
        drawn = np.zeros((len(boxes), *picture.shape[:2]), np.uint8)
        for plane, outline in zip(drawn, outlines, strict=True):
            cv2.fillPoly(plane, outline, 1)
        full = found.masks.full(*picture.shape[:2])
        for box, one in zip(boxes, drawn > 0, strict=True):
            near = iou_matrix(box[None], found.boxes)[0]
            if near.max(initial=0) > 0.7:
                same = full[near.argmax()]
                overlaps.append((same & one).sum() / (same | one).sum())
    assert len(overlaps) >= 10
    assert np.mean(overlaps) > 0.7


def people(folder: Path, count: int) -> list[tuple[np.ndarray, np.ndarray, list[list[np.ndarray]]]]:
    """Pictures with the boxes (n, 4) and the outlines of the large people in them."""
    said = json.loads((folder / "val.json").read_text(encoding="utf-8"))
    names = {one["id"]: one["file_name"] for one in said["images"]}
    rows = [one for one in said["annotations"] if one["category_id"] == PEOPLE and not one.get("iscrowd")]
    rows = [one for one in rows if one["area"] > 3000 and isinstance(one["segmentation"], list)]
    pictures = []
    for image in sorted({one["image_id"] for one in rows})[:count]:
        mine = [one for one in rows if one["image_id"] == image]
        boxes = np.array([one["bbox"] for one in mine], np.float32)
        boxes[:, 2:] += boxes[:, :2]
        outlines = [
            [np.array(part, np.float32).reshape(-1, 2).astype(np.int32) for part in one["segmentation"]] for one in mine
        ]
        picture = cv2.imread(str(folder / "images" / names[image]))
        assert picture is not None
        pictures.append((picture, boxes, outlines))
    return pictures
