"""A rendered plaza as a set of labelled pictures, and a network small enough to learn it within seconds."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import yaml

from pipeline.synthetic.scene import Scene
from pipeline.synthetic.truth import Truth
from trackers.structures import FloatArray

NAMES = ["even", "odd"]  # of a walker's number: two classes, of which one can be rare
TINY = {
    "nc": 2,
    "backbone": [
        [-1, 1, "Conv", [8, 3, 2]],
        [-1, 1, "Conv", [16, 3, 2]],
        [-1, 1, "Conv", [32, 3, 2]],
        [-1, 1, "C2f", [32, True]],
        [-1, 1, "Conv", [48, 3, 2]],
        [-1, 1, "C2f", [48, True]],
        [-1, 1, "Conv", [48, 3, 2]],
    ],
    "head": [[[3, 5, 6], 1, "Detect", ["nc"]]],
}
_SIDE = 160  # pixels of a picture
_SMALLEST = 12  # pixels of a labelled box


def write_network(path: Path) -> Path:
    """The tiny architecture as a YAML file."""
    path.write_text(yaml.safe_dump(TINY), encoding="utf-8")
    return path


def write_pictures(folder: Path, *, train: int, val: int) -> Path:
    """Square pieces of the plaza around a walker, with YOLO labels; returns their data.yaml."""
    scene = Scene(seconds=24.0, size=(960, 540), fps=4.0, walkers=12, seed=3)
    truths = [truth for truth in scene.truths() if truth.visibility.max(initial=0) > 0.9]
    chosen = [truths[int(place)] for place in np.linspace(0, len(truths) - 1, train + val)]
    for place, truth in enumerate(chosen):
        part = "train" if place < train else "val"
        for kind in ("images", "labels"):
            (folder / kind / part).mkdir(parents=True, exist_ok=True)
        corner = _corner(truth, scene.size)
        x, y = corner.tolist()
        image = scene.frame(truth.index).image[y : y + _SIDE, x : x + _SIDE]
        cv2.imwrite(str(folder / "images" / part / f"{place:04d}.png"), image)
        (folder / "labels" / part / f"{place:04d}.txt").write_text(_rows(truth, corner), encoding="utf-8")
    data = {"names": NAMES, "train": "images/train", "val": "images/val"}
    (folder / "data.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    return folder / "data.yaml"


def _corner(truth: Truth, size: tuple[int, int]) -> FloatArray:
    """(2,) x and y of the piece around the walker that is best seen."""
    box = truth.visible_boxes[int(np.argmax(truth.visibility))]
    middle = (box[:2] + box[2:]) / 2
    corner: FloatArray = np.clip(middle - _SIDE / 2, 0, np.array(size) - _SIDE).astype(np.int64)
    return corner


def _rows(truth: Truth, corner: FloatArray) -> str:
    boxes = np.clip(truth.visible_boxes - np.tile(corner, 2), 0, _SIDE) / _SIDE
    rows = []
    for identity, (x1, y1, x2, y2) in zip(truth.ids.tolist(), boxes.tolist(), strict=True):
        if min(x2 - x1, y2 - y1) * _SIDE >= _SMALLEST:
            rows.append(f"{identity % 2} {(x1 + x2) / 2:.6f} {(y1 + y2) / 2:.6f} {x2 - x1:.6f} {y2 - y1:.6f}\n")
    return "".join(rows)
