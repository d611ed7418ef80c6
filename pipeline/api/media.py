"""Pictures and videos: stored crops by id, and what is cut from the sources for an object."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection

from pipeline.api.failures import not_found, refused
from pipeline.api.files import answer_file
from pipeline.api.scopes import reading
from pipeline.api.services import Services
from pipeline.clips.cache import FileCache
from pipeline.clips.cutter import ClipCutter, Cut
from pipeline.errors import BusyError
from pipeline.store.cameras import list_cameras
from pipeline.store.filters import Scope, scope_of
from pipeline.store.footage_queries import find_media
from pipeline.store.run_queries import run_detail
from pipeline.store.source_queries import object_to_show

KINDS = {
    **{".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"},
    **{".mp4": "video/mp4", ".mkv": "video/x-matroska"},
}
ALWAYS_ASK = "private, no-cache"  # kept by the browser, shown only after asking whether it is still the same
NEVER_KEPT = "no-store"

Moment = Annotated[int | None, Query(description="microseconds since 1970, UTC", ge=0, le=2**62)]


def media_routes(services: Services) -> APIRouter:
    """/media, /objects/.../clip.mp4, frame.jpg, crop.jpg, explanation.png, /runs/.../preview.jpg, /api/sources/..."""
    router = APIRouter(tags=["pictures"])
    folder, limits = services.media_folder, services.limits
    cache = FileCache(folder / "clips", limit=limits.cache_bytes, makers=limits.cuts)
    cutter = ClipCutter(
        services.database, cache, media_folder=folder, width=limits.clip_width, seconds=limits.clip_seconds
    )

    def cut(request: Request, media_type: str, make: Callable[[Scope], Cut | None]) -> Response:
        with services.database.read("look for an object") as connection:
            scope = scope_of(connection, services.projects)
        made = make(scope)
        if made is None:
            raise not_found("track")
        answer = answer_file(request, made.path, etag=made.key, media_type=media_type, cache=ALWAYS_ASK)
        if answer is None:  # deleted between making and opening it
            raise BusyError("the cache of clips is too small for what is asked for; try again")
        return answer

    @router.head("/media/{public_id}", include_in_schema=False)
    @router.get("/media/{public_id}")
    def media(public_id: UUID, request: Request) -> Response:
        """A stored picture, or a file of a recording."""
        with reading(services, "look for a picture") as (scope, connection):
            row = find_media(scope, connection, public_id)
        path = None if row is None else within(folder, row.path)
        if row is None or path is None or path.suffix.lower() not in KINDS:
            raise not_found("picture")
        kind = KINDS[path.suffix.lower()]
        tag = row.sha256 or public_id.hex  # a recording is never changed, and has no sum
        answer = answer_file(request, path, etag=tag, media_type=kind, cache=ALWAYS_ASK)
        if answer is None:
            raise not_found("picture")
        return answer

    @router.head("/objects/{public_id}/clip.mp4", include_in_schema=False)
    @router.get("/objects/{public_id}/clip.mp4")
    def clip(
        public_id: UUID,
        request: Request,
        source: UUID | None = None,
        from_: Annotated[Moment, Query(alias="from")] = None,
        to: Moment = None,
    ) -> Response:
        """A track in its source as H.264, cut when it is first asked for. 410 where the source is gone or changed."""
        return cut(
            request,
            "video/mp4",
            lambda scope: cutter.clip(scope, public_id, source=source, from_at=from_, to_at=to),
        )

    @router.head("/objects/{public_id}/frame.jpg", include_in_schema=False)
    @router.get("/objects/{public_id}/frame.jpg")
    def frame(public_id: UUID, request: Request, at: Moment = None) -> Response:
        """The whole frame in which a track was seen nearest to a moment, or best."""
        return cut(request, "image/jpeg", lambda scope: cutter.frame(scope, public_id, at=at))

    @router.head("/objects/{public_id}/crop.jpg", include_in_schema=False)
    @router.get("/objects/{public_id}/crop.jpg")
    def crop(public_id: UUID, request: Request, at: Moment = None) -> Response:
        """What a track looked like nearest to a moment, or best."""
        return cut(request, "image/jpeg", lambda scope: cutter.crop(scope, public_id, at=at))

    @router.head("/objects/{public_id}/explanation.png", include_in_schema=False)
    @router.get("/objects/{public_id}/explanation.png")
    def explanation(public_id: UUID, request: Request, at: Moment = None) -> Response:
        """Why a track was found where it was seen nearest to a moment, or best. Takes seconds when first asked for."""
        explainer = services.explanations
        if explainer is None:
            raise refused("nothing is explained here; `sightline explain` does it for a box in a video")
        return cut(
            request,
            "image/png",
            lambda scope: cutter.explanation(
                scope,
                public_id,
                lambda frame, box, run: explainer.explain(frame, box, scope, run=run),
                networks=lambda run: explainer.networks(scope, run=run),
                at=at,
            ),
        )

    @router.head("/runs/{public_id}/preview.jpg", include_in_schema=False)
    @router.get("/runs/{public_id}/preview.jpg")
    def preview(public_id: UUID, request: Request) -> Response:
        """The newest picture of a run that was started here."""
        with reading(services, "look for a run") as (scope, connection):
            run = run_detail(scope, connection, public_id)
        path = None if run is None else within(folder, f"preview/{public_id}.jpg")
        answer = None if path is None else newest_picture(request, path)
        if answer is None:
            raise not_found("preview")
        return answer

    @router.head("/api/sources/{public_id}/picture", include_in_schema=False)
    @router.get("/api/sources/{public_id}/picture")
    def picture(public_id: UUID, request: Request) -> Response:
        """What a source looks like (JPEG): a camera's newest picture, else a frame in which something was seen."""
        with reading(services, "look for a picture") as (scope, connection):
            path, shown = (
                source_preview(folder, scope, connection, public_id),
                object_to_show(scope, connection, public_id),
            )
        answer = None if path is None else newest_picture(request, path)
        if answer is None and shown is not None:
            return cut(request, "image/jpeg", lambda scope: cutter.frame(scope, shown.public_id))
        if answer is None:
            raise not_found("picture")
        return answer

    return router


def camera_preview(media_folder: Path, camera: UUID) -> Path | None:
    """Where the service puts a camera's newest picture."""
    return within(media_folder, f"preview/{camera}.jpg")


def source_preview(media_folder: Path, scope: Scope, connection: Connection, source: UUID) -> Path | None:
    """The newest picture of a source that is a camera of the newest service; None where there is none."""
    for camera in list_cameras(scope, connection):
        path = camera_preview(media_folder, camera.public_id) if camera.source == source else None
        if path is not None and path.exists():
            return path
    return None


def within(folder: Path, relative: str) -> Path | None:
    """A file of a folder; None where the path leads out of it, by itself or by a link, or is none."""
    try:
        root = folder.resolve()
        path = (root / relative).resolve()
    except (OSError, ValueError):  # ValueError: a path that no file can have
        return None
    return path if path.is_relative_to(root) and path != root else None


def newest_picture(request: Request, path: Path) -> Response | None:
    """A picture that is replaced again and again; None while there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    tag = f"{status.st_mtime_ns:x}-{status.st_size:x}"
    return answer_file(request, path, etag=tag, media_type="image/jpeg", cache=NEVER_KEPT)
