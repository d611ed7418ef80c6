"""Settings: what a YAML file and `--set` may say. Parsed once, unknown keys forbidden, read by build, runs and cli."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, overload

import yaml
from pydantic import (
    AfterValidator,
    Field,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from pipeline.bundled_models import resolved
from pipeline.detector_settings import (
    AdaptiveSettings,
    BudgetSettings,
    FusionSettings,
    LightSettings,
    NmsName,
    ScheduleName,
)
from pipeline.errors import ConfigError
from pipeline.overrides import put, read_change
from pipeline.rule_settings import AnalyticsSettings
from pipeline.section import Device, ImageSize, Names, Seconds, Section, Share, parse
from pipeline.segmenter_settings import SegmenterSettings
from pipeline.shipped import config_folders
from pipeline.tracker_settings import DeepSortSettings, TrackerSettings

DATABASE_VARIABLE = "SIGHTLINE_DATABASE"  # environment: the database's address, which may hold a password

Weights = Annotated[str, AfterValidator(resolved)]


def _refuse_unused(section: Section, backend: str, used: tuple[str, ...]) -> None:
    """Settings that a backend does not look at are mistakes; null takes back what a configuration says."""
    if unused := {name for name in section.model_fields_set - set(used) if getattr(section, name) is not None}:
        raise ValueError(f"backend {backend} has no setting {', '.join(sorted(unused))}; remove it")


class SourceSettings(Section):
    """How sources are read."""

    fps: PositiveFloat = Field(25.0, description="rate of a folder of pictures, frames/s; videos have their own times")
    start_at: datetime | None = Field(None, description="when the first frame was taken, with time zone")
    max_frames: PositiveInt | None = Field(None, description="end after so many frames of each source")
    policy: Literal["auto", "batch", "live"] = Field(
        "auto", description="batch: every frame in order; live: the freshest, as it comes; auto: batch for files"
    )


class MotionSettings(Section):
    """Detector `motion`: what differs from the background of a fixed camera."""

    min_area: Annotated[float, Field(gt=0, lt=1)] = Field(0.0008, description="smallest blob, share of the picture")
    absorb_seconds: PositiveFloat = Field(10.0, description="who stands still for so long becomes background")
    settle_seconds: Seconds = Field(10.0, description="learn faster for so long at the start")
    warm_up_frames: Annotated[int, Field(ge=0)] = Field(5, description="frames without detections at the start")
    sensitivity: PositiveFloat = Field(20.0, description="squared distance from which a pixel differs; less finds more")
    work_width: Annotated[int, Field(ge=16)] = Field(640, description="wider pictures are shrunk to it, pixels")


class DetectorSettings(Section):
    """Which network finds objects, and which of its boxes are used."""

    backend: Literal["auto", "openvino", "onnx", "torch", "ultralytics", "torchvision", "motion"] = Field(
        "auto",
        description="auto: by the weights file: .xml and .onnx run in OpenVINO, .pt and .yaml in ultralytics; on an "
        "NVIDIA card an .onnx of `sightline export` in torch",
    )
    weights: Weights | None = Field(
        None,
        description="file, name of a model (`sightline models list`), or bundled:NAME; for torchvision also 'default' "
        "(fetched) or 'none' (random)",
    )
    architecture: str = Field("fasterrcnn_mobilenet_v3_large_320_fpn", description="torchvision: name of the model")
    decoder: str | None = Field(None, description="form of the network's output; found from the file where empty")
    classes: Names | None = Field(None, description="class names in label order, where the file has none")
    keep: Names | None = Field(None, description="names of the classes to use; all where empty")
    input_size: ImageSize | None = Field(None, description="height, width in pixels, where the file leaves it open")
    letterbox: Literal["tight", "full"] = Field(
        "tight",
        description="openvino, torch: tight: pictures are padded as little as the network can do with, so that wide "
        "ones take less time; full: up to input_size",
    )
    min_score: Share = Field(0.1, description="weaker boxes are dropped and not stored")
    nms_iou: Share = Field(0.65, description="of two boxes of a class that overlap more the weaker one is dropped")
    nms: NmsName = Field(
        "class-wise",
        description="agnostic: also of different classes; soft-linear, soft-gaussian: it is believed less; wbf: both "
        "become their mean",
    )
    nms_sigma: PositiveFloat = Field(0.5, description="soft-gaussian: how far boxes may overlap; less is stricter")
    max_detections: PositiveInt = Field(300, description="most boxes a frame")
    batch: PositiveInt = Field(1, description="frames given to the network at once")
    every: Annotated[int, Field(ge=1, le=1000)] = Field(
        1, description="it looks at one of so many frames; between them the tracker carries what it has"
    )
    schedule: ScheduleName = Field(
        "every",
        description="every: every n-th frame, as `every` says; adaptive: where motion or tracks in doubt ask for it; "
        "budget: as often, and in pictures as large, as keeps cameras real-time on this machine",
    )
    adaptive: AdaptiveSettings = AdaptiveSettings()
    budget: BudgetSettings = BudgetSettings()
    precision: Literal["auto", "f32", "bf16", "f16", "int8"] = Field(
        "auto",
        description="arithmetic of openvino, of torch and torchvision (auto, f32, bf16); int8: on processors, of the "
        "file NAME-int8 beside NAME; auto: the fastest the device is good at in 16 or 32 bits, for the bundled "
        "detector in new runs on processors also in 8; f32: the same everywhere",
    )
    device: Device = Field(
        "auto",
        description="auto: an NVIDIA card where torch has one and the network runs in torch, else the CPU; or as the "
        "backend names it: CPU, CUDA, CUDA:1, of openvino GPU",
    )
    threads: Annotated[int, Field(ge=0)] = Field(0, description="CPU threads, 0: the backend's choice")
    motion: MotionSettings = MotionSettings()
    light: LightSettings = LightSettings()
    fuse: FusionSettings | None = Field(None, description="a second detector, whose boxes are fused with these")

    @model_validator(mode="after")
    def _one_schedule(self) -> DetectorSettings:
        if self.schedule != "every" and self.every != 1:
            raise ValueError(f"every is for schedule every, and not for {self.schedule}; remove every={self.every}")
        if self.schedule == "adaptive" and self.batch != 1:
            raise ValueError(f"schedule adaptive decides frame by frame; remove batch={self.batch}")
        for name in ("adaptive", "budget"):
            if name != self.schedule and getattr(self, name) != type(getattr(self, name))():
                raise ValueError(f"{name} says when to look, but schedule is {self.schedule}; set schedule={name}")
        return self

    @model_validator(mode="after")
    def _needs_weights(self) -> DetectorSettings:
        if self.weights is None and self.backend in ("openvino", "onnx", "torch", "ultralytics"):
            raise ValueError(f"backend {self.backend} needs weights; set detector.weights to a file")
        if self.weights is not None and self.backend == "motion":
            raise ValueError(
                "backend motion takes no weights; use --config motion, or set detector.backend=auto to use the file"
            )
        if self.backend == "motion":
            _refuse_unused(self, "motion", ("backend", "keep", "min_score", "max_detections", "motion", "light"))
        return self


class EmbedderSettings(Section):
    """Which network describes what objects look like."""

    backend: Literal["auto", "none", "openvino", "onnx", "torchvision", "colour"] = Field(
        "auto", description="auto: by the weights file, none without one; colour: histograms, no weights"
    )
    weights: Weights | None = Field(
        None,
        description="file, name of a model (`sightline models list`), or bundled:NAME; for torchvision also 'default' "
        "(fetched) or 'none' (random)",
    )
    architecture: str = Field("resnet18", description="torchvision: name of the backbone")
    recipe: Literal["auto", "plain", "imagenet"] = Field(
        "auto",
        description="input: plain = BGR 0..255, imagenet = RGB normalised; auto: as the file says, else plain for "
        ".xml, imagenet for others",
    )
    input_size: ImageSize | None = Field(None, description="height, width in pixels, where the file leaves it open")
    min_score: Share = Field(0.3, description="weaker detections are not described")
    when: Literal["always", "asked"] = Field(
        "always",
        description="asked: only boxes that the tracker is unsure of, and each of the others now and then; with sort, "
        "bytetrack and ocsort, which are asked nothing, all",
    )
    refresh_seconds: Seconds = Field(0.25, description="asked: after so long a sure one is described again, too")
    background: Literal["keep", "suppress"] = Field(
        "keep",
        description="suppress: pixels outside an object's mask are of one colour; where it was tried, people were told "
        "apart less well so (docs/segmentation.md)",
    )
    precision: Literal["auto", "f32", "bf16", "f16", "int8"] = Field(
        "auto",
        description="arithmetic of openvino, torchvision (auto, f32, bf16); int8: on processors, of the file NAME-int8 "
        "beside NAME; auto: the fastest the device is good at in 16 or 32 bits, f32: the same everywhere",
    )
    device: Device = Field("auto", description="as of the detector; those of openvino run on the CPU by themselves")
    threads: Annotated[int, Field(ge=0)] = Field(0, description="CPU threads, 0: the backend's choice")

    @model_validator(mode="after")
    def _needs_weights(self) -> EmbedderSettings:
        if self.weights is None and self.backend in ("openvino", "onnx"):
            raise ValueError(f"backend {self.backend} needs weights; set embedder.weights to a file")
        if self.weights is not None and self.backend in ("none", "colour"):
            raise ValueError(
                f"backend {self.backend} takes no weights; set embedder.weights=null, or backend=auto to use the file"
            )
        if self.backend in ("none", "colour"):
            _refuse_unused(self, self.backend, ("backend", "min_score", "when", "refresh_seconds", "background"))
        return self


class RefineSettings(Section):
    """Hindsight over the tracks of a finished recording (`--refine`)."""

    beginnings: bool = Field(True, description="keep what a track did before it was confirmed")
    link_seconds: Seconds = Field(3.0, description="longest time between two pieces that are linked; 0: none are")
    link_odds: PositiveFloat = Field(1.0, description="how many times likelier one object must be than two")
    appearance_limit: Annotated[float, Field(ge=0, le=2)] = Field(
        0.25, description="largest cosine distance of two linked pieces' mean features"
    )
    least_weight: Seconds = Field(0.3, description="a track of less score times seconds is dropped")
    smoothing: Annotated[float, Field(ge=0, le=1000)] = Field(
        3.0, description="measurement variance, in those of the tracker's filter; 0: boxes stay as they are"
    )
    fill_seconds: Seconds = Field(1.5, description="longest hole in a track that is filled; 0: none is")


class EngineSettings(Section):
    """How the work is spread; changes nothing in the results."""

    capacity: Annotated[int, Field(ge=1, le=1000)] = Field(4, description="frames that may wait in front of each stage")


class StoreSettings(Section):
    """Where results are kept."""

    database: str = Field("runs/sightline.db", description="SQLite file or SQLAlchemy URL")
    media: Path | None = Field(None, description="folder of crops; default: 'media' beside the SQLite file")
    chunk: Annotated[int, Field(ge=1, le=100)] = Field(100, description="frames a transaction")


class Settings(Section):
    """Everything a run can be told."""

    source: SourceSettings = SourceSettings()
    detector: DetectorSettings = DetectorSettings()
    embedder: EmbedderSettings = EmbedderSettings()
    segmenter: SegmenterSettings = SegmenterSettings()
    tracker: TrackerSettings = DeepSortSettings()
    refine: RefineSettings = RefineSettings()
    analytics: AnalyticsSettings = AnalyticsSettings()
    engine: EngineSettings = EngineSettings()
    store: StoreSettings = StoreSettings()

    @field_validator("tracker", mode="before")
    @classmethod
    def _name_tracker(cls, value: Any) -> Any:
        """`tracker: {lost_seconds: 2}` without a name means the default tracker."""
        return {"name": "deepsort"} | value if isinstance(value, dict) else value

    def digest(self, *sections: str) -> str:
        """SHA-256 of the named sections' values."""
        return digest({name: getattr(self, name).model_dump(mode="json") for name in sections})


