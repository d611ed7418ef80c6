"""LabelSet: the folder of a set of labelled pictures in YOLO's form, with the scores of who labelled them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
import yaml

from pipeline.errors import OutputError, TrainingError
from pipeline.training.folder import differing
from pipeline.training.whole_file import make_folder, write_whole
from trackers.structures import Detections, ImageArray

DATA, MANIFEST, WORK = "data.yaml", "manifest.json", ".work"
SPLITS = ("train", "val")
_QUALITY = 92  # of JPEG


class LabelSet:
    """`images/`, `labels/` (class, centre and size as shares of the picture), `scores/` (a line a box: how sure the
    teacher is; 1 for a person's label), each with `train/` and `val/`; `data.yaml`; and `manifest.json`: of which
    sources, by whom, how. A source stands in the manifest when all its pictures are there."""

    def __init__(self, path: Path, manifest: dict[str, Any]) -> None:
        """Use `begin`."""
        self.path = path
        self._manifest = manifest

    @classmethod
    def begin(cls, path: Path, settings: Mapping[str, object], *, resume: bool) -> Self:
        """Make the folder, or with `resume` go on with it. `settings`: what decides the labels, JSON values.

        Raises TrainingError where it holds something else or was begun with other settings, OutputError.
        """
        wanted = json.loads(json.dumps(dict(settings)))
        if not resume or not path.exists():
            if path.exists() and (not path.is_dir() or any(path.iterdir())):
                hint = "--resume goes on with it" if (path / MANIFEST).is_file() else "name a new folder"
                raise TrainingError(f"{path} is not an empty folder; {hint}")
            make_folder(path)
            made = cls(path, {"settings": wanted, "sources": {}})
            made._write_manifest()
            return made
        manifest = _read_manifest(path / MANIFEST)
        if differences := differing(manifest["settings"], wanted):
            raise TrainingError(
                f"{path} was begun with other settings: {'; '.join(differences)}; give the same ones, or another folder"
            )
        return cls(path, manifest)

    @property
    def sources(self) -> Mapping[str, Mapping[str, Any]]:
        """What is known of the finished sources, by fingerprint."""
        found: Mapping[str, Mapping[str, Any]] = self._manifest["sources"]
        return found

    def work(self, fingerprint: str) -> Path:
        """Where unfinished work on a source is kept."""
        return self.path / WORK / fingerprint.rpartition(":")[2][:32]

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
        self._manifest["sources"][fingerprint] = dict(entry)
        self._write_manifest()
        shutil.rmtree(self.work(fingerprint), ignore_errors=True)

    def finish(self, names: tuple[str, ...]) -> Path:
        """Write data.yaml with the names of the classes, in label order. Raises OutputError."""
        if (self.path / WORK).is_dir() and not any((self.path / WORK).iterdir()):
            (self.path / WORK).rmdir()
        for split in SPLITS:
            make_folder(self.path / "images" / split)
        filled = [split for split in SPLITS if any((self.path / "images" / split).iterdir())]
        data = {split: f"images/{split}" for split in filled} | {"names": dict(enumerate(names)), "scores": True}
        write_whole(self.path / DATA, yaml.safe_dump(data, sort_keys=False, allow_unicode=True).encode())
        return self.path / DATA

    def _write_manifest(self) -> None:
        write_whole(self.path / MANIFEST, (json.dumps(self._manifest, indent=1, ensure_ascii=False) + "\n").encode())


def _read_manifest(file: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingError(
            f"{file.parent} cannot be gone on with: {MANIFEST} cannot be read ({error.strerror})"
        ) from error
    except ValueError as error:
        raise TrainingError(f"{file} is damaged: {error}; begin again in another folder") from error
    if not (isinstance(manifest, dict) and isinstance(manifest.get("settings"), dict) and "sources" in manifest):
        raise TrainingError(f"{file} is no manifest of labelled pictures; begin again in another folder")
    return manifest
