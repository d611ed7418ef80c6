"""From labelled boxes to a Mask R-CNN that is measured: distill masks, distill backbone, train mask-rcnn, evaluate."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from pipeline.bundled_models import resolved
from pipeline.training.detector_network import read_detector
from pipeline.training.mask_rcnn_file import read_mask_rcnn
from pipeline.training.neck_teacher import NeckTeacher
from tests.integration.command import call_main

SEGMENTER = Path("yolov8n_seg_int8") / "yolov8n-seg_int8.onnx"
SMALL = ("--image-size", 96, "--pictures", 8, "--batch", 4, "--epochs", 1, "--threads", 1)


@pytest.fixture(scope="module")
def teacher(shared: Path) -> Path:
    return shared / "weights" / SEGMENTER


@pytest.fixture(scope="module")
def boxes(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve of COCO's pictures with their boxes alone, and eight to judge by with masks; a data.yaml."""
    folder = tmp_path_factory.mktemp("boxes")
    coco = shared / "data" / "coco-mini"
    for part, count in (("train", 12), ("val", 8)):
        held = json.loads((coco / f"{part}.json").read_text())
        people = next(one["id"] for one in held["categories"] if one["name"] == "person")
        shown = {one["image_id"] for one in held["annotations"] if one["category_id"] == people}
        held["images"] = [one for one in held["images"] if one["id"] in shown][:count]
        kept = {one["id"] for one in held["images"]}
        held["annotations"] = [one for one in held["annotations"] if one["image_id"] in kept]
        if part == "train":
            for one in held["annotations"]:
                del one["segmentation"]
        (folder / f"{part}.json").write_text(json.dumps(held))
    pictures = str(coco / "images")
    data = {
        "names": ["person"],
        "classes": {"person": "person"},
        "train": [{"images": pictures, "annotations": "train.json"}],
        "val": {"images": pictures, "annotations": "val.json"},
    }
    (folder / "data.yaml").write_text(yaml.safe_dump(data))
    return folder / "data.yaml"


def test_a_teachers_neck_is_found_by_its_place_in_the_network(teacher: Path) -> None:
    """Three levels of cells of 8, 16 and 32 pixels; one picture's maps do not depend on another's."""
    neck = NeckTeacher(teacher)
    assert neck.channels == (64, 128, 256)
    pictures = np.random.default_rng(0).integers(0, 255, (2, 96, 128, 3), np.uint8)
    maps = neck.maps(pictures)
    assert [level.shape for level in maps] == [(2, 64, 12, 16), (2, 128, 6, 8), (2, 256, 3, 4)]
    for level, alone in zip(maps, neck.maps(pictures[1:]), strict=True):
        np.testing.assert_array_equal(level[1:], alone)


def test_boxes_become_masks_and_masks_a_network(boxes: Path, teacher: Path, shared: Path, tmp_path: Path) -> None:
    words = ("distill", "masks", boxes, "--teacher", teacher, "--out", "masks")
    labelled = call_main(*words, folder=tmp_path)
    assert labelled.code == 0, labelled.err
    whole = (tmp_path / "masks" / "annotations.json").read_bytes()
    entries = json.loads((tmp_path / "masks" / "annotations.json").read_text())["annotations"]
    masked = sum("segmentation" in one for one in entries)
    assert f"{masked} of {len(entries)} boxes in 12 pictures have masks" in labelled.out
    assert masked > 0.3 * len(entries)
    assert "--resume goes on with it" in " ".join(call_main(*words, folder=tmp_path).err.split())
    assert call_main(*words, "--resume", folder=tmp_path).out == labelled.out
    other = call_main(*words, "--resume", "--overlap", 0.7, folder=tmp_path)
    assert (other.code, "overlap is 0.6 there and 0.7 here" in " ".join(other.err.split())) == (2, True)
    (tmp_path / "masks" / "annotations.json").unlink()
    assert call_main(*words, "--resume", folder=tmp_path).out == labelled.out
    assert (tmp_path / "masks" / "annotations.json").read_bytes() == whole
    assert sorted(one.name for one in (tmp_path / "masks").iterdir()) == ["annotations.json", "manifest.json"]

    data = yaml.safe_load(boxes.read_text())
    data["train"] = [{"images": "masks", "annotations": "masks/annotations.json"}]
    data["val"]["annotations"] = str(boxes.parent / "val.json")
    (tmp_path / "masks.yaml").write_text(yaml.safe_dump(data))
    first = call_main(
        "distill", "backbone", "masks.yaml", "--teacher", teacher, "--out", "first", *SMALL, folder=tmp_path
    )
    assert first.code == 0, first.err
    assert "of what the teacher sees" in first.out

    start = ("--weights", "first/best.safetensors")
    trained = call_main("train", "mask-rcnn", "masks.yaml", "--out", "mine", *start, *SMALL, folder=tmp_path)
    assert trained.code == 0, trained.err
    assert f"{masked} masks in 12 pictures" in trained.out
    assert read_mask_rcnn(tmp_path / "mine" / "mask-rcnn.safetensors")[1].classes == ("person",)
    on_detector = ("--weights", "bundled:person-vehicle-bicycle", "--freeze")
    detected = call_main("train", "mask-rcnn", "masks.yaml", "--out", "other", *on_detector, *SMALL, folder=tmp_path)
    assert detected.code == 0, detected.err
    _, bundled = read_detector(Path(resolved(on_detector[1])))
    kept = read_mask_rcnn(tmp_path / "other" / "best.safetensors")[0].backbone.body.layers.state_dict()
    counter = "num_batches_tracked"
    assert all(torch.equal(held, bundled[f"model.{name}"]) for name, held in kept.items() if counter not in name)
    random = call_main("train", "mask-rcnn", "masks.yaml", "--out", "none", "--freeze", *SMALL, folder=tmp_path)
    assert (random.code, "give --weights" in random.err) == (2, True)
    again = call_main("train", "mask-rcnn", "masks.yaml", "--out", "mine", *start, *SMALL, folder=tmp_path)
    assert again.code == 2
    assert "--resume goes on with the training in it" in again.err