_Settings = TypeVar("_Settings", bound=Section)


def names_network(section: Mapping[str, Any]) -> bool:
    """Whether what is said of detector, segmenter or embedder names a network: motion, colour and none are none."""
    return section.get("weights") is not None or section.get("backend") == "torchvision"


def digest(value: Mapping[str, Any]) -> str:
    """SHA-256 of a JSON value, the same for equal values."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def load_settings(config: str | Path | None = None, overrides: Iterable[str] = ()) -> Settings:
    """Settings from a YAML file, changed by `key.path=value` strings.

    `config`: a path, or the name of a file in configs/ without its suffix; None: the defaults. Raises ConfigError.
    """
    return change_settings({} if config is None else read_yaml(find_config(config)), overrides)


@overload
def change_settings(values: dict[str, Any], overrides: Iterable[str]) -> Settings: ...
@overload
def change_settings(values: dict[str, Any], overrides: Iterable[str], kind: type[_Settings]) -> _Settings: ...
def change_settings(values: dict[str, Any], overrides: Iterable[str], kind: type[Any] = Settings) -> Any:
    """Settings from nested values, changed by `key.path=value` strings. Raises ConfigError.

    `kind`: which settings, where they are more than those of a run.
    """
    changes = [read_change(one) for one in overrides]
    for keys, value in changes:
        section = values.get("tracker", {})
        if keys == ["tracker", "name"] and isinstance(section, dict) and section.get("name", value) != value:
            values["tracker"] = {}  # another tracker starts from its own defaults: the file's numbers were the other's
    for keys, value in changes:
        put(values, keys, value)
    return parse(values, kind)


def find_config(name: str | Path) -> Path:
    """The file that `--config name` means."""
    given = Path(name)
    folders = config_folders()
    for candidate in (given, *(folder / f"{name}.yaml" for folder in folders)):
        if candidate.is_file():
            return candidate
    known = sorted({file.stem for folder in folders for file in folder.glob("*.yaml")})
    raise ConfigError(f"no config file {name}; give a path or one of: {', '.join(known) or '(none found)'}")


def read_yaml(path: Path) -> dict[str, Any]:
    """Sections of a settings file, unchecked. Raises ConfigError if it cannot be read or is no mapping."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read config {path}: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"config {path} is not YAML: {' '.join(str(error).split())}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"config {path} must hold 'section: {{key: value}}' pairs, not a {type(values).__name__}")
    return {section: value for section, value in values.items() if value is not None}  # "detector:" alone is empty
