"""The network of a detector that is to be trained: built, given weights to start from, partly frozen, saved."""

from __future__ import annotations

import datetime
import io
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch

from pipeline.errors import ModelError
from pipeline.models.messages import first_line
from pipeline.models.onnx_detector import network_of_onnx, read_onnx_detector
from pipeline.models.ultralytics_library import (
    VERSION,
    load_network,
    require_safe,
    ultralytics,
    usual_activation,
)
from pipeline.training.detector_settings import OF_WEIGHTS
from pipeline.training.narrowing import narrow
from pipeline.training.wider_network import is_wider

_LEAST_TAKEN = 0.02  # share of the numbers: below, layers are of the same shape by chance


def build_network(architecture: str, names: Sequence[str], *, seed: int, weights: Path | None = None) -> Any:
    """A network with random weights, the same for every start from one seed.

    `architecture`: a name ultralytics knows (yolo11n, yolov8n, ...), a YAML file, or OF_WEIGHTS: that of the network in
    `weights`. Raises ModelError where there is no such one, or it is no detector of boxes.
    """
    require_safe()
    if architecture == OF_WEIGHTS and weights is not None:
        plan, file = _plan_of(weights), weights
        architecture = f"that of {weights}"
    else:
        file = _architecture_file(architecture)
        plan = str(file)
    try:
        with torch.random.fork_rng(devices=[]), usual_activation():
            torch.manual_seed(seed)
            network = ultralytics.nn.tasks.DetectionModel(plan, nc=len(names), verbose=False)
    except Exception as error:  # the library raises of every kind
        raise ModelError(f"architecture {architecture!r} cannot be built: {first_line(error)}") from error
    if type(network.model[-1]).__name__ not in ("Detect", "v10Detect"):
        raise ModelError(f"{architecture} is no detector of boxes: it ends in {type(network.model[-1]).__name__}")
    network.names = dict(enumerate(names))
    network.task = "detect"
    network.yaml["yaml_file"] = file.name  # where it lies is nobody's business
    return network


def _architecture_file(architecture: str) -> Path:
    """Of a name: in the library, whatever lies in the working folder; the letter of its size stays in the path."""
    if architecture.endswith((".yaml", ".yml")):
        if not Path(architecture).is_file():
            raise ModelError(f"there is no architecture {architecture}; check the path, or give a name such as yolo11n")
        return Path(architecture)
    folder = Path(ultralytics.__file__).parent / "cfg" / "models"
    known = {file.stem: file for file in folder.rglob("yolo*.yaml")}
    for stem in (architecture, re.sub(r"(\d)[nslmx](?=-|$)", r"\1", architecture)):
        if stem in known:
            return known[stem].with_stem(architecture)
    raise ModelError(
        f"architecture {architecture!r} is unknown; give a YAML file, or a name such as yolo11n or yolov8n"
    )


def start_from(network: Any, weights: Path, *, seed: int) -> int:
    """Take over what fits from a .pt of ultralytics or an .onnx of ours; returns how many parameters did.

    Of a network of the same modules with more channels below the head, those that count most (see `narrow`). The rows
    of classes with the same names are taken too; those of others stay random. Raises ModelError where nearly nothing
    fits, or a wider network differs in more than its channels.
    """
    source: Any = network_of_onnx(weights) if weights.suffix == ".onnx" else load_network(weights)
    before = [parameter.clone() for parameter in network.parameters()]
    names = dict(network.names)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # a part of the head may be made anew
        if is_wider(source, network):
            _narrow(network, source, weights)
        else:
            _take_what_fits(network, source)
    network.names = names
    after = list(network.parameters())
    taken = [now for then, now in zip(before, after, strict=True) if then.shape != now.shape or not then.equal(now)]
    if not all(bool(tensor.isfinite().all()) for tensor in network.state_dict().values()):
        raise ModelError(f"{weights} holds numbers that are not finite (NaN); start from another file")
    count, every = (sum(parameter.numel() for parameter in some) for some in (taken, after))
    if count < _LEAST_TAKEN * every:
        little = "hardly anything" if count else "nothing"
        raise ModelError(
            f"{little} in {weights} fits the architecture ({count} of {every} numbers); name the one it has with "
            "--architecture, or train without --weights"
        )
    return int(count)


def _take_what_fits(network: Any, source: Any) -> None:
    """By names and shapes; ultralytics gives the head as wide branches for classes as the source has.

    But not branches of other layers than the architecture has (those of YOLOv8 in YOLO11).
    """
    own, theirs = network.model[-1], source.model[-1]
    for branch in ("cv3", "one2one_cv3"):
        if _kinds(getattr(own, branch, None)) != _kinds(getattr(theirs, branch, None)):
            setattr(theirs, branch, None)
    network.load(source, verbose=False)


def _kinds(branch: Any) -> list[str]:
    return [] if branch is None else [type(part).__name__ for part in branch.modules()]


def _narrow(network: Any, source: Any, weights: Path) -> None:
    try:
        narrow(network, source)
    except ModelError as error:
        raise ModelError(f"{weights} has more channels than the architecture, but {error}") from error


def read_detector(weights: Path) -> tuple[Any, Mapping[str, torch.Tensor]]:
    """What ultralytics builds the network in a .pt or an .onnx of ours from, and its numbers. Raises ModelError."""
    if weights.suffix.lower() == ".onnx":
        found = read_onnx_detector(weights)
        return found.described, found.state
    network = load_network(weights)
    return getattr(network, "yaml", None), network.state_dict()


def _plan_of(weights: Path) -> Any:
    """What ultralytics builds the network in a .pt or an .onnx of ours from. Raises ModelError."""
    if weights.suffix == ".onnx":
        return read_onnx_detector(weights).described
    plan = getattr(load_network(weights), "yaml", None)
    if not isinstance(plan, dict):
        raise ModelError(f"{weights} does not say its architecture; name it with --architecture")
    return deepcopy(plan)


def freeze(network: Any, modules: int) -> None:
    """Let the first modules keep their weights. Raises ModelError where none would be left to train."""
    if modules >= len(network.model):
        raise ModelError(f"--freeze {modules} leaves nothing to train: the network has {len(network.model)} modules")
    for name, parameter in network.named_parameters():
        parameter.requires_grad = ".dfl" not in name  # a fixed ramp
    for parameter in network.model[:modules].parameters():
        parameter.requires_grad = False


def train_mode(network: Any, frozen: int) -> None:
    """Ready for a step; statistics of frozen modules do not move."""
    network.train()
    network.model[:frozen].eval()


def checkpoint_of(network: Any, *, settings: Mapping[str, object], score: float, epoch: int) -> bytes:
    """A .pt as ultralytics writes it, float16, of the library's classes alone: it loads safely.

    `settings`: plain values ultralytics knows, `imgsz` among them.
    """
    held = deepcopy(network).half().to(memory_format=torch.contiguous_format)
    for parameter in held.parameters():
        parameter.requires_grad = False
    held.args = dict(settings)
    content = io.BytesIO()
    torch.save(
        {
            "epoch": epoch,
            "best_fitness": score,
            "model": held,
            "train_args": dict(settings),
            "date": datetime.datetime.now(datetime.UTC).isoformat(),
            "version": VERSION,
            "license": "AGPL-3.0",
        },
        content,
    )
    return content.getvalue()