def test_masks_of_a_known_network_are_scored_as_coco_does(teacher: Path, shared: Path, tmp_path: Path) -> None:
    """YOLOv8n-seg in 8 bits at 320: about half of the people, in all 80 pictures."""
    truth = shared / "data" / "coco-mini" / "val.json"
    done = call_main(
        "evaluate", "masks", "--weights", teacher, "--truth", truth, "--classes", "person", "--json", "out.json",
        folder=tmp_path,
    )  # fmt: skip
    assert done.code == 0, done.err
    person = json.loads((tmp_path / "out.json").read_text())[0]["scores"][0]
    assert (person["name"], person["objects"]) == ("person", 185)
    assert 0.48 < person["masks"]["ap50"] < 0.58
    assert 0.56 < person["boxes"]["ap50"] < 0.66


@pytest.mark.long
def test_masks_on_the_boxes_of_a_detector_are_scored(teacher: Path, shared: Path, tmp_path: Path) -> None:
    """On its own boxes a network is as good as alone; on those of a weaker detector fewer objects have one."""
    truth = shared / "data" / "coco-mini" / "val.json"
    few = json.loads(truth.read_text())
    few["images"] = few["images"][:12]
    kept = {one["id"] for one in few["images"]}
    few["annotations"] = [one for one in few["annotations"] if one["image_id"] in kept]
    (tmp_path / "val.json").write_text(json.dumps(few))
    (tmp_path / "images").symlink_to(truth.parent / "images")
    found = {}
    for name, words in {
        "alone": (),
        "own": ("--detector", teacher),
        "others": ("--detector", "bundled:person-vehicle-bicycle"),
    }.items():
        done = call_main(
            "evaluate", "masks", "--weights", teacher, "--truth", "val.json", "--classes", "person", *words,
            "--json", f"{name}.json", folder=tmp_path,
        )  # fmt: skip
        assert done.code == 0, done.err
        found[name] = json.loads((tmp_path / f"{name}.json").read_text())[0]["scores"][0]
    assert found["own"]["boxes"]["ap50"] == found["alone"]["boxes"]["ap50"]
    assert found["own"]["masks"]["ap50"] == pytest.approx(found["alone"]["masks"]["ap50"], abs=0.05)
    assert 0.1 < found["others"]["masks"]["ap50"] < found["own"]["masks"]["ap50"]
    refused = call_main(
        "evaluate", "masks", "--weights", teacher, "--truth", truth, "--set", "segmenter.batch=2", folder=tmp_path
    )
    assert (refused.code, "only settings under detector." in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("images.height", None, "has no width and height"),
        ("annotations.category_id", [1], "annotation 1 is of a category"),
    ],
)
def test_a_damaged_truth_is_said_in_a_line(key: str, value: object, said: str, teacher: Path, tmp_path: Path) -> None:
    held = {
        "images": [{"id": 1, "file_name": "a.png", "width": 9, "height": 9}],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [], "bbox": [0, 0, 9, 9]}],
    }
    part, _, name = key.partition(".")
    held[part][0][name] = value  # type: ignore[index]
    (tmp_path / "val.json").write_text(json.dumps(held))
    done = call_main("evaluate", "masks", "--weights", teacher, "--truth", "val.json", folder=tmp_path)
    assert done.code == 2
    assert said in " ".join(done.err.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("distill", "backbone", "DATA", "--teacher", "OTHER", "--out", "o"), "maps before its last module, not 3"),
        (("distill", "backbone", "DATA", "--teacher", "none.onnx", "--out", "o"), "none.onnx cannot be read as ONNX"),
        (("distill", "masks", "DATA", "--teacher", "DETECTOR", "--out", "o"), "finds boxes, but no masks"),
        (("train", "mask-rcnn", "DATA", "--out", "o", "--image-size", "64"), "none of the pictures has masks"),
        (("train", "mask-rcnn", "DATA", "--out", "o", "--weights", "no.safetensors"), "no weights file no.safetensors"),
        (("evaluate", "masks", "--weights", "DETECTOR", "--truth", "COCO"), "finds boxes, but no masks"),
        (("evaluate", "masks", "--weights", "TEACHER", "--truth", "none.json"), "none.json cannot be read"),
        (("distill", "backbone", "DATA", "--teacher", "TEACHER", "--out", "o", "--image-size", "72"), "take 64"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    words: tuple[str, ...], said: str, boxes: Path, teacher: Path, shared: Path, tmp_path: Path
) -> None:
    places = {
        "DATA": boxes,
        "TEACHER": teacher,
        "OTHER": shared / "weights" / "nanotrack_v2" / "nanotrack_backbone_sim.onnx",
        "DETECTOR": "bundled:person-vehicle-bicycle",
        "COCO": shared / "data" / "coco-mini" / "val.json",
    }
    done = call_main(*(places.get(word, word) for word in words), folder=tmp_path)
    assert done.code == 2, done.out + done.err
    assert said in " ".join(done.err.split())
    assert "Traceback" not in done.err
