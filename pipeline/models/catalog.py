"""The catalogue of models: what is known of each by its name. configs/catalog.yaml, and a file of the user's own."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import AfterValidator, Field, NonNegativeInt, StringConstraints, ValidationError, model_validator

from pipeline.bundled_models import PREFIX, bundled_names, resolved
from pipeline.errors import ConfigError, ModelError
from pipeline.models.label_names import COCO
from pipeline.score_map import check_score_map
from pipeline.section import ImageSize, Section
from pipeline.shipped import config_folders

FILE = "catalog.yaml"
VARIABLE = "SIGHTLINE_CATALOG"  # environment: a file of the user's own
BUNDLED_LICENCE = "AGPL-3.0-or-later"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C is ten times as fast
LOCAL = ("127.0.0.1", "::1", "localhost")  # hosts that may offer files over plain http, too
_NAMED_CLASSES = {"coco": COCO}

Task = Literal["detect", "segment", "embed", "target"]
Backend = Literal["ultralytics", "torchvision", "openvino", "onnx"]
Speed = Literal["real-time", "fast", "medium", "slow"]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Beginning = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8,63}$")]


def _checked(pairs: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    check_score_map(pairs)
    return pairs


Calibration = Annotated[tuple[tuple[float, float], ...], AfterValidator(_checked)]


class RemoteFile(Section):
    """A file that its publisher offers."""

    address: str = Field(description="https://...; of this machine itself also http")
    sha256: Sha256 | None = None
    sha256_begins: Beginning | None = Field(None, description="its beginning, where no more is known")
    bytes: NonNegativeInt | None = None
    role: Literal["backbone", "head"] | None = Field(None, description="where a model's files do different things")
    verified: str | None = Field(None, description="who confirms the hash; None: nobody")

    @model_validator(mode="after")
    def _reachable_and_known(self) -> RemoteFile:
        try:
            parts = urlsplit(self.address)
            _ = parts.port, (parts.hostname or "").encode("idna")  # which are looked at when they are asked for
        except ValueError as error:
            raise ValueError(f"{self.address} is no address: {error}") from error
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOCAL):
            raise ValueError(f"{self.address} is no https address")
        if not parts.hostname or parts.username is not None:
            raise ValueError(f"{self.address} must name a host, and neither user nor password")
        if not self.name or self.name.startswith("."):
            raise ValueError(f"{self.address} does not end in the name of a file")
        if self.verified is not None and self.sha256 is None:
            raise ValueError(f"{self.name} is said to be verified, but has no sha256")
        return self

    @property
    def name(self) -> str:
        """Of the file."""
        return PurePosixPath(urlsplit(self.address).path).name


class Entry(Section):
    """What is known of a model."""

    name: str
    task: Task
    family: str
    files: tuple[RemoteFile, ...] = Field((), description="none for what comes with Sightline; the one to open first")
    licence: str = Field(description="as SPDX names it")
    backend: Backend | None = None
    architecture: str | None = Field(None, description="torchvision's name of the network")
    input_size: ImageSize | None = Field(None, description="height, width in pixels")
    classes: tuple[str, ...] = ()
    speed: Speed | None = None
    speed_measured: bool = Field(False, description="else it goes by the architecture")
    calibration: Calibration | None = Field(None, description="[score, precision] of its boxes")
    note: str | None = None
    licence_note: str | None = None

    @property
    def bundled(self) -> Path | None:
        """Its file, where it comes with Sightline."""
        return Path(resolved(self.name)) if self.name.startswith(PREFIX) else None

    @property
    def bytes(self) -> int | None:
        """Of all its files; None where the size of one is unknown."""
        if self.bundled is not None:
            return self.bundled.stat().st_size
        sizes = [file.bytes for file in self.files]
        return None if None in sizes else sum(size for size in sizes if size is not None)

    @property
    def verified(self) -> bool:
        """Whether somebody confirms the hashes of all its files."""
        return all(file.verified is not None for file in self.files)


class _Described(Section):
    """An entry as the file writes it."""

    task: Task
    family: str = ""
    backend: Backend
    architecture: str | None = None
    files: tuple[RemoteFile, ...] = Field(min_length=1)
    licence: str = Field("unknown", min_length=1)
    input_size: ImageSize | None = None
    classes: str | tuple[str, ...] = ()
    speed: Speed | None = None
    speed_measured: bool = False
    calibration: Calibration | None = None
    note: str | None = None

    @model_validator(mode="after")
    def _names_differ(self) -> _Described:
        names = [file.name for file in self.files]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two of its files are called {', '.join(twice)}")
        return self


class _Bundled(Section):
    """What comes with Sightline, as the file writes it."""

    task: Task
    input_size: ImageSize | None = None
    classes: tuple[str, ...] = ()
    speed: Speed | None = None
    speed_measured: bool = False


class _CatalogFile(Section):
    proofs: dict[str, str] = Field(default_factory=dict)
    classes: dict[str, str | tuple[str, ...]] = Field(default_factory=dict)
    licences: dict[str, str] = Field(default_factory=dict)
    models: dict[Name, _Described]
    bundled: dict[str, _Bundled] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _refers_to_what_is_there(self) -> _CatalogFile:
        for name, one in self.models.items():
            for file in one.files:
                if self.proofs and file.verified is not None and file.verified not in self.proofs:
                    raise ValueError(f"{name}: {file.verified!r} is none of the proofs: {', '.join(self.proofs)}")
            if isinstance(one.classes, str) and one.classes not in (self.classes.keys() | _NAMED_CLASSES.keys()):
                raise ValueError(f"{name}: there is no list of classes called {one.classes!r}")
            if one.backend == "torchvision" and one.architecture is None:
                raise ValueError(f"{name}: backend torchvision needs the name of the architecture")
        return self


class Catalog:
    """Entries by name."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._entries = dict(entries)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All of them, in the order of the file; what comes with Sightline last."""
        return tuple(self._entries.values())

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def find(self, name: str) -> Entry:
        """Raises ModelError that suggests the nearest names."""
        if name in self._entries:
            return self._entries[name]
        raise ModelError(f"no model is called {name!r}; {self.suggestion(name)}")

    def suggestion(self, name: str) -> str:
        """What may have been meant."""
        near = difflib.get_close_matches(name, self._entries, n=3)
        return f"did you mean {', '.join(near)}?" if near else "`sightline models list` shows all"


