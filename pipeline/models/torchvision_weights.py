"""Weights of torchvision's networks: random, fetched once, or from a file; and the architecture they fit."""

from __future__ import annotations

import hashlib
import importlib
import os
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torchvision.models import detection, get_model, get_model_weights, list_models
from torchvision.ops import FrozenBatchNorm2d

from pipeline.errors import DependencyError, ModelError
from pipeline.models import files
from pipeline.models.catalog import VARIABLE, Entry, RemoteFile, Task, load_catalog
from pipeline.models.fetching import fetcher

State = dict[str, torch.Tensor]  # name -> parameter, what state_dict() gives
_SEED = 0
# so trained; torchvision corrects it likewise
_ZERO_EPSILON = ("fasterrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn", "retinanet_resnet50_fpn")


def build(name: str, state: State | None, options: dict[str, Any]) -> torch.nn.Module:
    """The architecture with random weights, the same each time, or those of `state`; ready to run."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        model: torch.nn.Module = get_model(name, weights=None, **options)
    if state is not None:
        if not any(key.endswith("num_batches_tracked") for key in state):
            _freeze(model, 0.0 if name in _ZERO_EPSILON else 1e-5)
        fill(name, model, state)
    return model.eval()


def _freeze(module: torch.nn.Module, epsilon: float) -> None:
    """Swap batch normalisation for the frozen kind that a file without its counters was trained with."""
    for name, child in module.named_children():
        if isinstance(child, torch.nn.BatchNorm2d):
            setattr(module, name, FrozenBatchNorm2d(child.num_features, eps=epsilon))
        else:
            _freeze(child, epsilon)


def fill(name: str, model: torch.nn.Module, state: State) -> None:
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        lines = str(error).splitlines()
        raise ModelError(f"the weights do not fit {name}: {lines[min(1, len(lines) - 1)].strip()}") from error


def read(name: str, weights: str | Path) -> tuple[State | None, str | None]:
    """Parameters and the sha256 of their file; (None, None) for random ones."""
    if weights == "none":
        return None, None
    file = files.inspect(_fetched(name) if weights == "default" else weights)
    file.require(files.Form.TORCH, files.Form.SAFETENSORS, backend="torchvision")
    if file.form is files.Form.SAFETENSORS:
        return _read_safetensors(file.path), file.sha256
    try:
        state = torch.load(file.path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and torch errors have no common base
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{file.path} is no safe state_dict (weights_only): {first}") from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ModelError(f"{file.path} holds no state_dict (names to tensors); save model.state_dict()")
    return dict(state), file.sha256


def _read_safetensors(path: Path) -> State:
    try:
        library = importlib.import_module("safetensors.torch")
        broken: type[Exception] = importlib.import_module("safetensors").SafetensorError
    except ImportError as error:
        raise DependencyError(f"{path} needs the package safetensors; install it: pip install safetensors") from error
    try:
        return dict(library.load_file(path))
    except broken as error:
        raise ModelError(f"{path} cannot be read as safetensors ({error}); fetch it again") from error


def _fetched(name: str) -> Path:
    """The default weights, fetched once: as the catalogue says, else torchvision itself."""
    known = load_catalog(os.environ.get(VARIABLE))
    return fetcher().ready(known.find(name) if name in known else default_entry(name)).paths[0]


def default_entry(name: str) -> Entry:
    """What torchvision says of the default weights of a network; the file's name ends in how its hash begins."""
    address: str = get_model_weights(name).DEFAULT.url
    begins = PurePosixPath(address).stem.rsplit("-", 1)[1]
    task: Task = "detect" if name in list_models(module=detection) else "embed"
    file = RemoteFile(address=address, sha256_begins=begins)
    return Entry(name=name, task=task, family="torchvision", files=(file,), licence="BSD-3-Clause", architecture=name)


def class_count(state: State) -> int:
    """Number of classes, the background among them, that a detector's parameters were trained for."""
    of_regions = "roi_heads.box_predictor.cls_score.bias"
    if of_regions in state:
        return len(state[of_regions])
    scores = [value for key, value in state.items() if key.startswith("head.classification_head.") and _is_bias(key)]
    boxes = [value for key, value in state.items() if key.startswith("head.regression_head.") and _is_bias(key)]
    if not scores or not boxes:
        raise ModelError("the weights are of no torchvision detector: they hold no classifier and box regression")
    return len(scores[-1]) * 4 // len(boxes[-1])  # both have one set of numbers an anchor; a box is 4


def _is_bias(key: str) -> bool:
    return key.endswith(".bias")


def parameters_sha256(model: torch.nn.Module) -> str:
    """Fingerprint of parameters that came from no file."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
