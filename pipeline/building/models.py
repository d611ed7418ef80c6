"""Settings -> detectors and embedders."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.building.places import Place, detector_place, embedder_place, opened
from pipeline.bundled_models import bundled_name, resolved
from pipeline.config import DetectorSettings, EmbedderSettings
from pipeline.detector_settings import FusionSettings, LightSettings
from pipeline.errors import ConfigError, ModelError
from pipeline.models.base import Detector, Embedder, Use
from pipeline.models.catalog import Task
from pipeline.models.catalogued import CataloguedDetector, CataloguedEmbedder
from pipeline.models.fetching import Fetched
from pipeline.models.files import bytes_beside
from pipeline.models.foreground import ForegroundOnly
from pipeline.models.fused import FusedDetector, Fusion
from pipeline.models.inputs import IMAGENET, PLAIN, Letterbox, Recipe
from pipeline.models.light import Light, LitDetector
from pipeline.models.named import named_model
from pipeline.models.selection import SelectedClasses, StrongOnly
from pipeline.models.sized import SizedDetector
from pipeline.models.suppression import Limits, SuppressedDetector, Way
from pipeline.segmenter_settings import SegmenterSettings

if TYPE_CHECKING:
    from pipeline.models.mask_rcnn_models import MaskRcnnDetector
    from pipeline.models.torchvision_models import TorchvisionDetector

_SCALES = (0.75, 0.5)  # of the usual input's sides, beside 1
_STRIDE = 32  # pixels; sides of inputs are multiples of it
_LOG = logging.getLogger(__name__)
_ANY_USE = Use()
_UNSUPPRESSED = 1000  # boxes a picture that a network gives for suppression behind it

_LIMITS = {"min_score", "max_detections"}  # settings that every detector takes
_COMMON = {*_LIMITS, "classes", "nms_iou", "batch", "device", "threads"}  # and those that every network does
_RESIZABLE = ("openvino", "torch")  # libraries that give a network of cells another size of input

NamesModel = DetectorSettings | EmbedderSettings | SegmenterSettings


def detector(settings: DetectorSettings, *, setting: str = "detector.weights", use: Use = _ANY_USE) -> Detector:
    """Load the detector; a named one is fetched first, where it is not here. `setting`: what names it, for errors.

    Raises ModelError, ConfigError.
    """
    if settings.schedule == "budget":
        return _sized(settings, setting, use)
    found = _suppressed(settings, setting, use)
    if settings.fuse is not None:
        found = _fused(found, settings, settings.fuse, use)
    if settings.light.changes:
        found = LitDetector(found, light(settings.light))
    return found if settings.keep is None else SelectedClasses(found, settings.keep)


def _sized(settings: DetectorSettings, setting: str, use: Use) -> Detector:
    """The detector at the sizes of input among which a budget chooses, as far as its network takes them."""
    values = {"schedule": "every", "budget": type(settings.budget)()}
    usual = detector(settings.model_copy(update=values), setting=setting, use=use)
    size = usual.card.input_size
    if size is None or settings.fuse is not None or usual.card.version.split()[0] not in _RESIZABLE:
        _LOG.info("%s has one size of input, so a budget chooses the interval alone", usual.card.name)
        return usual
    found, scales = [usual], [1.0]
    for scale in (one for one in _SCALES if one >= settings.budget.least_size):
        smaller = tuple(max(_STRIDE, round(side * scale / _STRIDE) * _STRIDE) for side in size)
        try:
            sized = settings.model_copy(update=values | {"input_size": smaller})
            other = detector(sized, setting=setting, use=use)
        except ModelError as error:
            _LOG.info("%s takes no smaller input, so a budget has %d sizes: %s", usual.card.name, len(found), error)
            break
        if other.card.runtime != usual.card.runtime:  # a card was full in between
            _LOG.warning("%s has %d sizes of input, as %s has no room", usual.card.name, len(found), usual.card.runtime)
            break
        found.append(other)
        scales.append(scale)
    return SizedDetector(found, scales)


def light(settings: LightSettings) -> Light:
    """What is done to the pictures that the detector sees."""
    gamma = None if settings.gamma == "auto" else settings.gamma
    return Light(gamma, settings.brightness, settings.clahe, settings.tiles)


def _fused(first: Detector, settings: DetectorSettings, fuse: FusionSettings, use: Use) -> Detector:
    """The first detector and the second one that `fuse` names."""
    kept = settings.model_dump(include={"min_score", "nms_iou", "nms", "nms_sigma", "max_detections", "batch"})
    kept |= settings.model_dump(include={"precision", "device", "threads", "letterbox"})
    second = DetectorSettings(weights=fuse.weights, input_size=fuse.input_size, **kept)
    fusion = Fusion(fuse.shares, fuse.iou, fuse.skip, settings.min_score, settings.max_detections)
    return FusedDetector(first, _suppressed(second, "detector.fuse.weights", use), fusion, names=fuse.names)


def _suppressed(settings: DetectorSettings, setting: str, use: Use) -> Detector:
    """One detector, with suppression of the kind that is wanted."""
    if settings.nms == "class-wise":
        return _catalogued(settings, setting, use)
    most = max(_UNSUPPRESSED, settings.max_detections)
    free = settings.model_copy(update={"nms_iou": 1.0, "max_detections": most})
    score, count = settings.min_score, settings.max_detections
    limits = Limits(Way(settings.nms), settings.nms_iou, settings.nms_sigma, score, count)
    return SuppressedDetector(_catalogued(free, setting, use), limits)


def _catalogued(settings: DetectorSettings, setting: str, use: Use) -> Detector:
    """One detector, by its file or by its name."""
    known = named(settings, ("detect", "segment"), setting)
    if known is None:
        return _whole_detector(settings, setting, use)
    whole = settings.model_copy(update=said_of(known, settings))
    return CataloguedDetector(_whole_detector(whole, setting, use), known.entry)


def embedder(settings: EmbedderSettings, *, setting: str = "embedder.weights", parallel: int = 1) -> Embedder | None:
    """Load the embedder, likewise; None where there is to be none. Raises ModelError, ConfigError.

    `parallel`: batches of crops that it looks at side by side, where it can.
    """
    known = named(settings, ("embed",), setting)
    if known is not None:
        settings = settings.model_copy(update=said_of(known, settings))
    found = _whole_embedder(settings, setting, parallel)
    if found is not None and known is not None:
        found = CataloguedEmbedder(found, known.entry)
    if found is not None and settings.background == "suppress":
        found = ForegroundOnly(found)
    return None if found is None else StrongOnly(found, settings.min_score)


def named(settings: NamesModel, tasks: Sequence[Task], setting: str) -> Fetched | None:
    """The catalogue's model that the settings name; None where they name another file. Raises ModelError.

    `setting`: what names it, for errors.
    """
    of_torchvision = settings.backend == "torchvision" and settings.weights in ("default", "none")
    if settings.weights is None or of_torchvision:
        return None
    return named_model(settings.weights, tasks=tasks, setting=setting)


def said_of(known: Fetched, settings: NamesModel) -> dict[str, Any]:
    """What the catalogue says, in the words of the settings; what they say themselves counts more."""
    entry = known.entry
    said: dict[str, Any] = {"weights": str(known.paths[0])}
    if settings.backend == "auto" and entry.backend is not None:
        said["backend"] = entry.backend
    if entry.architecture is not None:
        said["architecture"] = entry.architecture
    if entry.backend in ("openvino", "onnx"):  # files of the others say it themselves
        said["input_size"] = settings.input_size or entry.input_size
        if isinstance(settings, DetectorSettings):
            said["classes"] = settings.classes or entry.classes or None
    return said


def settled(
    settings: DetectorSettings, *, best_in_bytes: bool | None = None, cuda: bool | None = None
) -> DetectorSettings:
    """The settings for a new run: 8 bits in place of `auto` where it runs on a processor that is best in them.

    Only of the detectors that come with Sightline: how little they cost is on their cards. What is stored of a run is
    not settled again, so that it means the same network everywhere. `best_in_bytes`: of the processor, `cuda`: whether
    there is an NVIDIA card; None: asked.
    """
    free = settings.precision == "auto" and settings.backend in ("auto", "openvino") and settings.fuse is None
    weights = Path(resolved(settings.weights or ""))
    ours = bundled_name(weights) is not None and bytes_beside(weights).is_file()
    if not (free and ours and detector_place(settings, "detector.weights", cuda=cuda).device.upper() == "CPU"):
        return settings
    if best_in_bytes is None:
        from pipeline.models import processor

        best_in_bytes = processor.best_in_bytes()
    return settings.model_copy(update={"precision": "int8"}) if best_in_bytes else settings


def _whole_detector(settings: DetectorSettings, setting: str, use: Use) -> Detector:
    """The detector with all its classes."""
    return opened(
        settings.device,
        lambda device: detector_place(settings.model_copy(update={"device": device}), setting),
        lambda place: _detector_at(place, settings, setting, use),
        name=settings.weights or settings.architecture,
        section="detector",
    )


def _detector_at(place: Place, settings: DetectorSettings, setting: str, use: Use) -> Detector:
    weights = settings.weights or ""
    placed = settings.model_copy(update={"device": place.device})
    limits, common = placed.model_dump(include=_LIMITS), placed.model_dump(include=_COMMON)
    _refuse_precision(place.backend, settings.precision, setting)
    match place.backend:
        case "motion":
            from pipeline.models.motion import MotionDetector

            return MotionDetector(**settings.motion.model_dump(), **limits)
        case "ultralytics":
            from pipeline.models.yolo import YoloDetector

            return YoloDetector(weights, input_size=settings.input_size, **common)
        case "torchvision":
            return torchvision_detector(placed)
        case "torch":
            from pipeline.models import torch_detector

            return torch_detector.open_detector(
                weights,
                decoder=settings.decoder,
                input_size=settings.input_size,
                letterbox=Letterbox(settings.letterbox),
                precision=settings.precision,
                **common,
            )
        case "onnx":
            from pipeline.models import onnx_models

            return onnx_models.open_detector(
                weights, decoder=settings.decoder, input_size=settings.input_size, **common
            )
        case _:
            from pipeline.models import openvino_models

            return openvino_models.open_detector(
                weights,
                decoder=settings.decoder,
                input_size=settings.input_size,
                letterbox=Letterbox(settings.letterbox),
                precision=settings.precision,
                parallel=use.parallel,
                shape=use.shape,
                **common,
            )


def torchvision_detector(settings: DetectorSettings) -> TorchvisionDetector | MaskRcnnDetector:
    """One of torchvision's: Mask R-CNN, or one that gives boxes alone. Raises ModelError."""
    from pipeline.models.mask_rcnn_models import open_detector, takes
    from pipeline.models.torchvision_models import TorchvisionDetector

    weights = settings.weights or "default"
    side = None if settings.input_size is None else min(settings.input_size)
    kind = open_detector if takes(settings.architecture, weights) else TorchvisionDetector
    common = settings.model_dump(include=_COMMON)
    return kind(settings.architecture, weights=weights, shortest_side=side, precision=settings.precision, **common)


