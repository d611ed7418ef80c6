"""Ultralytics: YOLO and RT-DETR through its own API (.pt, .yaml, .onnx). Offline, quiet, and without unsafe pickles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.errors import ModelError
from pipeline.models import files, label_names
from pipeline.models.base import ModelCard
from pipeline.models.inputs import Placement
from pipeline.models.messages import first_line
from pipeline.models.prototypes import enlarged
from pipeline.models.torch_runtime import torch_device
from pipeline.models.ultralytics_library import VERSION, require_safe, ultralytics
from trackers.structures import Detections, FloatArray, Frame, Masks

BACKEND = "ultralytics"
_SEED = 0
_BOX_TASKS = ("detect", "segment", "pose")


class YoloDetector:
    """Detector from a file that ultralytics reads."""

    def __init__(
        self,
        weights: str | Path,
        *,
        classes: Sequence[str] | None = None,
        input_size: tuple[int, int] | None = None,
        min_score: float = 0.05,
        nms_iou: float = 0.65,
        max_detections: int = 300,
        batch: int = 1,
        device: str = "CPU",
        threads: int = 0,
    ) -> None:
        """`classes`: names in label order instead of the file's own. `input_size`: height, width; None: the file's.

        `batch`: frames of one size at once; with 1 a frame's detections do not depend on what runs beside it.
        `threads`: of torch in this process; 0 leaves them. A .yaml is an architecture: its weights are random, the
        same at every start. Raises ModelError where the file is unsafe, damaged or no detector.
        """
        require_safe()
        file = files.inspect(weights)
        file.require(files.Form.TORCH, files.Form.YAML, files.Form.ONNX, backend=BACKEND)
        if file.form is files.Form.TORCH and file.path.suffix != ".pt":
            raise ModelError(
                f"{file.path} does not end in .pt, and backend {BACKEND!r} reads no other PyTorch files; rename it if "
                "ultralytics wrote it, or use backend 'torchvision' for a state_dict of one of its networks"
            )
        if (
            file.form is files.Form.ONNX and device.upper() != "CPU"
        ):  # ultralytics would fall back to the CPU in silence
            raise ModelError(
                f"backend {BACKEND!r} runs ONNX files on the CPU; use backend 'onnx' for device {device!r}"
            )
        self._device = torch_device(device)
        if threads > 0:
            torch.set_num_threads(threads)
        self._model = _load(file)
        self._batch = 1 if file.form is files.Form.ONNX else batch
        size = input_size or label_names.embedded_size(file.metadata)
        self._options: dict[str, Any] = {"conf": min_score, "iou": nms_iou, "max_det": max_detections}
        if size is not None:
            self._options["imgsz"] = list(size)
        self._warm_up()
        own = label_names.embedded_names(file.metadata, file.path) or _names(self._model)
        numbered = own == tuple(str(label) for label in range(len(own)))  # a .yaml knows how many, not which
        names = label_names.class_names(file.stem, explicit=classes, embedded=None if numbered else own, count=len(own))
        runner = "onnx" if file.form is files.Form.ONNX else "torch"
        version = f"{BACKEND} {VERSION}"
        self.card = ModelCard(
            file.stem,
            "detect",
            version,
            file.sha256,
            f"{runner} {self._device.type.upper()} f32",
            size,
            classes=names,
            masks=self._model.task == "segment",
        )

    @property
    def masks(self) -> bool:
        """Whether its detections have masks."""
        return self.card.masks

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """One Detections a frame."""
        return [_ours(result) for some in _same_size(frames, self._batch) for result in self._predict(some)]

    def _predict(self, frames: Sequence[Frame]) -> list[Any]:
        try:
            return list(
                self._model.predict(
                    [frame.image for frame in frames], verbose=False, save=False, device=self._device, **self._options
                )
            )
        except Exception as error:  # ultralytics and its runtimes raise of every kind
            first = frames[0]
            raise ModelError(
                f"ultralytics failed on frame {first.index} of stream {first.stream}: {first_line(error)}"
            ) from error

    def _warm_up(self) -> None:
        """Run once, so that what does not run shows now. Ultralytics also sets torch's threads then: put them back."""
        threads = torch.get_num_threads()
        try:
            self._predict([Frame(np.zeros((32, 32, 3), np.uint8), 0, 0.0, 0)])
        finally:
            torch.set_num_threads(threads)


def _load(file: files.WeightsFile) -> Any:
    kind = ultralytics.YOLO
    if file.form is files.Form.YAML and "RTDETR" in file.path.read_text(encoding="utf-8"):
        kind = ultralytics.RTDETR
    task = file.metadata.get("task", "detect") if file.form is files.Form.ONNX else None
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_SEED)
            model = kind(str(file.path), task=task) if kind is ultralytics.YOLO else kind(str(file.path))
    except (
        Exception
    ) as error:  # ultralytics raises of every kind: TypeError for an unsafe pickle, KeyError for a wrong one
        raise ModelError(f"ultralytics refuses {file.path}: {first_line(error)}") from error
    found = file.metadata.get("task", model.task)
    if found not in _BOX_TASKS:
        raise ModelError(f"{file.path} is a model for {found!r}, which gives no boxes; use one for detection")
    return model


def _names(model: Any) -> tuple[str, ...]:
    return tuple(str(model.names[label]) for label in range(len(model.names)))


def _ours(result: Any) -> Detections:
    boxes = result.boxes
    height, width = result.orig_shape
    place = Placement((1.0, 1.0), (0, 0), width, height)
    corners = place.to_picture(boxes.xyxy.cpu().numpy())
    found = Detections(
        corners,
        boxes.conf.cpu().numpy().astype(np.float32),
        boxes.cls.cpu().numpy().astype(np.int64),
        masks=None if result.masks is None else _masks(result.masks.data.cpu().numpy(), corners, width, height),
    )
    sides = found.boxes[:, 2:] - found.boxes[:, :2]
    found = found[np.flatnonzero((sides > 0).all(axis=1))]
    return found[np.argsort(-found.scores, kind="stable")]


def _masks(planes: FloatArray, boxes: FloatArray, width: int, height: int) -> Masks:
    """Masks (n, h, w) of the network's input, in the middle of which the picture lies, as crops of the picture."""
    rows, columns = planes.shape[1:]
    ratio = min(rows / height, columns / width)
    inner = round(width * ratio), round(height * ratio)
    offset = round((columns - inner[0]) / 2 - 0.1), round((rows - inner[1]) / 2 - 0.1)
    place = Placement((inner[0] / width, inner[1] / height), offset, width, height)
    return enlarged(planes.astype(np.float32) - 0.5, boxes, place, (rows, columns))


def _same_size(frames: Sequence[Frame], limit: int) -> Iterator[list[Frame]]:
    """Runs of at most `limit` frames of one size: ultralytics pads a mixed batch, which changes what it sees."""
    run: list[Frame] = []
    for frame in frames:
        if run and (len(run) == limit or run[0].image.shape != frame.image.shape):
            yield run
            run = []
        run.append(frame)
    if run:
        yield run
