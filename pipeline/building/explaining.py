"""Settings -> the networks of an explanation: as they run, and once more in torch, where their gradients are known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.building.models import detector, embedder, light, named, said_of, torchvision_detector
from pipeline.config import DetectorSettings, EmbedderSettings
from pipeline.errors import ModelError
from pipeline.models.inputs import IMAGENET, PLAIN, Recipe

if TYPE_CHECKING:
    from pipeline.explain.explanation import Explained
    from pipeline.explain.question import DetectorQuestions, EmbedderQuestions

_LEAST_SCORE = 0.01  # a patch makes an object weak before it makes it vanish
_CROP = (256, 128)  # height, width of what torchvision's backbones are shown
_KNOWN = (
    "gradients are known of detectors and embedders of ours (.onnx of `sightline train` and `export`, bundled:), of "
    "ultralytics' .pt files with cells, and of torchvision's networks"
)


def explained(seen: DetectorSettings, described: EmbedderSettings) -> Explained:
    """Load the networks that settings name; a network without gradients says why it has none. Raises ModelError."""
    from pipeline.explain.explanation import Explained
    from pipeline.explain.question import FirstOfTwoQuestions, LitQuestions

    weak = seen if seen.backend == "motion" else seen.model_copy(update={"min_score": _LEAST_SCORE})
    runs, looks = detector(weak), embedder(described.model_copy(update={"min_score": 0.0}))
    asked = _asked_detector(seen, runs.card.input_size)
    if seen.fuse is not None and not isinstance(asked, str):
        first, second = _called(seen.weights, seen.architecture), _called(seen.fuse.weights)
        asked = FirstOfTwoQuestions(asked, first=first, second=second, least=seen.min_score)
    if seen.light.changes and not isinstance(asked, str):
        asked = LitQuestions(asked, light(seen.light).on)
    return Explained(runs, asked, looks, _asked_embedder(described))


def _called(weights: str | None, architecture: str = "") -> str:
    """What a network is called in a sentence: its file's name, else its architecture's."""
    return architecture if weights in (None, "default", "none") else Path(str(weights)).name


def _asked_detector(settings: DetectorSettings, size: tuple[int, int] | None) -> DetectorQuestions | str:
    known = named(settings, ("detect", "segment"), "detector.weights")
    if known is not None:
        settings = settings.model_copy(update=said_of(known, settings))
    weights = settings.weights or "default"
    try:
        match settings.backend, Path(weights).suffix.lower():
            case "motion", _:
                return f"the motion detector is no network: {_KNOWN}"
            case "torchvision", _:
                return _of_torchvision(settings)
            case "auto", ".safetensors":
                return _of_torchvision(settings)
            case _, ".onnx":
                return _of_yolo(Path(weights), size)
            case _, ".pt":
                return _of_yolo(Path(weights), settings.input_size)
            case _:
                return f"{Path(weights).name} runs in a library that knows no gradients: {_KNOWN}"
    except ModelError as error:
        return f"{error}: {_KNOWN}"


def _of_yolo(weights: Path, size: tuple[int, int] | None) -> DetectorQuestions:
    from pipeline.explain.yolo_questions import YoloQuestions
    from pipeline.models.onnx_detector import network_of_onnx
    from pipeline.models.ultralytics_library import load_network

    network: Any = network_of_onnx(weights) if weights.suffix.lower() == ".onnx" else load_network(weights)
    return YoloQuestions(network, size, name=weights.name)


def _of_torchvision(settings: DetectorSettings) -> DetectorQuestions:
    from pipeline.explain.torchvision_questions import TorchvisionQuestions

    here = {"precision": "f32", "device": "CPU", "threads": 0}  # where gradients are reckoned
    found = torchvision_detector(settings.model_copy(update=here))
    return TorchvisionQuestions(found.network, found.label_of)


def _asked_embedder(settings: EmbedderSettings) -> EmbedderQuestions | str:
    known = named(settings, ("embed",), "embedder.weights")
    if known is not None:
        settings = settings.model_copy(update=said_of(known, settings))
    weights = settings.weights or "default"
    try:
        match settings.backend, Path(weights).suffix.lower():
            case "torchvision", _:
                return _of_backbone(settings, weights)
            case (("colour" | "none"), _):
                return f"{settings.backend} is no network: {_KNOWN}"
            case _, ".onnx":
                return _of_embedder(Path(weights))
            case _:
                return f"{Path(weights).name} runs in a library that knows no gradients: {_KNOWN}"
    except ModelError as error:
        return f"{error}: {_KNOWN}"


def _of_embedder(weights: Path) -> EmbedderQuestions:
    from pipeline.explain.embedder_questions import NetworkQuestions
    from pipeline.training.embedder_file import read_embedder
    from pipeline.training.embedding import RECIPE

    network = read_embedder(weights).eval()
    return NetworkQuestions(network.described, network.trunk[-1], RECIPE, size=network.plan.input_size)


def _of_backbone(settings: EmbedderSettings, weights: str) -> EmbedderQuestions:
    import torch

    from pipeline.explain.embedder_questions import NetworkQuestions, last_map
    from pipeline.models.torchvision_models import read_backbone

    network, _ = read_backbone(settings.architecture, weights)
    size, recipe = settings.input_size or _CROP, _recipe(settings)
    layer = last_map(list(network.children()), torch.zeros(1, 3, *size), network.eval())
    return NetworkQuestions(network, layer, recipe, size=size)


def _recipe(settings: EmbedderSettings) -> Recipe:
    return PLAIN if settings.recipe == "plain" else IMAGENET
