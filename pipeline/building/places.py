"""Settings -> which library runs a network, and on which device; on the processor where a card does not take it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pipeline.config import DetectorSettings, EmbedderSettings
from pipeline.errors import ConfigError, ModelError

AUTO = "auto"
_OF_TORCH = ("torch", "torchvision", "ultralytics")
_PRECISIONS_OF_TORCH = (AUTO, "f32", "bf16")
_LOG = logging.getLogger(__name__)
_Model = TypeVar("_Model")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a network runs."""

    backend: str  # library
    device: str  # as that library names it


def opened(
    device: str, place: Callable[[str], Place], opening: Callable[[Place], _Model], *, name: str, section: str
) -> _Model:
    """What `opening` makes of a place; of the one on the processor, where `auto` chose a card that does not take it.

    `device`: as it is set. `place`: where the network runs, if that is set. `name`: of the network, `section`: of its
    settings, for what is said. Raises what `opening` and `place` raise.
    """
    chosen = place(device)
    try:
        return opening(chosen)
    except ModelError as error:
        if device != AUTO or not names_card(chosen.device):
            raise
        found = opening(place("CPU"))  # raises what has nothing to do with the card
        _LOG.warning(
            "%s runs on the CPU, as the NVIDIA card does not take it: %s; with %s.device=CUDA this would be an error, "
            "and with %s.device=CPU the card is left alone",
            name,
            error,
            section,
            section,
        )
        return found


def detector_place(settings: DetectorSettings, setting: str, *, cuda: bool | None = None) -> Place:
    """Of a detector. `setting`: what names it, for errors. `cuda`: whether there is an NVIDIA card; None: asked.

    Raises ConfigError where the settings do not tell, ModelError for an .onnx that is none.
    """
    _refuse_bytes_on_card(settings, "detector")
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
    _refuse_bytes_on_card(settings, "embedder")
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
        backend = "onnx" if suffix == ".onnx" and names_card(settings.device) else "openvino"
    return Place(backend, device_for(backend, settings.device, settings.weights, cuda=cuda))


def device_for(backend: str, device: str, weights: str | None, *, cuda: bool | None = None) -> str:
    """`device` itself, or what `auto` means for a library: an NVIDIA card where it computes on one, else the CPU."""
    if device != AUTO:
        return device
    reads = backend in _OF_TORCH and not (backend == "ultralytics" and Path(weights or "").suffix.lower() == ".onnx")
    return "CUDA" if reads and _cuda(cuda) else "CPU"


def names_card(device: str) -> bool:
    """Whether it is an NVIDIA card: CUDA, or one of several, CUDA:1."""
    return device.upper().partition(":")[0] == "CUDA"


def _of_onnx(settings: DetectorSettings, cuda: bool | None) -> Place:
    """On a card in torch where that can run the file, else in ONNX Runtime, where a card is asked for."""
    wished = names_card(settings.device)
    if settings.device == AUTO and settings.precision not in _PRECISIONS_OF_TORCH:
        _tell_of_precision(settings, cuda)
        return Place("openvino", "CPU")
    if not (wished or (settings.device == AUTO and _cuda(cuda))):
        return Place("openvino", device_for("openvino", settings.device, settings.weights))
    reason = _why_not_in_torch(settings)
    if reason is None:
        return Place("torch", settings.device if wished else "CUDA")
    if wished:
        _LOG.info("%s runs in ONNX Runtime: %s", settings.weights, reason)
        return Place("onnx", settings.device)
    _LOG.warning(
        "%s runs on the CPU, though there is an NVIDIA card: %s; give a .pt, or what `sightline export` makes of one, "
        "or say detector.device=CPU",
        settings.weights,
        reason,
    )
    return Place("openvino", "CPU")


def _tell_of_precision(settings: DetectorSettings, cuda: bool | None) -> None:
    """The card itself is not asked: that would take of its memory."""
    from pipeline.models.graphics import may_have_card

    if may_have_card(sys.platform) if cuda is None else cuda:
        _LOG.info(
            "%s computes in %s on the CPU; detector.precision=auto lets it use an NVIDIA card",
            settings.weights,
            settings.precision,
        )


def _why_not_in_torch(settings: DetectorSettings) -> str | None:
    """Why torch does not run an .onnx as wished; None where it does. Raises ModelError for a file that is none."""
    if settings.precision not in _PRECISIONS_OF_TORCH:
        return f"it is to compute in {settings.precision}, which torch does not"
    from pipeline.models.onnx_detector import why_not_runnable

    return why_not_runnable(Path(settings.weights or ""))


def _refuse_bytes_on_card(settings: DetectorSettings | EmbedderSettings, section: str) -> None:
    if settings.precision == "int8" and names_card(settings.device):
        raise ConfigError(
            f"{section}.precision is int8 and {section}.device {settings.device}, but 8 bits run on processors; remove "
            "one of the two (a configuration that says int8 is overruled by precision=auto)"
        )


def _cuda(known: bool | None) -> bool:
    if known is None:
        from pipeline.models.graphics import cuda_usable

        return cuda_usable()
    return known


def _or_say(section: str, setting: str) -> str:
    """What else helps where the setting has a backend beside it."""
    return f", or set {section}.backend" if setting == f"{section}.weights" else ""