def _whole_embedder(settings: EmbedderSettings, setting: str, parallel: int) -> Embedder | None:
    """The embedder for all detections."""
    return opened(
        settings.device,
        lambda device: embedder_place(settings.model_copy(update={"device": device}), setting),
        lambda place: _embedder_at(place, settings, setting, parallel),
        name=settings.weights or settings.architecture,
        section="embedder",
    )


def _embedder_at(place: Place, settings: EmbedderSettings, setting: str, parallel: int) -> Embedder | None:
    weights, recipe = settings.weights or "", _recipe(settings)
    common: dict[str, Any] = {"device": place.device, "threads": settings.threads}
    _refuse_precision(place.backend, settings.precision, setting)
    match place.backend:
        case "none":
            return None
        case "colour":
            from pipeline.models.colour import ColourEmbedder

            return ColourEmbedder()
        case "torchvision":
            from pipeline.models import torchvision_models

            return torchvision_models.open_embedder(
                settings.architecture,
                weights=weights or "default",
                recipe=recipe or IMAGENET,
                input_size=settings.input_size or (256, 128),
                precision=settings.precision,
                **common,
            )
        case "onnx":
            from pipeline.models import onnx_models

            return onnx_models.open_embedder(weights, recipe=recipe, input_size=settings.input_size, **common)
        case _:
            from pipeline.models import openvino_models

            return openvino_models.open_embedder(
                weights,
                recipe=recipe,
                input_size=settings.input_size,
                precision=settings.precision,
                parallel=parallel,
                **common,
            )


def _refuse_precision(backend: str, precision: str, setting: str) -> None:
    """Libraries that compute in what the file has cannot be told another precision."""
    if backend in ("onnx", "ultralytics") and precision not in ("auto", "f32"):
        raise ConfigError(
            f"{setting}: {backend} computes in the numbers that the file has, and not in {precision} by order; remove "
            f"the precision, or export the model (sightline export --precision {precision}) and let OpenVINO run it"
        )


def _recipe(settings: EmbedderSettings) -> Recipe | None:
    """None: what is usual for the file."""
    match settings.recipe:
        case "plain":
            return PLAIN
        case "imagenet":
            return IMAGENET
        case "auto":
            return None
