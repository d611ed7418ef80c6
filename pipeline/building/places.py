"""Settings -> which library runs a network, and on which device."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import DetectorSettings, EmbedderSettings
from pipeline.errors import ConfigError

AUTO = "auto"
_OF_TORCH = ("torch", "torchvision", "ultralytics")
_PRECISIONS_OF_TORCH = (AUTO, "f32", "bf16")
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a network runs."""

    backend: str  # library
    device: str  # as that library names it


def detector_place(settings: DetectorSettings, setting: str, *, cuda: bool | None = None) -> Place:
    """Of a detector. `setting`: what names it, for errors. `cuda`: whether there is an NVIDIA card; None: asked.

    Raises ConfigError where the settings do not tell, ModelError for an .onnx that is none.
    """
    if settings.backend != AUTO:
        return Place(settings.backend, device_for(settings.backend, settings.device, settings.weights, cuda=cuda))
    if settings.weights is None:
        raise ConfigError(
            "no detector is chosen; set detector.weights to a file (.xml, .onnx, .pt, .safetensors), or "
            "detector.backend to motion (fixed camera, no weights) or torchvision"
        )
    match Path(settings.weights).suffix.lower():
        case ".onnx":
            return _of_onnx(settings, cuda)
        case ".xml":
            backend = "openvino"
        case ".pt" | ".yaml" | ".yml":
            backend = "ultralytics"
        case ".safetensors":
            backend = "torchvision"
        case suffix:
            raise ConfigError(
                f"{setting} {settings.weights}: no backend is known for {suffix or 'a file without suffix'}; use "
                f".xml, .onnx, .pt, .yaml or .safetensors{_or_say('detector', setting)}"
            )
    return Place(backend, device_for(backend, settings.device, settings.weights, cuda=cuda))


def embedder_place(settings: EmbedderSettings, setting: str, *, cuda: bool | None = None) -> Place:
    """Of an embedder, likewise."""
    backend: str = settings.backend
    if backend == AUTO and settings.weights is None:
        backend = "none"
    elif backend == AUTO:
        suffix = Path(settings.weights or "").suffix.lower()
        if suffix not in (".xml", ".onnx"):
            raise ConfigError(
                f"{setting} {settings.weights}: no backend is known for {suffix or 'a file without suffix'}; use .xml "
                f"or .onnx{_or_say('embedder', setting)}"
            )
        backend = "onnx" if suffix == ".onnx" and _names_card(settings.device) else "openvino"
    return Place(backend, device_for(backend, settings.device, settings.weights, cuda=cuda))


def device_for(backend: str, device: str, weights: str | None, *, cuda: bool | None = None) -> str:
    """`device` itself, or what `auto` means for a library: an NVIDIA card where it computes on one, else the CPU."""
    if device != AUTO:
        return device
    reads = backend in _OF_TORCH and not (backend == "ultralytics" and Path(weights or "").suffix.lower() == ".onnx")
    return "CUDA" if reads and _cuda(cuda) else "CPU"


def _of_onnx(settings: DetectorSettings, cuda: bool | None) -> Place:
    """On a card in torch where the file says its architecture, else in ONNX Runtime, where that is asked for."""
    wished = _names_card(settings.device)
    if not (wished or (settings.device == AUTO and _cuda(cuda))):
        return Place("openvino", device_for("openvino", settings.device, settings.weights))
    if settings.precision in _PRECISIONS_OF_TORCH and _says_architecture(settings):
        return Place("torch", settings.device if wished else "CUDA")
    if wished:
        return Place("onnx", settings.device)
    _LOG.info(
        "%s runs on the CPU, though there is an NVIDIA card: it does not say its architecture, or is to be computed "
        "otherwise than torch can; a .pt runs there, and so does an .onnx of `sightline export` in %s",
        settings.weights,
        ", ".join(_PRECISIONS_OF_TORCH),
    )
    return Place("openvino", "CPU")


def _says_architecture(settings: DetectorSettings) -> bool:
    from pipeline.models.files import inspect

    return "architecture" in inspect(settings.weights or "").metadata


def _names_card(device: str) -> bool:
    return device.upper().partition(":")[0] == "CUDA"


def _cuda(known: bool | None) -> bool:
    if known is None:
        from pipeline.models.graphics import cuda_usable

        return cuda_usable()
    return known


def _or_say(section: str, setting: str) -> str:
    """What else helps where the setting has a backend beside it."""
    return f", or set {section}.backend" if setting == f"{section}.weights" else ""
