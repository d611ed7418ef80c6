"""Uploads: videos that somebody sends. The name is reduced to a harmless one, the content is looked at."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import unicodedata
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote
from uuid import UUID

import anyio.to_thread
from fastapi import APIRouter, Header, Request
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from pipeline.api.failures import refused
from pipeline.api.services import Services
from pipeline.errors import OutputError, SourceError
from pipeline.sources.excerpt import check_video
from pipeline.store.leftovers import UPLOADS
from pipeline.store.public_id import PublicIds

PART = ".part"  # while it arrives; no upload is called so
LONGEST_NAME = 120  # bytes of UTF-8
CHECK_SPACE = 64 << 20  # bytes that arrive between two looks at the disk
_HARMFUL = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|\[\]{}%$`;&!~#\'^]')  # for shells, globs, addresses or file systems


class Uploaded(BaseModel):
    """A file that arrived whole."""

    id: UUID
    name: str
    bytes: int
    kind: Literal["video"]


def upload_routes(services: Services) -> APIRouter:
    """POST /api/uploads."""
    router = APIRouter(prefix="/api", tags=["uploads"])
    folder, limits = services.media_folder / UPLOADS, services.limits
    ids = PublicIds()

    @router.post("/uploads", status_code=201)
    async def upload(
        request: Request,
        x_filename: Annotated[str, Header(max_length=4000, description="percent-encoded UTF-8")] = "",
        content_length: Annotated[int, Header(ge=0, le=2**62)] = 0,
    ) -> Uploaded:
        """Keep the body as a file that a run can be started on. Nothing stays of what is no video or breaks off."""
        name, public_id = safe_name(unquote(x_filename)), ids.new()
        _check_space(services.media_folder, content_length, limits.free_bytes)
        place = folder / str(public_id)
        try:
            place.mkdir(parents=True)
            size = await _receive(request.stream(), place / PART, spare=limits.free_bytes)
            await anyio.to_thread.run_sync(_check_content, place / PART)
            (place / PART).rename(place / name)
        except ClientDisconnect as error:
            raise refused("the upload broke off", status=400) from error
        except OSError as error:
            raise OutputError(f"the upload cannot be kept: {error.strerror}; check the disk of the media") from error
        finally:
            _remove_half(place)
        return Uploaded(id=public_id, name=name, bytes=size, kind="video")

    return router


def upload_path(media_folder: Path, upload: UUID) -> Path | None:
    """Where an upload lies; None if there is none."""
    try:
        files = [path for path in (media_folder / UPLOADS / str(upload)).iterdir() if path.name != PART]
    except (FileNotFoundError, NotADirectoryError):
        return None
    return files[0].resolve() if len(files) == 1 else None


def safe_name(name: str) -> str:
    """The last part of a name, without anything that a shell, a glob pattern or a file system takes for a sign.

    >>> safe_name("../../etc/passwd"), safe_name("C:\\\\clips\\\\gate [1].mp4"), safe_name("...")
    ('passwd', 'gate _1_.mp4', 'upload')
    """
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    plain = "".join("_" if unicodedata.category(letter)[0] == "C" else letter for letter in _HARMFUL.sub("_", last))
    plain = plain.strip(" .-@_") or "upload"
    stem, suffix = os.path.splitext(plain)  # noqa: PTH122 - a name, not a path
    suffix = _first_bytes(suffix, 16)
    return _first_bytes(stem, LONGEST_NAME - len(suffix.encode())) + suffix


def _first_bytes(text: str, most: int) -> str:
    return text.encode("utf-8", "ignore")[:most].decode("utf-8", "ignore")


async def _receive(body: AsyncIterator[bytes], part: Path, *, spare: int) -> int:
    """Write a body to a file; how many bytes it has. The guard ends it where it is too long."""
    size = unseen = 0
    async with await anyio.open_file(part, "xb") as file:
        async for block in body:
            await file.write(block)
            size += len(block)
            unseen += len(block)
            if unseen >= CHECK_SPACE:
                unseen = 0
                _check_space(part.parent, 0, spare)
    return size


def _remove_half(place: Path) -> None:
    """Remove what did not become an upload: its part, and then its folder, which is empty only then."""
    (place / PART).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # it holds the upload, or was never made
        place.rmdir()


def _check_space(folder: Path, needed: int, spare: int) -> None:
    existing = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
    if shutil.disk_usage(existing).free < needed + spare:
        raise refused("the disk of the media has too little room left; free some space", status=507)


def _check_content(part: Path) -> None:
    """Whatever its name says, a picture must come out of it."""
    try:
        check_video(part)
    except SourceError as error:
        raise refused(
            "that is no video that can be read; send an mp4, mkv, avi, mov, ts or webm file", status=415
        ) from error
