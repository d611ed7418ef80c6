"""Files of crops beside the database. A file is complete before a row names it, and stays while a row names it."""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from uuid import UUID

from pipeline.errors import OutputError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CropFile:
    """A crop on the disk."""

    path: str  # relative to the media folder, with /
    sha256: str
    size: int  # bytes


def write_crop(folder: Path, jpeg: bytes, *, run: UUID, run_source_id: int, local_id: int, at: int) -> CropFile:
    """Write a crop where nothing but its own content and track decide the path. Raises OutputError.

    A run that is killed between file and row writes the same file again when it resumes, so none is left over.
    Written beside its place and renamed, so that a reader sees all of it or nothing.
    """
    content = hashlib.sha256(jpeg).hexdigest()
    name = hashlib.sha256(f"{run} {run_source_id} {local_id} {at} {content}".encode()).hexdigest()[:32]
    path = PurePosixPath("crops", name[:2], f"{name}.jpg")
    target = folder / path
    beside = target.with_name(f".{name}.{secrets.token_hex(4)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            beside.write_bytes(jpeg)
            os.replace(beside, target)  # noqa: PTH105 - the name says that it overwrites
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot write the crop {target}: {error.strerror}; check the disk's space and rights"
        ) from error
    return CropFile(str(path), content, len(jpeg))


def remove_crops(folder: Path, paths: list[str]) -> None:
    """Delete files that no row names any more. One that stays is only logged: what replaced it is stored already."""
    for path in paths:
        try:
            (folder / path).unlink(missing_ok=True)
        except OSError as error:
            _log.warning("the old file %s takes up space, as it cannot be deleted: %s", folder / path, error.strerror)
