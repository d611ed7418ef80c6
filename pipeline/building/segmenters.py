"""Settings -> segmenters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.building.models import named, said_of
from pipeline.building.places import Place, device_for, opened
from pipeline.errors import ConfigError, ModelError
from pipeline.models.base import Detector, Segmenter
from pipeline.models.catalogued import CataloguedSegmenter
from pipeline.models.segment import AskedSegmenter, InstanceSegmenter, Question
from pipeline.segmenter_settings import SegmenterSettings

_INSTANCE_SCORE = 0.1  # of what a YOLO -seg finds: which of it counts is the detector's to say


def segmenter(settings: SegmenterSettings, classes: Sequence[str]) -> Segmenter | None:
    """Load the segmenter; None where there is to be none. `classes`: the detector's, in label order.

    Raises ModelError, ConfigError.
    """
    if not settings.wanted:
        return None
    known = named(settings, ("segment",), "segmenter.weights")
    if known is not None:
        told = said_of(known, settings)
        if problem := settings.unused_by(told.get("backend", settings.backend)):
            raise ConfigError(f"setting segmenter: {settings.weights}: {problem}")
        settings = settings.model_copy(update=told)
    found = _whole_segmenter(settings, classes)
    if known is not None:
        found = CataloguedSegmenter(found, known.entry)
    question = Question(every=settings.every, min_score=settings.min_score)
    return AskedSegmenter(found, question, prompts=classes, classes=settings.classes)


def _whole_segmenter(settings: SegmenterSettings, classes: Sequence[str]) -> Segmenter:
    """The segmenter of all boxes."""
    backend = _backend(settings)
    return opened(
        settings.device,
        lambda device: Place(backend, device_for(backend, device, settings.weights)),
        lambda place: _segmenter_at(place, settings, classes),
        name=settings.weights or settings.architecture,
        section="segmenter",
    )


def _segmenter_at(place: Place, settings: SegmenterSettings, classes: Sequence[str]) -> Segmenter:
    weights = settings.weights or ""
    common: dict[str, Any] = {"batch": settings.batch, "device": place.device, "threads": settings.threads}
    match place.backend:
        case "torchvision":
            from pipeline.models import mask_rcnn_models

            return mask_rcnn_models.open_segmenter(
                settings.architecture,
                weights=weights or "default",
                prompts=classes,
                shortest_side=None if settings.input_size is None else min(settings.input_size),
                precision=settings.precision,
                **common,
            )
        case "ultralytics":
            from pipeline.models.yolo import YoloDetector

            yolo = YoloDetector(weights, input_size=settings.input_size, min_score=_INSTANCE_SCORE, **common)
            return _instances(yolo, settings, masks=yolo.masks)
        case "onnx":
            from pipeline.models import onnx_models

            run = onnx_models.open_detector(
                weights, input_size=settings.input_size, min_score=_INSTANCE_SCORE, **common
            )
            return _instances(run, settings, masks=run.masks)
        case _:
            from pipeline.models import openvino_models

            found = openvino_models.open_detector(
                weights,
                input_size=settings.input_size,
                min_score=_INSTANCE_SCORE,
                precision=settings.precision,
                **common,
            )
            return _instances(found, settings, masks=found.masks)


def _instances(detector: Detector, settings: SegmenterSettings, *, masks: bool) -> Segmenter:
    if not masks:
        raise ModelError(
            f"segmenter.weights {settings.weights}: the network gives boxes without masks; use a -seg model or a Mask "
            "R-CNN"
        )
    return InstanceSegmenter(detector, least_iou=settings.match_iou)


def _backend(settings: SegmenterSettings) -> str:
    if (found := settings.backend_of_file) is not None:
        return found
    suffix = Path(settings.weights or "").suffix.lower()
    raise ConfigError(
        f"segmenter.weights {settings.weights}: no backend is known for {suffix or 'a file without suffix'}; "
        "use .safetensors, .xml, .onnx or .pt, or set segmenter.backend"
    )
