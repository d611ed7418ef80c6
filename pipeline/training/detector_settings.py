"""DetectorSettings: all that decides how a detector is trained, but for its data."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Literal

import yaml

from pipeline.errors import ConfigError

Value = float | str | bool
ClassWeights = Literal["none", "balanced"]
NO_WEIGHTS = "none"  # as weights: random numbers
OF_WEIGHTS = "that of the weights"  # as an architecture
OPTIMIZERS = ("AdamW", "Adam", "SGD", "MuSGD", "NAdam", "RAdam", "RMSprop")

# Ultralytics' settings of augmentation, optimiser and loss: default here, least and greatest value. Theirs but for
# `optimizer`, `cos_lr` and `close_mosaic`.
_NUMBERS: dict[str, tuple[float, float, float]] = {
    "hsv_h": (0.015, 0, 1),
    "hsv_s": (0.7, 0, 1),
    "hsv_v": (0.4, 0, 1),
    "degrees": (0.0, 0, 180),
    "translate": (0.1, 0, 1),
    "scale": (0.5, 0, 1),
    "shear": (0.0, 0, 180),
    "perspective": (0.0, 0, 0.001),
    "flipud": (0.0, 0, 1),
    "fliplr": (0.5, 0, 1),
    "bgr": (0.0, 0, 1),
    "mosaic": (1.0, 0, 1),
    "mixup": (0.0, 0, 1),
    "cutmix": (0.0, 0, 1),
    "multi_scale": (0.0, 0, 1),
    "lrf": (0.01, 0, 1),
    "momentum": (0.937, 0, 1),
    "weight_decay": (0.0005, 0, 1),
    "warmup_epochs": (3.0, 0, 1000),
    "warmup_momentum": (0.8, 0, 1),
    "warmup_bias_lr": (0.1, 0, 1),
    "box": (7.5, 0, 1000),
    "cls": (0.5, 0, 1000),
    "dfl": (1.5, 0, 1000),
}
_COUNTS: dict[str, tuple[int, int]] = {"close_mosaic": (10, 0), "nbs": (64, 1), "max_det": (300, 1)}  # and least value
_SWITCHES = {"cos_lr": True}
_ADAPTIVE_BIAS_RATE = 0.0  # optimisers that scale each step need no high rate for biases at the start


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """How a detector is trained."""

    architecture: str = "yolo11n"  # a name that ultralytics knows, a YAML file, or OF_WEIGHTS
    weights: str = NO_WEIGHTS  # .pt or .onnx to start from
    freeze: int = 0  # so many modules from the input on keep their weights
    epochs: int = 100
    batch: int = 16  # pictures a step, over all processes
    image_size: int = 320  # pixels, the longer side
    learning_rate: float | None = None  # None: what fits the optimiser
    patience: int = 30  # epochs without a better score until it ends; 0: never
    class_weights: ClassWeights = "none"
    focal: float = 0.0  # gamma of the focal loss; 0: cross-entropy
    seed: int = 0
    amp: bool = True  # bfloat16 where the processor or GPU has it
    validate_every: int = 1  # epochs
    library: dict[str, Value] = field(default_factory=dict)  # of ultralytics, by its names

    def __post_init__(self) -> None:
        if self.image_size % 32:
            near = max(32, round(self.image_size / 32) * 32)
            raise ConfigError(f"--image-size {self.image_size} is no multiple of 32; {near} is")
        if self.architecture == OF_WEIGHTS and self.weights == NO_WEIGHTS:
            raise ConfigError("there are no weights whose architecture could be meant; name one with --architecture")

    @property
    def optimizer(self) -> str:
        """Name of the optimiser."""
        return str(self.library.get("optimizer", OPTIMIZERS[0]))

    def rate(self, classes: int) -> float:
        """Greatest learning rate: the given one, else .01 with momentum alone and .01 / (4 + classes) with Adam's."""
        if self.learning_rate is not None:
            return self.learning_rate
        return 0.01 if self.optimizer in ("SGD", "MuSGD", "RMSprop") else round(0.01 / (4 + classes), 6)

    def for_library(self) -> dict[str, Value]:
        """Every setting that ultralytics is given, defaults included."""
        defaults: dict[str, Value] = {name: default for name, (default, _, _) in _NUMBERS.items()}
        defaults |= {name: default for name, (default, _) in _COUNTS.items()}
        defaults |= _SWITCHES
        if self.optimizer not in ("SGD", "MuSGD", "RMSprop"):
            defaults["warmup_bias_lr"] = _ADAPTIVE_BIAS_RATE
        return defaults | {"optimizer": self.optimizer} | self.library

    def as_mapping(self) -> dict[str, object]:
        """For settings.yaml: everything, with the defaults of the library as they are now."""
        return asdict(self) | {"library": self.for_library()}


def parse_library(pairs: Iterable[str]) -> dict[str, Value]:
    """`mosaic=0.5`, `optimizer=SGD`, ... as values. Raises ConfigError for an unknown name, type or range."""
    found: dict[str, Value] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        name = name.strip()
        if not equals:
            raise ConfigError(f"--set {pair}: write it as name=value, such as mosaic=0.5")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {pair}: {text!r} is no value") from error
        found[name] = _checked(name, value)
    return found


def _checked(name: str, value: object) -> Value:
    number = not isinstance(value, bool) and isinstance(value, int | float)
    if name in _NUMBERS:
        _, least, most = _NUMBERS[name]
        if number and least <= float(value) <= most:  # type: ignore[arg-type]
            return float(value)  # type: ignore[arg-type]
        raise ConfigError(f"--set {name}={value}: it must be a number from {least:g} to {most:g}")
    if name in _COUNTS:
        if number and isinstance(value, int) and value >= _COUNTS[name][1]:
            return value
        raise ConfigError(f"--set {name}={value}: it must be a whole number from {_COUNTS[name][1]}")
    if name in _SWITCHES:
        if isinstance(value, bool):
            return value
        raise ConfigError(f"--set {name}={value}: it must be true or false")
    if name == "optimizer":
        if value in OPTIMIZERS:
            return str(value)
        raise ConfigError(f"--set optimizer={value}: there are {', '.join(OPTIMIZERS)}")
    known = [*_NUMBERS, *_COUNTS, *_SWITCHES, "optimizer"]
    near = difflib.get_close_matches(name, known, 1, 0.4)
    raise ConfigError(
        f"--set {name}: " + (f"did you mean {near[0]!r}? " if near else "") + f"known: {', '.join(known)}"
    )
