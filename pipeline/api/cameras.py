"""/api/cameras: the cameras of a service, their newest pictures, and adding, pausing, resuming and removing them."""

from __future__ import annotations

import re
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pipeline.api.camera_records import CameraId, CameraJson, CamerasJson, ServiceJson
from pipeline.api.camera_secrets import check_secret
from pipeline.api.failures import not_found, refused
from pipeline.api.media import camera_preview, newest_picture
from pipeline.api.objects import Limit, Offset
from pipeline.api.records import Moment
from pipeline.api.run_requests import Text, allowed_address
from pipeline.api.scopes import reading
from pipeline.api.services import Services
from pipeline.camera_settings import check_camera
from pipeline.store.cameras import CameraRow, add_camera, find_camera, list_cameras, newest_live_run, set_wish
from pipeline.store.filters import Scope
from pipeline.store.liveness import is_alive
from pipeline.store.run_queries import run_row
from pipeline.store.states import CameraWish
from pipeline.store.writer import now_microseconds

_ABOUT = {  # settings that say something of the camera itself; the others would name files or change the models
    *("transport", "hardware", "policy", "max_fps", "open_seconds", "stall_seconds", "backoff_seconds", "loop"),
    *("enabled", "keep", "record"),
}


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}")


def _is_name(value: str) -> str:
    """What is no name may be a password: it is not repeated."""
    if not _NAME.fullmatch(value):
        raise ValueError("give a name of letters, digits, space . _ -, at most 64 of them")
    return value


Named = Annotated[str, AfterValidator(_is_name)]


class NewCamera(BaseModel):
    """A camera to take up."""

    model_config = ConfigDict(extra="forbid")

    name: Named = Field(description="letters, digits, space . _ -")
    url: Text = Field(description="rtsp://host/path and the like, without user and password")
    secret: Named | None = Field(None, description="name of the secret with user and password, as the service has it")
    settings: dict[str, Any] = Field({}, description="more of what a cameras file may say of a camera")


def camera_routes(services: Services) -> APIRouter:
    """Reading and steering cameras."""
    router = APIRouter(prefix="/api/cameras", tags=["cameras"])

    @router.get("")
    def cameras(
        run: Annotated[UUID | None, Query(description="a service; without it the newest")] = None,
        limit: Limit = 50,
        offset: Offset = 0,
    ) -> CamerasJson:
        """A page of cameras, by name, with the service that keeps them."""
        with reading(services, "list cameras") as (scope, connection):
            service = newest_live_run(scope, connection) if run is None else run_row(scope, connection, run)
            rows = [] if service is None else list_cameras(scope, connection, run=service.public_id)
        now = now_microseconds()
        return CamerasJson(
            items=[CameraJson.of(row, picture_of(row)) for row in rows[offset : offset + limit]],
            total=len(rows),
            limit=limit,
            offset=offset,
            service=None if service is None else ServiceJson.of_run(service, now, alive=is_alive(service, now)),
            now=Moment.of(now),
        )

    @router.post("", status_code=201)
    def add(body: NewCamera) -> CameraId:
        """Let the service take a camera up, within a second. 409 where no service is at work."""
        if body.settings.keys() - _ABOUT:
            raise refused(f"from here a camera can be given these settings: {', '.join(sorted(_ABOUT))}")
        url = allowed_address(services, body.url)
        asked = {**body.settings, "url": url, **({"secret": body.secret} if body.secret else {})}
        checked = check_camera(body.name, asked).model_dump(mode="json", exclude_unset=True)
        with reading(services, "look for the service") as (scope, connection):
            service = newest_live_run(scope, connection)
            cameras = [] if service is None else list_cameras(scope, connection, run=service.public_id)
        if body.secret is not None:
            check_secret(services, cameras, body.secret, url)
        if service is None:
            raise refused("there is no service yet; start one with: sightline watch cameras.yaml", status=409)
        return CameraId(id=add_camera(services.database, scope, service.public_id, body.name, checked))

    @router.post("/{public_id}/pause", status_code=202)
    def pause(public_id: UUID) -> CameraId:
        """Read no frames of a camera for now; the others go on. That time is a gap."""
        return ask(public_id, CameraWish.PAUSE)

    @router.post("/{public_id}/resume", status_code=202)
    def resume(public_id: UUID) -> CameraId:
        """Let a paused camera go on."""
        return ask(public_id, CameraWish.RUN)

    @router.post("/{public_id}/remove", status_code=202)
    def remove(public_id: UUID) -> CameraId:
        """Take a camera away; what was stored of it stays."""
        return ask(public_id, CameraWish.REMOVE)

    @router.head("/{public_id}/picture", include_in_schema=False)
    @router.get("/{public_id}/picture")
    def picture(public_id: UUID, request: Request) -> Response:
        """The newest picture of a camera (JPEG)."""
        find(public_id)
        path = camera_preview(services.media_folder, public_id)
        answer = None if path is None else newest_picture(request, path)
        if answer is None:
            raise not_found("picture")
        return answer

    def picture_of(row: CameraRow) -> str | None:
        path = camera_preview(services.media_folder, row.public_id)
        try:
            return None if path is None else f"/api/cameras/{row.public_id}/picture?v={path.stat().st_mtime_ns:x}"
        except FileNotFoundError:
            return None

    def ask(public_id: UUID, wanted: CameraWish) -> CameraId:
        scope, _ = find(public_id)
        set_wish(services.database, scope, public_id, wanted)
        return CameraId(id=public_id)

    def find(public_id: UUID) -> tuple[Scope, CameraRow]:
        with reading(services, "look for a camera") as (scope, connection):
            row = find_camera(scope, connection, public_id)
        if row is None:
            raise not_found("camera")
        return scope, row

    return router
