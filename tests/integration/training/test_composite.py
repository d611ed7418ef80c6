"""`sightline composite` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from pipeline.training.detection_data import read_training_pictures
from tests.integration.command import call_main
from tests.unit.training.labelled_scene import write_pictures

FROM_MASKS = ("--masks", "masks/instances.json", "--images", "masks", "--classes", "even=cat")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scenes of classes even and odd, a picture with the mask of a cat, and what two cameras that stand still saw."""
    tmp_path = tmp_path_factory.mktemp("composites")
    write_pictures(tmp_path, train=4, val=1)
    (tmp_path / "masks").mkdir()
    image = np.full((120, 160, 3), (0, 200, 0), np.uint8)
    image[30:90, 50:80] = (0, 0, 220)
    cv2.imwrite(str(tmp_path / "masks" / "one.png"), image)
    outline = [50, 30, 79, 30, 79, 89, 50, 89]
    held = {
        "images": [{"id": 1, "file_name": "one.png", "height": 120, "width": 160}],
        "annotations": [{"image_id": 1, "category_id": 5, "bbox": [50, 30, 30, 60], "segmentation": [outline]}],
        "categories": [{"id": 5, "name": "cat"}],
    }
    (tmp_path / "masks" / "instances.json").write_text(json.dumps(held), encoding="utf-8")
    write_still(tmp_path / "yard", steps=5)
    write_still(tmp_path / "calm", steps=1)  # nothing moves
    return tmp_path


def write_still(folder: Path, *, steps: int) -> None:
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
    for step in range(steps):
        image = np.full((120, 200, 3), 90, np.uint8)
        cv2.ellipse(image, (30 + 35 * step, 50), (12, 30), 0, 0, 360, (30, 160, 240), cv2.FILLED)
        cv2.imwrite(str(folder / "images" / f"{step}.png"), image)
        row = f"1 {(30 + 35 * step) / 200} {50 / 120} {24 / 200} {60 / 120}\n"
        (folder / "labels" / f"{step}.txt").write_text(row, encoding="utf-8")
    data = {"names": ["even", "odd"], "train": "images"}
    (folder / "data.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")


def composite(place: Path, *words: str, out: str) -> tuple[int, str, str]:
    done = call_main("composite", "data.yaml", "--out", out, *words, folder=place)
    return done.code, done.out, done.err


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*.*"))}


def test_pictures_of_masks_still_cameras_and_rendered_scenes(place: Path) -> None:
    words = (*FROM_MASKS, "--still", "yard/data.yaml", "--rendered", "odd", "--pictures", "6")
    code, out, err = composite(place, *words, out="made")
    assert code == 0, err
    assert "6 pictures with" in out
    names, pictures, _ = read_training_pictures(place / "made" / "data.yaml")
    assert names == ("even", "odd")
    assert len(pictures) == 6
    assert sum(len(one.labels) for one in pictures) > 6
    whole = contents(place / "made")
    for file in list((place / "made" / "images" / "train").iterdir())[:2]:  # as if it had been killed
        file.unlink()
    (place / "made" / "data.yaml").unlink()
    code, _, err = composite(place, *words, out="made")
    assert (code, "--resume goes on" in err) == (2, True)
    code, out, err = composite(place, *words, "--resume", out="made")
    assert code == 0, err
    assert "2 pictures with" in out
    assert "4 were there" in out
    assert contents(place / "made") == whole
    code, _, err = composite(place, *words, "--resume", "--most-of-still", "1", out="made")
    assert (code, "cutouts is " in err) == (2, True)


def test_rendered_scenes_as_they_are(place: Path) -> None:
    words = ("--rendered", "odd", "--rendered-share", "1", "--most", "0", "--pictures", "4", "--seed", "2")
    code, out, err = composite(place, *words, out="plaza")
    assert code == 0, err
    assert "of 0 cut-outs, 4 scenes" in out
    _, pictures, _ = read_training_pictures(place / "plaza" / "data.yaml")
    assert [set(one.labels.tolist()) <= {1} for one in pictures] == [True] * 4
    assert sum(len(one.labels) for one in pictures) > 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "nothing to cut out"),
        ((*FROM_MASKS, "--rendered-share", "0.5"), "--rendered-share needs --rendered"),
        ((*FROM_MASKS, "--most", "0"), "--most 0 pastes nothing"),
        (("--masks", "masks/instances.json"), "--masks needs --images"),
        (FROM_MASKS[:4], "no whole object of even, odd; --classes says what"),
        ((*FROM_MASKS[:5], "dog=cat"), "--classes names dog; the scenes label even, odd"),
        ((*FROM_MASKS[:5], "even=cta"), "--classes asks for cta, but there are only cat"),
        ((*FROM_MASKS[:5], "even=cat,odd=cat"), "only one class on the left"),
        (("--still", "yard/data.yaml", "--classes", "even=cat"), "leave it out"),
        ((*FROM_MASKS, "--rendered", "dog"), "--rendered dog: the scenes label even, odd"),
        ((*FROM_MASKS, "--shares", "1"), "give one number above 0 for each of even, odd"),
        ((*FROM_MASKS, "--near", "a,b"), "separate numbers by commas"),
        (("--still", "calm/data.yaml"), "nothing in it can be cut out"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(place: Path, words: tuple[str, ...], says: str) -> None:
    code, _, err = composite(place, *words, out="never")
    assert code == 2
    assert says in err
    assert err.count("\n") == 1
    assert not (place / "never").exists()
