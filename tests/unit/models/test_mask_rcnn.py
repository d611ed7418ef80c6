"""Mask R-CNN: masks as torchvision pastes them, the full pass and given boxes agree, files are checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torchvision.models.detection.roi_heads import paste_masks_in_image

from pipeline.errors import ModelError
from pipeline.models.label_names import COCO
from pipeline.models.mask_paste import pasted
from pipeline.models.mask_rcnn_file import read_light
from pipeline.models.mask_rcnn_models import open_detector, open_segmenter
from pipeline.models.torchvision_models import to_tensor
from tests.unit.models.lively_mask_rcnn import ON_DETECTOR, PLAN, lively_file
from trackers.structures import Detections, Frame, Masks

NAMES = ("person", "vehicle", "bicycle")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lively_file(tmp_path_factory.mktemp("light") / "lively.safetensors")


@pytest.fixture(scope="module", params=[PLAN, ON_DETECTOR], ids=["mobilenet", "detector"])
def either(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of each kind of trunk."""
    return lively_file(tmp_path_factory.mktemp("either") / "lively.safetensors", request.param)


def picture(seed: int = 0, *, width: int = 220, height: int = 160, index: int = 0) -> Frame:
    small = np.random.default_rng(seed).integers(0, 255, (height // 20, width // 20, 3), dtype=np.uint8)
    return Frame(np.ascontiguousarray(small.repeat(20, axis=0).repeat(20, axis=1)), index, index / 10, index)


def boxed(*rows: tuple[float, float, float, float], labels: tuple[int, ...] | None = None) -> Detections:
    boxes = np.array(rows, np.float32).reshape(-1, 4)
    said = np.zeros(len(boxes), np.int64) if labels is None else np.array(labels)
    return Detections(boxes, np.full(len(boxes), 0.9, np.float32), said)


def overlaps(some: Masks, others: Masks) -> list[float]:
    a, b = some.full(400, 400), others.full(400, 400)
    return [float((one & other).sum() / (one | other).sum()) for one, other in zip(a, b, strict=True) if one.any()]


def test_pasted_masks_are_torchvisions() -> None:
    rng = np.random.default_rng(0)
    corner = rng.uniform(-20, 110, (40, 2))
    sides = np.where(corner < 0, 25, 0.01) + rng.uniform(0, 90, (40, 2))  # torchvision's takes none that lies outside
    boxes = np.concatenate([corner, corner + sides], axis=1).astype(np.float32)
    masks = rng.uniform(0, 1, (40, 28, 28)).astype(np.float32)
    theirs = paste_masks_in_image(torch.from_numpy(masks)[:, None], torch.from_numpy(boxes), (120, 160))[:, 0] > 0.5
    ours = pasted(masks, boxes, 160, 120)
    np.testing.assert_array_equal(ours.full(120, 160), theirs.numpy())
    largest = (boxes[:, 2:] - boxes[:, :2]).max() * 30 / 28 + 2
    assert max(max(crop.shape) for crop in ours.crops) <= largest
    assert len(pasted(masks[:0], boxes[:0], 160, 120)) == 0


def test_the_full_pass_is_torchvisions(either: Path) -> None:
    frame = picture()
    (found,) = open_detector("", weights=either, min_score=0.0, precision="f32", max_detections=20).detect([frame])
    network, _, _ = read_light(either)
    network.roi_heads.score_thresh, network.roi_heads.detections_per_img = 0.0, 20
    with torch.inference_mode():
        theirs = network([to_tensor(frame.image)])[0]
    np.testing.assert_allclose(found.boxes, theirs["boxes"].numpy(), atol=1e-3)
    np.testing.assert_array_equal(found.labels, theirs["labels"].numpy() - 1)
    assert found.masks is not None
    full = found.masks.full(frame.height, frame.width)
    np.testing.assert_array_equal(full, theirs["masks"][:, 0].numpy() > 0.5)
    assert full.any(axis=0).mean() > 0.05
    assert sum(crop.any() and not crop.all() for crop in found.masks.crops) > 10


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_given_boxes_get_the_masks_of_the_full_pass(either: Path, precision: str) -> None:
    frames = [picture(1), picture(2), picture(3, width=260)]
    whole = open_detector("", weights=either, min_score=0.0, precision=precision, max_detections=20).detect(frames)
    asked = open_segmenter("", weights=either, prompts=NAMES, precision=precision, batch=2).segment(frames, whole)
    for found, masks in zip(whole, asked, strict=True):
        assert found.masks is not None
        same = overlaps(found.masks, masks)
        assert len(same) > 10
        assert np.mean(same) > 0.99


def test_short_numbers_find_the_same_places(weights: Path) -> None:
    frame, prompt = picture(4), boxed((20, 20, 100, 150), (90, 10, 200, 120))
    exact, short = (
        open_segmenter("", weights=weights, prompts=["x"], precision=precision).segment([frame], [prompt])[0]
        for precision in ("f32", "bf16")
    )
    assert min(overlaps(exact, short)) > 0.8  # the edges of random masks are blurred


def test_frames_do_not_depend_on_their_batch(weights: Path) -> None:
    frames = [picture(1), picture(2), picture(3, width=260), picture(4)]
    prompts = [boxed((10, 10, 90, 120)), boxed(), boxed((30, 5, 120, 150), (0, 0, 60, 60)), boxed((50, 50, 99, 99))]
    together = open_segmenter("", weights=weights, prompts=NAMES, precision="f32", batch=4)
    masks = together.segment(frames, prompts)
    assert [len(one) for one in masks] == [1, 0, 2, 1]
    for frame, prompt, some in zip(frames, prompts, masks, strict=True):
        (alone,) = together.segment([frame], [prompt])
        np.testing.assert_array_equal(alone.full(160, 260), some.full(160, 260))
    assert together.segment([], []) == []


def test_an_object_of_an_unknown_class_is_what_is_of_any(weights: Path) -> None:
    frame, boxes = picture(5), ((20, 20, 100, 150),) * 5
    prompts = ("person", "vehicle", "bicycle", "dog", "car")
    (masks,) = open_segmenter("", weights=weights, prompts=prompts, precision="f32").segment(
        [frame], [boxed(*boxes, labels=(0, 1, 2, 3, 4))]
    )
    person, vehicle, bicycle, dog, car = masks.crops
    assert (person != vehicle).any()
    any_of = person | vehicle | bicycle
    assert dog[any_of].all()
    assert (dog & ~any_of).mean() < 0.1  # between cells two classes may share
    np.testing.assert_array_equal(car, vehicle)


def test_what_is_no_box_in_the_picture_has_no_pixel(weights: Path) -> None:
    odd = boxed((500, 20, 600, 150), (20, 20, 100, 150), (np.nan, 0, 10, 10), (10, 10, 10, 40), (-50, -50, 300, 300))
    (masks,) = open_segmenter("", weights=weights, prompts=NAMES).segment([picture()], [odd])
    assert [crop.size > 0 for crop in masks.crops] == [False, True, False, False, True]
    assert (masks.origins >= 0).all()
    assert masks.crops[4].shape == (160, 220)


def test_torchvisions_own_by_name() -> None:
    segmenter = open_segmenter(
        "maskrcnn_resnet50_fpn", weights="none", prompts=("person",), shortest_side=64, precision="f32"
    )
    (masks,) = segmenter.segment([picture()], [boxed((20, 20, 100, 150))])
    assert masks.crops[0].shape[0] > 100
    assert segmenter.card.task == "segment"
    assert segmenter.card.classes == COCO


def test_bad_files_are_refused(tmp_path: Path, weights: Path) -> None:
    with pytest.raises(ModelError, match="unknown; use one of maskrcnn"):
        open_segmenter("resnet18", prompts=NAMES)
    with pytest.raises(ModelError, match="knows 3 classes"):
        open_detector("", weights=weights, classes=["a"])
    with pytest.raises(ModelError, match="precision 'f8'"):
        open_detector("", weights=weights, precision="f8")
    short = tmp_path / "short.safetensors"
    tensors = load_file(weights)
    tensors.pop("backbone.fpn.inner_blocks.0.0.weight")
    save_file(tensors, short, {"task": "segment", "architecture": PLAN.to_text()})
    with pytest.raises(ModelError, match="Missing key"):
        open_detector("", weights=short)
    other = tmp_path / "other.safetensors"
    save_file(tensors, other, {"task": "embed", "architecture": "{}"})
    with pytest.raises(ModelError, match="no Mask R-CNN of ours"):
        open_detector("", weights=other)
