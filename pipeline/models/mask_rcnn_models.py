"""Mask R-CNN, torchvision's and our light one: as a detector whose boxes have masks, and on given boxes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torchvision
from torchvision.models.detection import MaskRCNN

from pipeline.errors import ModelError
from pipeline.models.base import ModelCard
from pipeline.models.class_likeness import likeness
from pipeline.models.inputs import Placement
from pipeline.models.mask_network import Instances, MaskNetwork
from pipeline.models.mask_paste import pasted
from pipeline.models.mask_rcnn import MaskRcnnPlan
from pipeline.models.mask_rcnn_file import is_light, read_light
from pipeline.models.torch_runtime import TorchRuntime
from pipeline.models.torchvision_models import BACKEND, label_table
from pipeline.models.torchvision_weights import build, class_count, parameters_sha256, read
from trackers.geometry import clip_boxes
from trackers.partial import masks_among, no_masks
from trackers.structures import Detections, FloatArray, Frame, IntArray, Masks

MASK_RCNNS = ("maskrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn_v2")


@dataclass(frozen=True, slots=True, eq=False)
class _Loaded:
    """A network and what its numbers for classes mean."""

    network: MaskRCNN
    label_of: IntArray  # (k,) our label of each of the network's, -1: none
    names: tuple[str, ...]  # in our order
    card: ModelCard  # but for the runtime and the task


class MaskRcnnDetector:
    """Detector: the full pass."""

    def __init__(self, loaded: _Loaded, running: MaskNetwork, *, batch: int) -> None:
        self.card = replace(loaded.card, task="detect", runtime=running.runtime, masks=True)
        self._loaded, self._running, self._batch = loaded, running, batch

    @property
    def network(self) -> MaskRCNN:
        """The network that runs, and not a copy of it."""
        return self._loaded.network

    @property
    def label_of(self) -> IntArray:
        """(k,) our label of each of the network's, -1: none."""
        return self._loaded.label_of

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """One Detections a frame, with masks. Only frames of one size share a batch: torchvision pads mixed ones."""
        found: list[Detections] = []
        for some in one_size(frames, self._batch):
            results = self._running.find(some)
            found += [self._ours(result, frame) for result, frame in zip(results, some, strict=True)]
        return found

    def _ours(self, result: Instances, frame: Frame) -> Detections:
        boxes = Placement((1.0, 1.0), (0, 0), frame.width, frame.height).to_picture(result.boxes)
        labels = self._loaded.label_of[result.labels]
        real = np.flatnonzero((labels >= 0) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1))
        rows = real[np.argsort(-result.scores[real], kind="stable")]
        masks = pasted(result.probabilities[rows], boxes[rows], frame.width, frame.height)
        return Detections(boxes[rows], result.scores[rows], labels[rows].astype(np.int64), masks=masks)


class MaskRcnnSegmenter:
    """Segmenter: backbone and mask head on given boxes. Frames without a box cost nothing.

    A box's mask is that of the class of its own name, or of those that are alike (see `likeness`); where the network
    knows none of these, a pixel is the object's where it is that of any class.
    """

    def __init__(self, loaded: _Loaded, running: MaskNetwork, *, prompts: Sequence[str], batch: int) -> None:
        """`prompts`: names of the classes that the boxes' labels stand for, in their order."""
        self.card = replace(loaded.card, task="segment", runtime=running.runtime)
        self._running, self._batch = running, batch
        ours = likeness(prompts, loaded.names)
        known = loaded.label_of >= 0
        self._allowed = np.zeros((len(prompts), len(known)), bool)
        self._allowed[:, known] = ours[:, loaded.label_of[known]]

    def segment(self, frames: Sequence[Frame], detections: Sequence[Detections]) -> list[Masks]:
        """For each frame the masks of its n boxes. A row that is no box within the picture has an empty crop."""
        sound = [_sound(found, frame) for found, frame in zip(detections, frames, strict=True)]
        asked = [number for number, (rows, _) in enumerate(sound) if len(rows)]
        masks = [no_masks(len(found)) for found in detections]
        for some in one_size([frames[number] for number in asked], self._batch):
            numbers, asked = asked[: len(some)], asked[len(some) :]
            boxes = [sound[number][1] for number in numbers]
            classes = [self._allowed[detections[number].labels[sound[number][0]]] for number in numbers]
            probabilities = self._running.masks(some, boxes, classes)
            ends = np.cumsum([len(one) for one in boxes])[:-1]
            for number, frame, box, one in zip(numbers, some, boxes, np.split(probabilities, ends), strict=True):
                found = pasted(one, box, frame.width, frame.height)
                masks[number] = masks_among(found, sound[number][0], len(detections[number]))
        return masks