def load_catalog(own: str | Path | None = None) -> Catalog:
    """The shipped catalogue, with the entries of a file of the user's own, which count instead of shipped ones.

    Raises ConfigError where a file cannot be read.
    """
    entries = _shipped() | (_read(Path(own)) if own else {})
    bundled = {name: entries.pop(name) for name in [*entries] if name.startswith(PREFIX)}
    return Catalog(entries | bundled)


@cache
def _shipped() -> dict[str, Entry]:
    """Of the shipped file, read once."""
    path = next((folder / FILE for folder in config_folders() if (folder / FILE).is_file()), None)
    if path is None:
        raise ConfigError(f"{FILE} is not where Sightline was installed; install Sightline again")
    return _read(path)


def _read(path: Path) -> dict[str, Entry]:
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 (a safe one)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the catalogue {path}: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"the catalogue {path} is not YAML: {' '.join(str(error).split())}") from error
    try:
        said = _CatalogFile.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ConfigError(f"the catalogue {path}: {place}: {first['msg'].removeprefix('Value error, ')}") from error
    return {name: _entry(name, one, said) for name, one in said.models.items()} | _bundled(said)


def _entry(name: str, one: _Described, said: _CatalogFile) -> Entry:
    values: dict[str, Any] = {key: getattr(one, key) for key in type(one).model_fields}
    values["classes"] = _classes(one.classes, said.classes)
    values["files"] = tuple(
        file.model_copy(update={"verified": said.proofs.get(file.verified, file.verified)})
        if file.verified is not None
        else file
        for file in one.files
    )
    return Entry(name=name, licence_note=said.licences.get(one.licence), **values)


def _classes(named: str | tuple[str, ...], lists: Mapping[str, str | tuple[str, ...]]) -> tuple[str, ...]:
    if not isinstance(named, str):
        return named
    found = lists.get(named, named)
    return _NAMED_CLASSES[found] if isinstance(found, str) else found


def _bundled(said: _CatalogFile) -> dict[str, Entry]:
    there = bundled_names()
    return {
        f"{PREFIX}{name}": Entry(
            name=f"{PREFIX}{name}",
            family="Sightline",
            licence=BUNDLED_LICENCE,
            **{key: getattr(one, key) for key in type(one).model_fields},
        )
        for name, one in said.bundled.items()
        if name in there
    }
