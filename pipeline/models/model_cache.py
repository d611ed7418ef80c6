"""Where fetched models are kept, and whether a file there is the one that the catalogue means."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from platformdirs import user_cache_path

from pipeline.errors import ModelError
from pipeline.models.catalog import Entry, RemoteFile

VARIABLE = "SIGHTLINE_MODELS"  # environment: the folder
_BLOCK = 1 << 20
_LOG = logging.getLogger(__name__)


class State(StrEnum):
    """Of a file of the cache."""

    ABSENT = "absent"
    GOOD = "good"  # it has the catalogue's hash
    UNCONFIRMED = "unconfirmed"  # it is as it was when it came, but nobody confirms what it should be
    WRONG = "wrong"  # it is another file, or was changed


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found of a file."""

    path: Path
    state: State
    sha256: str | None = None  # of the file that is there


class ModelCache:
    """A folder with a folder for each model."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> ModelCache:
        """As SIGHTLINE_MODELS says, else beside what other programs cache of the user."""
        named = environment.get(VARIABLE)
        return cls(Path(named).expanduser() if named else user_cache_path("sightline") / "models")

    def path(self, entry: Entry, file: RemoteFile) -> Path:
        """Where the file is, or would be."""
        return self.folder / entry.name / file.name

    def looked(self, entry: Entry, file: RemoteFile, *, anew: bool = False) -> Looked:
        """What is there. A hash is computed once and remembered with the file's size and time; `anew`: again.

        Raises ModelError where that cannot be found out.
        """
        path = self.path(entry, file)
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return Looked(path, State.ABSENT)
        except OSError as error:
            raise ModelError(
                f"{path} cannot be looked at: {error.strerror}; set {VARIABLE} to another folder"
            ) from error
        if not stat.S_ISREG(found.st_mode):
            raise ModelError(
                f"{path}, where a file of model {entry.name!r} belongs, is {_kind(found.st_mode)}; move it away"
            )
        before = _remembered(path)
        unchanged = before is not None and (before["bytes"], before["time"]) == (found.st_size, found.st_mtime_ns)
        known = before is not None and unchanged and not anew
        sha256 = str(before["sha256"]) if before is not None and known else _read(path)
        state = _state(file, sha256, None if before is None else str(before["sha256"]))
        if not known and state is not State.WRONG:
            remember(path, sha256)
        return Looked(path, state, sha256)


def fits(file: RemoteFile, sha256: str) -> bool:
    """Whether a file with this hash is the one meant, as far as it is known."""
    return sha256 == file.sha256 if file.sha256 is not None else sha256.startswith(file.sha256_begins or "")


def sha256_of(path: Path) -> str:
    """Of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _read(path: Path) -> str:
    """Its hash. Raises ModelError."""
    try:
        return sha256_of(path)
    except OSError as error:
        raise ModelError(
            f"{path} cannot be read: {error.strerror}; make it readable, or remove it so that it is fetched"
        ) from error


def _kind(mode: int) -> str:
    return "a folder" if stat.S_ISDIR(mode) else "no ordinary file"


def remember(path: Path, sha256: str) -> None:
    """Keep a hash beside its file. Where nothing can be written it is computed again next time."""
    found = path.stat()
    said = {"sha256": sha256, "bytes": found.st_size, "time": found.st_mtime_ns}
    place = _memory(path)
    beside = place.with_name(f"{place.name}.{os.getpid()}")
    try:
        beside.write_text(json.dumps(said), encoding="utf-8")
        beside.replace(place)
    except OSError as error:
        _LOG.info("the hash of %s is not remembered: %s", path, error.strerror)


def _state(file: RemoteFile, sha256: str, before: str | None) -> State:
    if not fits(file, sha256) or (file.sha256 is None and before not in (None, sha256)):
        return State.WRONG
    return State.GOOD if file.verified is not None else State.UNCONFIRMED


def _memory(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256.json")


def _remembered(path: Path) -> dict[str, str | int] | None:
    """What was kept; None where nothing is to be read."""
    try:
        said = json.loads(_memory(path).read_text(encoding="utf-8"))
        return {"sha256": str(said["sha256"]), "bytes": int(said["bytes"]), "time": int(said["time"])}
    except (OSError, ValueError, KeyError, TypeError):
        return None
