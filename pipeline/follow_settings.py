"""Settings of following one target into the store: what is followed, how, and where it is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, NonNegativeInt

from pipeline.config import (
    EmbedderSettings,
    SourceSettings,
    StoreSettings,
    change_settings,
    digest,
    find_config,
    read_yaml,
)
from pipeline.deciding import WHERE_AND_HOW, as_before
from pipeline.errors import ConfigError
from pipeline.section import Section, parse
from pipeline.target_settings import FollowSettings
from trackers.geometry import from_xywh
from trackers.structures import FloatArray

LABEL = "target"  # what a target is called where nobody says it
_FILES = ("backbone", "head", "weights", "embedder", "detector")  # settings of target trackers that name files

Models = Mapping[str, Sequence[Path]]  # the files of models that `target` names, by the setting


class TargetBox(Section):
    """What is followed: where it is, in which picture, and what it is."""

    box: tuple[float, float, float, float] = Field(description="left, top, width, height; pixels")
    start_frame: NonNegativeInt = Field(0, description="the picture that shows it")
    label: Annotated[str, Field(min_length=1, max_length=100)] = Field(LABEL, description="its class in the store")

    @property
    def corners(self) -> FloatArray:
        """(4,) x1 y1 x2 y2."""
        return np.asarray(from_xywh(np.array([self.box]))[0])


class StoredFollowSettings(FollowSettings):
    """Everything that following one target into the store can be told."""

    follow: TargetBox
    embedder: EmbedderSettings = EmbedderSettings()
    store: StoreSettings = StoreSettings()


def stored_follow_settings(target: TargetBox, overrides: Iterable[str]) -> StoredFollowSettings:
    """Settings changed by `key.path=value` strings. The embedder is that of the config `default`, so that what is
    followed can be found among the tracks of ordinary runs. Raises ConfigError.
    """
    embedder = read_yaml(find_config("default")).get("embedder", {})
    values = {"follow": target.model_dump(), "embedder": embedder}
    return change_settings(values, overrides, StoredFollowSettings)


def kept_follow_settings(settings: StoredFollowSettings) -> dict[str, Any]:
    """What the store keeps of them, enough to go on from any folder. The database's address may hold a password."""
    kept = settings.model_dump(mode="json", exclude={"store": {"database"}, "embedder": True})
    kept["target"] = _with_files(kept["target"], lambda file: str(file.absolute()))
    kept["embedder"] = settings.embedder.model_dump(mode="json", exclude_defaults=True)
    if settings.embedder.weights is not None and Path(settings.embedder.weights).exists():
        kept["embedder"]["weights"] = str(Path(settings.embedder.weights).absolute())
    return kept


def read_kept(kept: Mapping[str, Any], database: str) -> StoredFollowSettings:
    """The settings that a run began with. `kept`: of its row, from `kept_follow_settings`. `database`: its address.

    Raises ConfigError if another version of Sightline wrote what this one does not know.
    """
    values = {name: kept[name] for name in StoredFollowSettings.model_fields if name in kept}
    return parse({**values, "store": {**values.get("store", {}), "database": database}}, StoredFollowSettings)


def follow_digest(settings: StoredFollowSettings, models: Models) -> str:
    """Of everything that decides what comes out; files and models that have names count by their content.

    Raises ConfigError for a file that cannot be read.
    """
    deciding = settings.model_dump(mode="json", exclude={"store": True, "embedder": WHERE_AND_HOW})
    return digest({**as_before(deciding), "target": _by_content(deciding["target"], models)})


def target_digest(settings: StoredFollowSettings, models: Models) -> str:
    """Of the target's tracker alone, and what it calls what it follows. Raises ConfigError, likewise."""
    target = _by_content(settings.target.model_dump(mode="json"), models)
    return digest({"target": target, "label": settings.follow.label})


def limited(source: SourceSettings, start_frame: int) -> SourceSettings:
    """Settings for opening the source at a picture: `max_frames` counts from there on."""
    if source.max_frames is None:
        return source
    return source.model_copy(update={"max_frames": start_frame + source.max_frames})


def parse_box(text: str) -> tuple[float, float, float, float]:
    """`x,y,w,h`. Raises ConfigError."""
    try:
        x, y, width, height = (float(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigError(f"--box {text!r} is not X,Y,W,H: four numbers with commas, like 210,96,40,92") from error
    return x, y, width, height


def _by_content(target: Mapping[str, Any], models: Models) -> dict[str, Any]:
    """Settings of a target tracker, whatever its files and models are called."""
    own = _with_files(target, lambda file: _checksum(_whole(file)))
    return own | {name: _checksum(files) for name, files in models.items()}


def _whole(file: Path) -> Sequence[Path]:
    """With the weights beside an IR of OpenVINO."""
    weights = file.with_suffix(".bin")
    return (file, weights) if file.suffix.lower() == ".xml" and weights.is_file() else (file,)


def _with_files(values: Mapping[str, Any], told: Callable[[Path], str]) -> dict[str, Any]:
    """Settings of a target tracker, nested ones too, with what is `told` of each file in place of its path."""
    changed: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            changed[name] = _with_files(value, told)
        else:
            named = name in _FILES and isinstance(value, str) and Path(value).is_file()
            changed[name] = told(Path(value)) if named else value
    return changed


def _checksum(files: Sequence[Path]) -> str:
    """Of one file, or of several in their order."""
    each = [_sha256(file) for file in files]
    return each[0] if len(each) == 1 else hashlib.sha256(" ".join(each).encode()).hexdigest()


def _sha256(file: Path) -> str:
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error