def open_detector(
    name: str,
    *,
    weights: str | Path = "default",
    classes: Sequence[str] | None = None,
    shortest_side: int | None = None,
    min_score: float = 0.05,
    nms_iou: float = 0.5,
    max_detections: int = 300,
    batch: int = 1,
    precision: str = "auto",
    device: str = "CPU",
    threads: int = 0,
) -> MaskRcnnDetector:
    """The full pass. `name`: one of MASK_RCNNS; not looked at where `weights` is a file that says what it is.

    Everything else as TorchvisionDetector takes it; `precision`: auto, f32 or bf16.
    """
    limits = {
        "box_score_thresh": min_score,
        "box_nms_thresh": nms_iou,
        "box_detections_per_img": max_detections,
    }
    running = TorchRuntime.choose(device=device, precision=precision, threads=threads)
    loaded = _load(name, weights, classes, shortest_side, limits)
    return MaskRcnnDetector(loaded, MaskNetwork(loaded.network, running), batch=batch)


def open_segmenter(
    name: str,
    *,
    weights: str | Path = "default",
    prompts: Sequence[str],
    classes: Sequence[str] | None = None,
    shortest_side: int | None = None,
    batch: int = 1,
    precision: str = "auto",
    device: str = "CPU",
    threads: int = 0,
) -> MaskRcnnSegmenter:
    """Masks of given boxes. `prompts`: names of their classes in label order; everything else as `open_detector`."""
    running = TorchRuntime.choose(device=device, precision=precision, threads=threads)
    loaded = _load(name, weights, classes, shortest_side, {})
    return MaskRcnnSegmenter(loaded, MaskNetwork(loaded.network, running), prompts=prompts, batch=batch)


def takes(name: str, weights: str | Path) -> bool:
    """Whether what settings name is a Mask R-CNN: torchvision's by its name, ours by its file."""
    return is_light(weights) or name in MASK_RCNNS


def one_size(frames: Sequence[Frame], limit: int) -> Iterator[Sequence[Frame]]:
    """Runs of at most `limit` frames of one size."""
    start = 0
    for end in range(1, len(frames) + 1):
        full = end - start == limit or end == len(frames)
        if full or frames[end].image.shape != frames[start].image.shape:
            yield frames[start:end]
            start = end


def _load(
    name: str,
    weights: str | Path,
    classes: Sequence[str] | None,
    shortest_side: int | None,
    limits: dict[str, Any],
) -> _Loaded:
    if is_light(weights):
        return _light(weights, classes, shortest_side, limits)
    if name not in MASK_RCNNS:
        raise ModelError(f"Mask R-CNN {name!r} is unknown; use one of {', '.join(MASK_RCNNS)}, or a file of ours")
    state, sha256 = read(name, weights)
    count = class_count(state) if state else (91 if classes is None else len(classes) + 1)
    options = {"weights_backbone": None, "num_classes": count, **limits}
    if shortest_side is not None:
        options["min_size"] = shortest_side
    network = build(name, state, options)
    if not isinstance(network, MaskRCNN):
        raise ModelError(f"{name} is no Mask R-CNN but a {type(network).__name__}")
    label_of, names = label_table(name, count, classes)
    version = f"{BACKEND} {torchvision.__version__}"
    card = ModelCard(name, "segment", version, sha256 or parameters_sha256(network), "", None, classes=names)
    return _Loaded(network, label_of, names, card)


def _light(
    weights: str | Path, classes: Sequence[str] | None, shortest_side: int | None, limits: dict[str, Any]
) -> _Loaded:
    network, plan, sha256 = read_light(weights)
    _change(network, plan, shortest_side, limits)
    names = tuple(classes or plan.classes)
    if len(names) != len(plan.classes):
        raise ModelError(f"{weights} knows {len(plan.classes)} classes ({', '.join(plan.classes)}), not {len(names)}")
    label_of = np.arange(len(names) + 1, dtype=np.int64) - 1
    stem, version = Path(weights).stem, f"{BACKEND} {torchvision.__version__}"
    card = ModelCard(stem, "segment", version, sha256, "", None, classes=names)
    return _Loaded(network, label_of, names, card)


def _change(network: MaskRCNN, plan: MaskRcnnPlan, shortest_side: int | None, limits: dict[str, Any]) -> None:
    """Limits and size of a network that is built already."""
    heads = network.roi_heads
    heads.score_thresh = limits.get("box_score_thresh", heads.score_thresh)
    heads.nms_thresh = limits.get("box_nms_thresh", heads.nms_thresh)
    heads.detections_per_img = limits.get("box_detections_per_img", heads.detections_per_img)
    if shortest_side is not None:
        network.transform.min_size = (shortest_side,)
        network.transform.max_size = shortest_side * plan.longest // plan.shortest


def _sound(found: Detections, frame: Frame) -> tuple[IntArray, FloatArray]:
    """Rows (n,) of the boxes that have an area within the picture, and these (n, 4) float32, cut at its borders."""
    boxes = clip_boxes(np.where(found.usable[:, None], found.boxes, 0).astype(np.float32), frame.width, frame.height)
    rows = np.flatnonzero((boxes[:, 2:] > boxes[:, :2]).all(axis=1))
    return rows, boxes[rows]
