"""A rendered plaza as a set of labelled pictures, and a network small enough to learn it within seconds."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import yaml

from pipeline.synthetic.scene import Scene

NAMES = ["person", "shadow"]
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


def write_network(path: Path) -> Path:
    """The tiny architecture as a YAML file."""
    path.write_text(yaml.safe_dump(TINY), encoding="utf-8")
    return path


def write_pictures(folder: Path, *, train: int, val: int, size: tuple[int, int] = (128, 96)) -> Path:
    """Pictures with YOLO labels in `folder`; returns its data.yaml. Every second walker is called a shadow."""
    scene = Scene(seconds=20.0, size=size, fps=5.0, walkers=12, seed=3)
    full = [index for index in range(len(scene)) if len(_rows(scene, index))]
    chosen = full[:: max(1, len(full) // (train + val))][: train + val]
    for place, index in enumerate(chosen):
        part = "val" if place % (train + val) >= train else "train"
        for kind in ("images", "labels"):
            (folder / kind / part).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / "images" / part / f"{index:04d}.png"), scene.frame(index).image)
        text = "".join(f"{label} {x:.6f} {y:.6f} {w:.6f} {h:.6f}\n" for label, x, y, w, h in _rows(scene, index))
        (folder / "labels" / part / f"{index:04d}.txt").write_text(text, encoding="utf-8")
    data = {"names": NAMES, "train": "images/train", "val": "images/val"}
    (folder / "data.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    return folder / "data.yaml"


def _rows(scene: Scene, index: int) -> list[tuple[int, float, float, float, float]]:
    truth = scene.truth(index)
    sides = np.array([*scene.size, *scene.size], np.float64)
    rows = []
    for identity, box, seen in zip(truth.ids, truth.visible_boxes, truth.visibility, strict=True):
        x1, y1, x2, y2 = box / sides
        if seen > 0.3 and (x2 - x1) * scene.size[0] > 2:
            rows.append((int(identity) % 2, (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1))
    return rows
