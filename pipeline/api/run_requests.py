"""What a request over HTTP may start a run on: uploads, files of allowed folders, and settings that name no others."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated
from uuid import UUID

import yaml
from pydantic import BaseModel, ConfigDict, Field

from pipeline.api.failures import not_found, refused
from pipeline.api.services import Services
from pipeline.api.uploads import upload_path
from pipeline.bundled_models import PREFIX
from pipeline.redaction import redact

# Settings that change how a run sees, not where it reads or writes. `store.database=/etc/passwd` would be neither.
SECTIONS = ("tracker.", "detector.motion.", "source.", "target.")
_OF = {
    "detector": "backend decoder classes keep input_size min_score nms_iou max_detections precision",
    "segmenter": "backend when every overlap weak_score classes min_score match_iou input_size precision",
    "embedder": "backend recipe input_size min_score",
}
SETTINGS = frozenset(f"{section}.{name}" for section, names in _OF.items() for name in names.split())
STREAMS = ("rtsp://", "rtsps://", "http://", "https://")
# files of the allowed folders, or models that come with Sightline
WEIGHTS = frozenset({"detector.weights", "segmenter.weights", "embedder.weights"})
TARGET_FILES = ("weights", "backbone", "head")  # likewise, of whatever follows a target
_KEY = re.compile(r"[a-z_]+(\.[a-z_]+)*")  # what reads settings may strip more than this compares

Text = Annotated[str, Field(min_length=1, max_length=1000)]


class Started(BaseModel):
    """What to run on: addresses, or an upload."""

    model_config = ConfigDict(extra="forbid")

    addresses: list[Text] = Field([], max_length=100)
    upload: UUID | None = None
    config: str = Field("default", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", description="name of one in configs/")
    overrides: list[Text] = Field([], max_length=50, description="key.path=value, as of `sightline run --set`")


def allowed_addresses(services: Services, body: Started) -> list[str]:
    """Absolute paths, and streams. Raises a 404 or 422 for what nobody may name."""
    found = [allowed_address(services, address) for address in body.addresses]
    if body.upload is not None:
        path = upload_path(services.media_folder, body.upload)
        if path is None:
            raise not_found("upload")
        found.append(str(path))
    if not found:
        raise refused("there is nothing to run on; give addresses or an upload")
    return found


def allowed_address(services: Services, address: str) -> str:
    """The address of a stream, or the absolute path of a file or folder. Raises a 422 for what nobody may name.

    Nothing of an address with a password is told.
    """
    if "://" not in address:
        return str(_inside(services, address))
    if redact(address) != address:
        raise refused("the address holds a password; leave user and password out and name a secret that has them")
    if not address.lower().startswith(STREAMS):
        raise refused(f"no stream is read from such an address; it begins with one of {', '.join(STREAMS)}")
    return address


def allowed_overrides(services: Services, overrides: Sequence[str]) -> list[str]:
    """The same settings; weights with their absolute path. Raises a 422 for one that is not open to this."""
    return [_override(services, one) for one in overrides]


def _override(services: Services, override: str) -> str:
    key, equals, value = override.partition("=")
    key = key.strip()
    if not equals:
        raise refused(f"setting {key!r} has no value; write key.path=value")
    if _KEY.fullmatch(key) is None:
        raise refused(f"setting {key!r} is no name of one; write it in small letters, without spaces: key.path=value")
    name = key.rpartition(".")[2]
    in_target = key.startswith("target.")
    if key in WEIGHTS or (in_target and name in TARGET_FILES):
        named = _text(key, value)
        return f"{key}={json.dumps(named if named.startswith(PREFIX) else str(_inside(services, named)))}"
    hidden = in_target and (name == "device" or isinstance(_read(key, value), dict | list))  # files could be in it
    if hidden or (key not in SETTINGS and not key.startswith(SECTIONS)):
        raise refused(f"setting {key!r} cannot be changed from here; use `sightline run --set` on the server")
    return f"{key}={value}"


def _text(key: str, value: str) -> str:
    read = _read(key, value)
    if not isinstance(read, str):
        raise refused(f"setting {key!r} is no path")
    return read


def _read(key: str, value: str) -> object:
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise refused(f"setting {key!r} is no YAML value") from error


def _inside(services: Services, address: str) -> Path:
    """The file or folder at an address, if it lies in an allowed folder; links are followed first.

    What lies elsewhere is refused in the same words as what does not exist.
    """
    roots = services.limits.media_roots
    try:
        path = Path(address).resolve(strict=True)
        allowed = any(path.is_relative_to(root.resolve()) for root in roots)
    except (OSError, ValueError, RuntimeError):  # nothing there, a name that none can have, a ring of links
        allowed = False
    if not allowed:
        where = ", ".join(map(str, roots))
        hint = f"name one in {where}" if roots else "upload it, or set SIGHTLINE_MEDIA_ROOTS on the server"
        named = "such file or folder" if "@" in address else f"file or folder {address!r}"  # it may be a password
        raise refused(f"there is no {named} that may be used from here; {hint}")
    return path
