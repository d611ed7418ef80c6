"""LabelSet: the folder of a set of labelled pictures in YOLO's form, with the scores of who labelled them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
import yaml

from pipeline.errors import OutputError
from pipeline.training.label_manifest import LabelManifest
from pipeline.training.whole_file import make_folder, write_whole
from trackers.structures import Detections, ImageArray

DATA = "data.yaml"
SPLITS = ("train", "val")
_QUALITY = 92  # of JPEG


class LabelSet:
    """`images/`, `labels/` (class, centre and size as shares of the picture), `scores/` (a line a box: how sure the
    teacher is; 1 for a person's label), each with `train/` and `val/`; `data.yaml`; and `manifest.json`: of which
    sources, by whom, how. A source stands in the manifest when all its pictures are there."""

    def __init__(self, path: Path, manifest: LabelManifest) -> None:
        """Use `begin`."""
        self.path = path
        self._manifest = manifest

    @classmethod
    def begin(cls, path: Path, settings: Mapping[str, object], *, resume: bool) -> Self:
        """Make the folder, or with `resume` go on with it. See `LabelManifest.begin`."""
        return cls(path, LabelManifest.begin(path, settings, resume=resume))

    @property
    def sources(self) -> Mapping[str, Mapping[str, Any]]:
        """What is known of the finished sources, by fingerprint."""
        return self._manifest.sources

    def work(self, fingerprint: str) -> Path:
        """Where unfinished work on a source is kept."""
        return self._manifest.work(fingerprint)

    def add(self, stem: str, split: str, image: ImageArray, found: Detections) -> None:
        """Write a picture with its labels, boxes in its pixels; one of that name is replaced. Raises OutputError."""
        height, width = image.shape[:2]
        edges = np.clip(found.boxes.astype(np.float64) / [width, height, width, height], 0, 1)
        centres, sides = (edges[:, :2] + edges[:, 2:]) / 2, edges[:, 2:] - edges[:, :2]
        rows = zip(found.labels.tolist(), *centres.T.tolist(), *sides.T.tolist(), strict=True)
        lines = [f"{label} {x:.6f} {y:.6f} {w:.6f} {h:.6f}\n" for label, x, y, w, h in rows]
        written, coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        if not written:
            raise OutputError(f"{stem}: a picture of {width}x{height} cannot be written as JPEG")
        write_whole(self.path / "labels" / split / f"{stem}.txt", "".join(lines).encode())
        scores = "".join(f"{score:.4f}\n" for score in found.scores)
        write_whole(self.path / "scores" / split / f"{stem}.txt", scores.encode())
        write_whole(self.path / "images" / split / f"{stem}.jpg", coded.tobytes())

    def holds(self, stem: str, split: str) -> bool:
        """Whether a picture is there, with its labels."""
        return (self.path / "images" / split / f"{stem}.jpg").exists()

    def finish_source(self, fingerprint: str, entry: Mapping[str, object]) -> None:
        """All pictures of a source are there. Raises OutputError."""
        self._manifest.finish_source(fingerprint, entry)

    def finish(self, names: tuple[str, ...]) -> Path:
        """Write data.yaml with the names of the classes, in label order. Raises OutputError."""
        self._manifest.finish()
        for split in SPLITS:
            make_folder(self.path / "images" / split)
        filled = [split for split in SPLITS if any((self.path / "images" / split).iterdir())]
        data = {split: f"images/{split}" for split in filled} | {"names": dict(enumerate(names)), "scores": True}
        write_whole(self.path / DATA, yaml.safe_dump(data, sort_keys=False, allow_unicode=True).encode())
        return self.path / DATA
