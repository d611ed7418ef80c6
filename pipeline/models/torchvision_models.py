"""torchvision: detectors by name (Faster R-CNN, SSD, RetinaNet) and backbones as embedders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torchvision
from torchvision.models import get_model_weights

from pipeline.errors import ModelError
from pipeline.models import label_names
from pipeline.models.base import ModelCard
from pipeline.models.embed import NetworkEmbedder
from pipeline.models.inputs import IMAGENET, Placement, Recipe, to_blob
from pipeline.models.torch_runtime import TorchRuntime
from pipeline.models.torchvision_weights import build, class_count, fill, parameters_sha256, read
from trackers.structures import Detections, FloatArray, Frame, ImageArray, IntArray

BACKEND = "torchvision"
_RESIZING = (
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "fasterrcnn_mobilenet_v3_large_fpn",
    "fasterrcnn_resnet50_fpn",
    "fasterrcnn_resnet50_fpn_v2",
    "retinanet_resnet50_fpn",
    "retinanet_resnet50_fpn_v2",
)
DETECTORS = (*_RESIZING, "ssd300_vgg16", "ssdlite320_mobilenet_v3_large")
_TWO_STAGES = ("backbone", "rpn.head", "roi_heads.box_head", "roi_heads.box_predictor")
_ONE_STAGE = ("backbone", "head")
_LONGEST = 4096  # numbers a feature may have
_HEADS = ("fc", "classifier", "heads", "head")  # torchvision's names for what turns features into ImageNet's classes


class TorchvisionDetector:
    """Detector of torchvision's zoo. The COCO models' 91 labels become the 80 classes that COCO really has."""

    def __init__(
        self,
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
    ) -> None:
        """`name`: one of DETECTORS. `weights`: "default" (COCO, fetched once), "none" (random, the same at every
        start) or a state_dict file. `classes`: names without the background, in label order, for other than COCO.
        `shortest_side`: pixels the picture is resized to; not for SSD, whose size is fixed. `batch`: frames of one
        size at once. `precision`, `device`, `threads`: see TorchRuntime. Raises ModelError where any does not fit.
        """
        if name not in DETECTORS:
            raise ModelError(f"torchvision detector {name!r} is unknown; use one of {', '.join(DETECTORS)}")
        self._running = TorchRuntime.choose(device=device, precision=precision, threads=threads)
        state, sha256 = read(name, weights)
        count = class_count(state) if state else (91 if classes is None else len(classes) + 1)
        options: dict[str, Any] = _limits(name, min_score, nms_iou, max_detections)
        if shortest_side is not None:
            if name not in _RESIZING:
                raise ModelError(f"{name} has a fixed input size; leave shortest_side out")
            options["min_size"] = shortest_side
        model = build(name, state, {"weights_backbone": None, "num_classes": count, **options})
        self._label_of, names = label_table(name, count, classes)
        self._batch = batch
        self.card = ModelCard(
            name,
            "detect",
            f"{BACKEND} {torchvision.__version__}",
            sha256 or parameters_sha256(model),
            self._running.name,
            None,
            classes=names,
        )
        self._model = self._running.place(model, _TWO_STAGES if name.startswith("fasterrcnn") else _ONE_STAGE)

    @property
    def network(self) -> torch.nn.Module:
        """The network that runs, and not a copy of it."""
        network: torch.nn.Module = self._model
        return network

    @property
    def label_of(self) -> IntArray:
        """(k,) our label of each of the network's, -1: none."""
        return self._label_of

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """One Detections a frame. Only frames of one size share a batch: torchvision pads mixed ones."""
        found: list[Detections] = []
        start = 0
        for end in range(1, len(frames) + 1):
            full = end - start == self._batch or end == len(frames)
            if full or frames[end].image.shape != frames[start].image.shape:
                found += self._run(frames[start:end])
                start = end
        return found

    def _run(self, frames: Sequence[Frame]) -> list[Detections]:
        try:
            with torch.inference_mode():
                results = self._model([to_tensor(frame.image).to(self._running.device) for frame in frames])
        except (RuntimeError, AssertionError, ValueError) as error:
            raise ModelError(f"{self.card.name} failed on frame {frames[0].index}: {error}") from error
        return [self._ours(result, frame) for result, frame in zip(results, frames, strict=True)]

    def _ours(self, result: dict[str, torch.Tensor], frame: Frame) -> Detections:
        place = Placement((1.0, 1.0), (0, 0), frame.width, frame.height)
        boxes = place.to_picture(result["boxes"].cpu().numpy())
        scores = result["scores"].cpu().numpy().astype(np.float32)
        labels = self._label_of[result["labels"].cpu().numpy()]
        real = (labels >= 0) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        found = Detections(boxes, scores, labels)[real]
        return found[np.argsort(-found.scores, kind="stable")]


