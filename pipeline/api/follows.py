"""/api/videos and /api/follows: the pictures of a video by their number, and following what a box on one shows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

from pipeline.api.failures import not_found, refused
from pipeline.api.run_requests import Text, allowed_address, allowed_overrides
from pipeline.api.runs import RunId, Starting
from pipeline.api.scopes import reading
from pipeline.api.services import Services
from pipeline.api.uploads import upload_path
from pipeline.clips.still_pictures import StillPictures
from pipeline.store.source_queries import source_row
from pipeline.tracker_names import TargetName

KEPT = "private, max-age=60"  # seconds: whoever moves along a video comes back to pictures
FOLLOWED = ("file", "images")  # kinds of sources that can be read again
Side = Annotated[float, Field(allow_inf_nan=False, ge=-1e6, le=1e6)]
Length = Annotated[PositiveFloat, Field(allow_inf_nan=False, le=1e6)]
FrameNumber = Annotated[int, Field(ge=0, le=2**31)]


class Named(BaseModel):
    """A video: one of the store's sources, a path on the server, or an upload."""

    model_config = ConfigDict(extra="forbid")

    source: UUID | None = None
    address: Text | None = None
    upload: UUID | None = None


class Picture(Named):
    """One picture of a video."""

    frame: FrameNumber = 0


class Follow(Named):
    """What to follow, and how."""

    box: tuple[Side, Side, Length, Length] = Field(description="left, top, width, height; pixels of the video")
    start_frame: FrameNumber = 0
    tracker: TargetName = "correlation"
    label: str = Field("", max_length=100, description="what the target is: its class")
    max_frames: PositiveInt | None = Field(None, description="pictures at most, from the first one on")
    overrides: list[Text] = Field([], max_length=50, description="key.path=value, as of `sightline follow --set`")


class VideoJson(BaseModel):
    """A video or a folder of pictures."""

    name: str
    width: int
    height: int
    fps: float
    frames: int | None = Field(description="null where nothing tells")


def follow_routes(services: Services, starting: Starting) -> APIRouter:
    """Looking at videos and following targets in them."""
    router = APIRouter(prefix="/api", tags=["following"])
    stills = StillPictures()

    @router.get("/videos")
    def video(named: Annotated[Named, Query()]) -> VideoJson:
        """How large and how long a video is."""
        found = stills.of(place(named))
        return VideoJson(name=found.name, width=found.width, height=found.height, fps=found.fps, frames=found.count)

    @router.get("/videos/picture")
    def picture(named: Annotated[Picture, Query()]) -> Response:
        """One picture of a video (JPEG), at most 1280 pixels wide."""
        return Response(stills.jpeg(place(named), named.frame), media_type="image/jpeg", headers=_HEADERS)

    @router.post("/follows", status_code=201)
    def follow(body: Follow) -> RunId:
        """Follow what a box shows, as a process of its own; the run it becomes has one track."""
        path = place(body)
        overrides = allowed_overrides(services, body.overrides)
        if body.max_frames is not None:
            overrides.append(f"source.max_frames={body.max_frames}")
        with starting.one():
            run = services.runs.follow(
                str(path),
                box=body.box,
                start_frame=body.start_frame,
                tracker=body.tracker,
                label=body.label.strip(),
                overrides=overrides,
            )
        return RunId(id=run)

    def place(named: Named) -> Path:
        """Where it lies. Raises a 404 or 422 for what nobody may name."""
        if sum(one is not None for one in (named.source, named.address, named.upload)) != 1:
            raise refused("name one video: a source, an address or an upload")
        if named.address is not None:
            if "://" in named.address:
                raise refused("a stream cannot be followed in; name a video file or a folder of pictures")
            return Path(allowed_address(services, named.address))
        if named.upload is not None:
            path = upload_path(services.media_folder, named.upload)
            if path is None:
                raise not_found("upload")
            return path
        assert named.source is not None, "one of them is named"
        with reading(services, "look for a source") as (scope, connection):
            row = source_row(scope, connection, named.source)
        if row is None:
            raise not_found("source")
        if row.kind not in FOLLOWED:
            raise refused(f"{row.name} is a camera, whose pictures do not come again; choose a video")
        return Path(row.uri_redacted)

    return router


_HEADERS = {"cache-control": KEPT}