class TorchvisionNetwork:
    """A backbone without its classifier."""

    max_batch = None

    def __init__(self, model: torch.nn.Module, recipe: Recipe, running: TorchRuntime) -> None:
        self._model = running.shortened(running.place(model))
        self._recipe = recipe
        self._running = running

    def infer(self, batch: ImageArray) -> list[FloatArray]:
        """[(n, d)] for (n, H, W, 3) uint8 blue-green-red pictures."""
        blob = torch.from_numpy(to_blob(batch, self._recipe))
        try:
            with torch.inference_mode():
                features: torch.Tensor = self._model(self._running.tensor(blob)).flatten(1).cpu()
        except (RuntimeError, AssertionError, ValueError) as error:
            raise ModelError(f"the backbone cannot take pictures of {batch.shape[1:3]}: {error}") from error
        return [features.numpy()]

    def infer_each(self, batches: Iterable[ImageArray]) -> Iterator[list[FloatArray]]:
        """Outputs of each batch, one after the other: torch gives every core to one."""
        return map(self.infer, batches)


def open_embedder(
    name: str,
    *,
    weights: str | Path = "default",
    recipe: Recipe = IMAGENET,
    input_size: tuple[int, int] = (256, 128),
    precision: str = "auto",
    device: str = "CPU",
    threads: int = 0,
) -> NetworkEmbedder:
    """Embedder from a classification network of torchvision (resnet18, mobilenet_v3_small, ...), its last layer off.

    `weights`: "default" (ImageNet, fetched once), "none" (random, the same at every start) or a state_dict file.
    `input_size`: height, width a crop is stretched to. `precision`, `device`, `threads`: see TorchRuntime.
    """
    running = TorchRuntime.choose(device=device, precision=precision, threads=threads)
    model, sha256 = read_backbone(name, weights)
    parameters = sha256 or parameters_sha256(model)
    network = TorchvisionNetwork(model, recipe, running)
    dimension = network.infer(np.zeros((1, *input_size, 3), np.uint8))[0].shape[1]
    if dimension > _LONGEST:
        raise ModelError(f"{name} does not pool: {dimension} numbers a crop; use a resnet or a mobilenet")
    card = ModelCard(
        name,
        "embed",
        f"{BACKEND} {torchvision.__version__}",
        parameters,
        running.name,
        input_size,
        dimension=dimension,
    )
    return NetworkEmbedder(network, recipe, card=card)


def read_backbone(name: str, weights: str | Path) -> tuple[torch.nn.Module, str | None]:
    """A classification network without its last layer, and the SHA-256 of its file; as `open_embedder`. ModelError."""
    if name not in torchvision.models.list_models(module=torchvision.models):
        raise ModelError(f"torchvision backbone {name!r} is unknown; e.g. resnet18, resnet50, mobilenet_v3_small")
    state, sha256 = read(name, weights)
    model = build(name, None, {})
    _take_head_off(name, model)
    if state is not None:
        fill(name, model, {key: value for key, value in state.items() if key.split(".")[0] not in _HEADS})
    return model, sha256


def _take_head_off(name: str, model: torch.nn.Module) -> None:
    for head in _HEADS:
        if hasattr(model, head):
            setattr(model, head, torch.nn.Identity())
            return
    raise ModelError(f"torchvision backbone {name!r} has no classifier to take off; use a resnet or a mobilenet")


def _limits(name: str, min_score: float, nms_iou: float, max_detections: int) -> dict[str, Any]:
    """torchvision's words for our limits."""
    prefix = "box_" if name.startswith("fasterrcnn") else ""
    return {
        f"{prefix}score_thresh": min_score,
        f"{prefix}nms_thresh": nms_iou,
        f"{prefix}detections_per_img": max_detections,
    }


def label_table(name: str, count: int, explicit: Sequence[str] | None) -> tuple[IntArray, tuple[str, ...]]:
    """Our label of each of the network's `count` labels (-1: none), and the names in our order.

    Label 0 is the background. Of COCO's 91 numbers 10 more were never used.
    """
    zoo = get_model_weights(name).DEFAULT.meta["categories"]
    if explicit is not None or count != len(zoo):
        return np.arange(count, dtype=np.int64) - 1, label_names.class_names(name, explicit=explicit, count=count - 1)
    real = [title not in ("__background__", "N/A") for title in zoo]
    label_of = np.where(real, np.cumsum(real) - 1, -1).astype(np.int64)
    return label_of, tuple(title for title, used in zip(zoo, real, strict=True) if used)


def to_tensor(image: ImageArray) -> torch.Tensor:
    """(3, h, w) red green blue 0..1."""
    return torch.from_numpy(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)).permute(2, 0, 1).float() / 255
